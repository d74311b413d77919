"""Tests of what is done to texts."""
