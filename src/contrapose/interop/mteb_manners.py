"""What running mteb does to the rest of the program, undone."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def undisturbed() -> Iterator[None]:
    """mteb and datasets talk, draw bars and seed the global random streams: inside the block only, and in silence."""
    import random
    import warnings

    import numpy as np
    import torch
    from datasets.utils import logging as datasets_logging

    loggers = [logging.getLogger(name) for name in ("mteb", "datasets", "huggingface_hub")]
    levels = [each.level for each in loggers]
    offline = [(module, module.HF_HUB_OFFLINE) for module in _hub_settings()]
    bars = datasets_logging.is_progress_bar_enabled()
    streams = random.getstate(), np.random.get_state(), torch.get_rng_state()
    for each in loggers:
        each.setLevel(logging.CRITICAL)
    datasets_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        random.setstate(streams[0])
        np.random.set_state(streams[1])
        torch.set_rng_state(streams[2])
        for module, value in offline:
            module.HF_HUB_OFFLINE = value
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)
        if bars:
            datasets_logging.enable_progress_bar()


def stay_offline() -> None:
    """No further attempt to reach the hub until the end of the block: only its cache is looked into."""
    for module in _hub_settings():
        module.HF_HUB_OFFLINE = True


def _hub_settings() -> list[Any]:
    import datasets.config
    import huggingface_hub.constants

    return [datasets.config, huggingface_hub.constants]
