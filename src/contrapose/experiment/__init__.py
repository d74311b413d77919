"""Ready experiments, the embedded demonstration among them."""
