"""Using a trained encoder: bulk encoding, similarity, search."""
