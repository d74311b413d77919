"""Which checkpoint becomes the model, how much of it, and whether it is better than the pretrained one."""
