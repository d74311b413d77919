"""Text to pooled embeddings: one pooling path for training and use."""
