"""``contrapose adapt``: from text to a proven encoder or the start; stopped and resumed; wrong input."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from tests.cli.conftest import Command

#: Each is a token of its own for a tiny encoder.
WORDS = [
    "cat",
    "mat",
    "dog",
    "ball",
    "park",
    "beach",
    "stock",
    "bank",
    "rate",
    "list",
    "item",
    "file",
    "line",
    "rice",
    "beans",
    "rain",
    "north",
    "team",
]
#: By how much: what they say outweighs positions and the other tokens of a text.
LONG = 10


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Titles of three words, and texts that say them again among others."""
    random = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("adapt") / "pairs.jsonl"
    rows = []
    for _ in range(240):
        title = list(random.choice(WORDS, size=3, replace=False))
        text = list(random.permutation([*title, *random.choice(WORDS, size=6)]))
        rows.append(json.dumps({"title": " ".join(title), "text": " ".join(text)}))
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Short runs at a rate at which a tiny model of random weights learns; the signals that were trained, by name."""
    from contrapose.adapt import signals, training

    fast = tuple(
        replace(signal, steps=12, options={**signal.options, "learning_rate": 3e-3, "max_length": 16})
        for signal in signals.SIGNALS
    )
    monkeypatch.setattr(signals, "SIGNALS", fast)
    trained: list[str] = []
    train = training.train

    def told(*args: Any, **options: Any) -> Any:
        trained.append(options["out"].name)
        return train(*args, **options)

    monkeypatch.setattr(training, "train", told)
    return trained


def outcome(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "adaptation.json").read_text())["outcome"])


@pytest.fixture
def sighted(tiny: Path, tmp_path: Path) -> Path:
    """The tiny encoder with vectors of WORDS that are long, so that it tells what titles and texts are about."""
    return with_words(tiny, tmp_path / "sighted", lambda words_WD: words_WD * LONG)


@pytest.fixture
def blind(sighted: Path, tmp_path: Path) -> Path:
    """The same with one vector for all of WORDS: it cannot tell one title from another."""
    return with_words(sighted, tmp_path / "blind", lambda words_WD: words_WD.mean(0).expand_as(words_WD))


def with_words(model: Path, out: Path, change: Callable[[Tensor], Tensor]) -> Path:
    """A copy of a model with other input vectors of WORDS."""
    from contrapose.encoder.encoder import Encoder

    encoder = Encoder.load(model, head="none")
    ids = [ids[1] for ids in encoder.token_ids(WORDS)]
    table = encoder.backbone.get_input_embeddings().weight.data
    table[ids] = change(table[ids])
    encoder.save(out)
    return out


def test_an_encoder_that_learned_is_handed_out_with_its_proof(
    contrapose: Command,
    sighted: Path,
    blind: Path,
    pairs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A tiny encoder learns nothing in a minute, so that in place of training the encoder is given its sight back."""
    from contrapose.adapt import training

    def given_sight(*_: Any, out: Path, **__: Any) -> None:
        out.mkdir(parents=True)
        shutil.copytree(sighted, out / "model")

    monkeypatch.setattr(training, "train", given_sight)
    out = tmp_path / "mine"
    done = contrapose("adapt", pairs, "--model", blind, "--out", out, "--json")
    assert done.code == 0, done.err
    facts = done.json
    assert facts["word"] == "better", facts["options"]
    assert facts["sentence"].startswith("Better: titles find their texts better")
    (question,) = facts["questions"].values()
    assert 0 < question["low"] <= question["difference"] <= question["high"]
    assert question["after"] > 2 * question["before"]
    assert facts["taken"]["kept"] >= 0.8
    found = contrapose("search", out, pairs, "cat beach", "--columns", "text", "--top", "1", "--json")
    assert found.code == 0, found.err
    assert "Better" in (out / "model" / "README.md").read_text()


def test_what_is_said_and_shown(
    contrapose: Command, tiny: Path, pairs: Path, tmp_path: Path, quick: list[str]
) -> None:
    done = contrapose("adapt", pairs, "--model", tiny, "--out", tmp_path / "mine")
    assert done.code == 0, done.err
    for words in ("titles of pairs", "hybrid search", "what was tried", "contrapose search", "model:"):
        assert words in done.out, words


def test_rows_that_prove_are_nobody_s_to_train_on(
    contrapose: Command, tiny: Path, pairs: Path, tmp_path: Path, quick: list[str]
) -> None:
    contrapose("adapt", pairs, "--model", tiny, "--out", tmp_path / "mine", "--quiet")
    training, held_out = (
        (tmp_path / "mine" / "text" / name).read_text().splitlines()
        for name in ("pairs.jsonl", "pairs.held-out.jsonl")
    )
    assert len(held_out) == 96
    assert len(training) == 144
    assert not set(training) & set(held_out)


