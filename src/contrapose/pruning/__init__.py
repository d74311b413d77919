"""Weights of a trained encoder that are set to zero: scored, masked, and judged before and after."""
