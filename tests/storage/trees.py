"""Two small trees of files that differ in every one, and what lies in a folder."""

from __future__ import annotations

import os
from pathlib import Path

TREE = {"state.json": b'{"step": 7}', "weights.bin": bytes(range(256)) * 8, "1_Pooling/config.json": b"{}"}
OTHER = {
    "state.json": b'{"step": 8}',
    "weights.bin": bytes(reversed(range(256))) * 8,
    "1_Pooling/config.json": b"[]",
}


def names_in(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))
