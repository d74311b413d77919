"""The same tiny model, corpora and single thread as in the tests of training."""

from tests.train.conftest import _one_thread, calm_encoder, encoder, place

__all__ = ["_one_thread", "calm_encoder", "encoder", "place"]
