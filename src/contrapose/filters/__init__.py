"""Which columns count as negatives, and how much."""
