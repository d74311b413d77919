"""Further terms of the loss."""
