"""One self-contained page about runs: what changed, by how much, how sure, and what it looks like."""
