"""The tiny model and the corpora of the tests of training, and one thread."""

from tests.train.conftest import _one_thread, place

__all__ = ["_one_thread", "place"]
