"""The protocol continual: one corpus after the other, each against the model that the one before it made."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from contrapose.contract import RunOutline
from contrapose.data.corpus import Corpus, build_corpus
from contrapose.errors import UsageError
from contrapose.objectives.catalogue import recipe
from contrapose.protocols.continual import Continual
from contrapose.train.checkpoint import load
from tests.train.runs import Killed, Place, Witness, outcome, plain_bert, run_tiny, texts, write_place

#: Two tasks of six steps.
OPTIONS: dict[str, Any] = {"method": "pnr", "parts": ("continual",), "save_every": 1, "keep": 20}
BOUNDARY = 6
WEIGHT = "backbone.encoder.layer.0.output.dense.weight"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("place")
    return write_place(folder, plain_bert(folder / "bert"))


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two files of 40 texts, of which a tenth is in both."""
    folder, made = tmp_path_factory.mktemp("tasks"), texts(76, seed=8)
    files = [folder / "first.txt", folder / "second.txt"]
    for file, rows in zip(files, (made[:40], made[36:]), strict=True):
        file.write_text("\n".join(rows) + "\n")
    return files


@pytest.fixture(scope="module")
def whole(place: Place, corpora: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_tiny(place, tmp_path_factory.mktemp("continual") / "whole", corpus=corpora, **OPTIONS).folder


def state(folder: Path, step: int, module: str, name: str) -> torch.Tensor:
    return load(folder / "checkpoints", step).of(module)[name]


def protocol(
    starts: tuple[int, ...], rows: int, *, steps: int = 12, batch_size: int = 4, **given: Any
) -> Continual:
    made = Continual(**given)
    made.run = RunOutline(num_steps=steps, batch_size=batch_size, corpus_starts=starts)
    made.attach({}, torch.arange(rows), seed=0)
    return made


def test_each_step_sees_the_rows_of_its_corpus_and_the_last_task_has_no_end() -> None:
    made = protocol((0, 10, 15), 30)
    assert [made.task_of(step) for step in (0, 3, 4, 7, 8, 11, 12, 1000)] == [0, 0, 1, 1, 2, 2, 2, 2]
    assert [made.rows(step).tolist() for step in (0, 4, 8)] == [
        list(range(10)), list(range(10, 15)), list(range(15, 30)),
    ]  # fmt: skip
    assert [step for step in range(40) if made.renews_copies_at(step)] == [4, 8]
    assert [step for step in range(40) if made.restarts_optimizer_at(step)] == [4, 8]
    assert not any(protocol((0, 10), 30, restart_optimizer=False).restarts_optimizer_at(s) for s in range(40))
    assert [protocol((0, 10), 30, task_steps=2).task_of(step) for step in (1, 2)] == [0, 1]


def test_a_corpus_says_where_each_of_its_sources_begins(corpora: list[Path], tmp_path: Path) -> None:
    corpus = build_corpus(corpora, tmp_path / "corpus")
    assert corpus.starts == (0, 40)
    assert len(corpus) == 76, "a text that is in both is the first one's"
    assert Corpus.open(tmp_path / "corpus").starts == (0, 40)
    (tmp_path / "again.txt").write_text(corpora[0].read_text())
    given = [corpora[0], tmp_path / "again.txt", corpora[1]]
    assert build_corpus(given, tmp_path / "three").starts == (0, 40, 40), "one of which nothing is left"


def test_the_earlier_model_is_the_pretrained_one_and_then_what_the_first_corpus_made(
    whole: Path, place: Place
) -> None:
    earlier = [state(whole, step, "companions", f"changing.previous.{WEIGHT}") for step in (1, 6, 7, 12)]
    assert torch.equal(earlier[0], earlier[1])
    assert not torch.equal(earlier[1], earlier[2])
    assert torch.equal(earlier[2], earlier[3])
    assert torch.equal(earlier[2], state(whole, BOUNDARY, "encoder", WEIGHT))


def test_batches_and_optimizer_change_at_the_boundary(whole: Path) -> None:
    def steps_of_the_optimizer(step: int) -> set[int]:
        held = load(whole / "checkpoints", step).optimizer
        return {int(value) for name, value in held.items() if name.endswith("/step")}

    assert steps_of_the_optimizer(BOUNDARY) == {BOUNDARY}
    assert steps_of_the_optimizer(BOUNDARY + 1) == {1}
    assert int(state(whole, 12, "protocol", "steps_of_a_task")) == BOUNDARY


@pytest.mark.parametrize("kill_at", [5, 6, 7])
def test_a_run_goes_on_to_the_same_bytes_around_the_boundary(
    whole: Path, place: Place, corpora: list[Path], tmp_path: Path, kill_at: int
) -> None:
    options = {**OPTIONS, "save_every": 3}
    with pytest.raises(Killed):
        run_tiny(place, tmp_path / "cut", corpus=corpora, listener=Witness(kill_at=kill_at), **options)
    run_tiny(place, tmp_path / "cut", corpus=corpora, resume=True, **options)
    assert outcome(tmp_path / "cut") == outcome(whole)


def test_a_run_that_is_made_longer_keeps_its_boundary(
    whole: Path, place: Place, corpora: list[Path], tmp_path: Path
) -> None:
    """In equal shares of 26 steps, the second corpus would begin at step 13 and the copy be renewed there again."""
    shutil.copytree(whole, tmp_path / "longer")
    run_tiny(place, tmp_path / "longer", corpus=corpora, resume=True, **{**OPTIONS, "steps": 26})
    previous = f"changing.previous.{WEIGHT}"
    assert torch.equal(
        state(tmp_path / "longer", 26, "companions", previous), state(whole, 12, "companions", previous)
    )


def test_it_serves_a_method_without_an_earlier_model_and_a_fixed_one_on_request(
    place: Place, corpora: list[Path], tmp_path: Path
) -> None:
    plain = run_tiny(place, tmp_path / "plain", corpus=corpora, **{**OPTIONS, "method": "simcse"})
    assert "previous" not in str(load(plain.folder / "checkpoints", 12).modules.keys())
    fixed = run_tiny(place, tmp_path / "fixed", corpus=corpora, previous="start", **OPTIONS)
    assert not any("previous." in name for name in load(fixed.folder / "checkpoints", 12).modules)


def test_what_cannot_be_learnt_is_refused_before_training(
    place: Place, corpora: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="several corpora one after the other, and there is one"):
        run_tiny(place, tmp_path / "run", **OPTIONS)
    with pytest.raises(UsageError, match="2 corpora with 12 steps each, and the run has 12"):
        run_tiny(place, tmp_path / "run", corpus=corpora, task_steps=12, **OPTIONS)
    with pytest.raises(UsageError, match="corpus 2 has 36 rows to train on, and batch_size is 38"):
        run_tiny(place, tmp_path / "run", corpus=corpora, batch_size=38, held_out_rows=0, **OPTIONS)
    for method in ("cards", "debcse"):
        with pytest.raises(UsageError, match="a step would learn from text whose turn has not come"):
            recipe(method, ["continual"])
    assert not (tmp_path / "run").exists()
