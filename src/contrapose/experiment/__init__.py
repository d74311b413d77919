"""Trials of several methods or settings, measured once each, and the table that compares them."""
