"""Speed and quality, measured; each number with the command that makes it."""
