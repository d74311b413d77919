"""The training loop, which cannot lose work."""
