"""Tests of contrapose.encoder."""