def test_text_with_nothing_to_learn_ends_with_the_start_and_the_reason(
    contrapose: Command, tiny: Path, pairs: Path, tmp_path: Path, quick: list[str]
) -> None:
    out = tmp_path / "mine"
    facts = contrapose("adapt", pairs, "--model", tiny, "--out", out, "--minutes", "0.001", "--json").json
    assert facts["word"] == "unchanged"
    assert quick == []
    assert facts["sentence"].startswith("Unchanged: there was nothing to learn from")
    assert "does not fit into 0.001 minutes" in facts["left_out"].values()
    from contrapose.encoder.encoder import Encoder

    assert Encoder.load(out / "model").fingerprint() == Encoder.load(tiny).fingerprint()


def test_one_that_was_stopped_goes_on_with_what_it_has(
    contrapose: Command,
    tiny: Path,
    pairs: Path,
    tmp_path: Path,
    quick: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from contrapose.adapt import stages

    whole, out = tmp_path / "whole", tmp_path / "mine"
    contrapose("adapt", pairs, "--model", tiny, "--out", whole, "--quiet")
    names, quick[:] = list(quick), []
    choose = stages.Stages.choose

    def stopped(self: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stages.Stages, "choose", stopped)
    assert contrapose("adapt", pairs, "--model", tiny, "--out", out, "--quiet").code == 130
    monkeypatch.setattr(stages.Stages, "choose", choose)
    assert quick == names
    refused = contrapose("adapt", pairs, "--model", tiny, "--out", out)
    assert refused.code == 2
    assert "--resume" in refused.err
    other = contrapose("adapt", pairs, "--model", tiny, "--out", out, "--seed", "1", "--resume")
    assert other.code == 2
    assert "was begun with seed 0" in other.err
    minutes = contrapose("adapt", "--out", out, "--resume", "--minutes", "20")
    assert minutes.code == 2
    assert "was begun with minutes 10" in minutes.err
    done = contrapose("adapt", "--out", out, "--resume", "--json")
    assert done.code == 0, done.err
    assert quick == names  # nothing was trained again
    same = ("word", "sentence", "questions", "options", "taken")
    assert {name: outcome(out)[name] for name in same} == {name: outcome(whole)[name] for name in same}
    again = contrapose("adapt", "--out", out, "--resume")
    assert again.code == 0
    assert "finished already" in again.err


def test_queries_join_the_ranking(
    contrapose: Command, tiny: Path, pairs: Path, tmp_path: Path, quick: list[str]
) -> None:
    log = tmp_path / "log.txt"
    log.write_text("where is the tide\nmast and sail\n", encoding="utf-8")
    out = tmp_path / "mine"
    done = contrapose("adapt", pairs, "--model", tiny, "--out", out, "--queries", log, "--quiet")
    assert done.code == 0, done.err
    if "ranking-pairs" in quick:
        rows = [json.loads(line) for line in (out / "text" / "pairs.queries.jsonl").read_text().splitlines()]
        assert [row["anchor"] for row in rows[-2:]] == ["where is the tide", "mast and sail"]


def test_malformed_rows_end_with_3(
    contrapose: Command, tiny: Path, pairs: Path, tmp_path: Path, quick: list[str]
) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text(pairs.read_text() + '{"title": 3, "text": "a number is no title"}\n', encoding="utf-8")
    done = contrapose("adapt", bad, "--model", tiny, "--out", tmp_path / "mine", "--quiet")
    assert done.code == 3, done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["adapt"], "--out FOLDER"),
        (["adapt", "--out", "mine"], "no corpus"),
        (["adapt", "few.txt", "--out", "mine"], "too little to adapt to (200 are needed)"),
        (["adapt", "pairs.jsonl", "--out", "mine", "--minutes", "0"], "minutes"),
        (["adapt", "pairs.jsonl", "--out", "mine", "--queries", "none.txt"], "none.txt"),
        (["adapt", "pairs.jsonl", "--out", "few.txt"], "is a file"),
        (["adapt", "pairs.jsonl", "--out", "other"], "no adaptation's"),
        (["adapt", "pairs.jsonl", "--out", "mine", "--device", "cuda:99"], "cuda:99"),
        (["adapt", "-", "--out", "mine"], "standard input"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_input_is_told_before_anything_is_computed(
    contrapose: Command,
    pairs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "few.txt").write_text("a line\nanother\n")
    (tmp_path / "pairs.jsonl").write_text(pairs.read_text())
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    done = contrapose(*arguments)
    assert done.code in (1, 2), done.err
    assert words in " ".join(done.err.split())
    assert not (tmp_path / "mine").exists()
    assert sorted(each.name for each in (tmp_path / "other").iterdir()) == ["thesis.txt"]
