"""An adaptation that is stopped or killed in the middle of a signal, and goes on, comes to the same end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.tiny import tiny_bert
from tests.waiting import PATIENCE

WORDS = "cat mat dog ball park beach stock bank rate list item file line rice beans rain north team".split()  # noqa: SIM905


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapt")
    tiny_bert(folder / "tiny")
    random = np.random.default_rng(0)
    rows = []
    for _ in range(400):
        title = list(random.choice(WORDS, size=3, replace=False))
        text = [*title, *random.choice(WORDS, size=6)]
        rows.append(json.dumps({"title": " ".join(title), "text": " ".join(text)}) + "\n")
    (folder / "pairs.jsonl").write_text("".join(rows), encoding="utf-8")
    return folder


def started(place: Path, out: str, *more: str) -> subprocess.Popen[bytes]:
    words = ["adapt", "pairs.jsonl", "--model", "tiny", "--out", out, "--quiet", *more]
    return subprocess.Popen([sys.executable, "-m", "contrapose", *words], cwd=place)


def outcome(folder: Path) -> dict[str, Any]:
    found = json.loads((folder / "adaptation.json").read_text())["outcome"]
    return {
        name: found[name]
        for name in ("word", "sentence", "questions", "options", "taken", "steps", "trained_again")
    }


@pytest.fixture(scope="module")
def whole(place: Path) -> dict[str, Any]:
    assert started(place, "whole").wait(PATIENCE) == 0
    return outcome(place / "whole")


@pytest.mark.crash
@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda each: each.name
)
def test_it_goes_on_to_the_same_end(place: Path, whole: dict[str, Any], number: signal.Signals) -> None:
    out = f"stopped-{number.name}"
    process = started(place, out)
    until = time.monotonic() + PATIENCE
    while not (place / out / "signals/ranking-pairs/metrics.jsonl").exists():
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(number)
    assert process.wait(PATIENCE) == (-number if number == signal.SIGKILL else 128 + number)
    assert "outcome" not in json.loads((place / out / "adaptation.json").read_text())
    assert started(place, out, "--resume").wait(PATIENCE) == 0
    assert outcome(place / out) == whole
