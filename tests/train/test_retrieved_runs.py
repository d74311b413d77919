"""Runs with retrieved negatives: neighbours renewed at known steps, and a resumed run that goes on with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contrapose.data.corpus import Corpus
from contrapose.encoder.encoder import Encoder
from contrapose.errors import UsageError
from contrapose.maths.nearest import nearest_others
from contrapose.train import prefetcher, prepared_texts, refreshing
from contrapose.train.checkpoint import load, steps_saved
from contrapose.train.session import Session
from tests.tiny import tiny_roberta
from tests.train.runs import NUM_ROWS, Killed, Place, Witness, outcome, run_tiny, step_rows

EVERY = 4
OPTIONS: dict[str, Any] = {
    "method": "cards",
    "neighbours": 6,
    "retrieved_by": "nearest",
    "refresh_neighbours": EVERY,
    "switch_probability": 0.3,
    "learning_rate": 3e-3,
}


@pytest.fixture(scope="module")
def cased(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_roberta(tmp_path_factory.mktemp("cased") / "roberta")


@pytest.fixture(scope="module")
def whole(place: Place, cased: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("retrieved") / "whole"
    return run_tiny(place, out, model=cased, save_every=1, keep=20, **OPTIONS).folder


def saved_neighbours(folder: Path, step: int) -> np.ndarray:
    arrays: np.ndarray = load(folder / "checkpoints", step).of("texts")["arrays.retrieved.neighbours"].numpy()
    return arrays


def prepared(folder: Path) -> np.ndarray:
    return np.lib.format.open_memmap(folder / "cache" / "text" / "retrieved" / "neighbours.npy", mode="r")


def test_neighbours_are_searched_again_with_the_weights_of_then_and_kept_until_the_next_time(
    whole: Path,
) -> None:
    for step in range(1, EVERY + 1):
        assert np.array_equal(saved_neighbours(whole, step), prepared(whole))
    renewed = [saved_neighbours(whole, step) for step in range(EVERY + 1, 2 * EVERY + 1)]
    assert not np.array_equal(renewed[0], prepared(whole))
    assert all(np.array_equal(renewed[0], other) for other in renewed)
    assert not np.array_equal(saved_neighbours(whole, 2 * EVERY + 1), renewed[0])


def test_a_corpus_whose_neighbours_nobody_looks_at_is_not_encoded_for_them(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def encoded(*_: Any, **__: Any) -> None:
        raise AssertionError("the corpus was encoded")

    monkeypatch.setattr(prepared_texts, "row_vectors", encoded)
    run = run_tiny(
        place, tmp_path / "run", method="simcse", views="retrieved", retrieved_by="random", steps=2
    )
    assert prepared(run.folder).shape[1] == 0
    assert all(row["retrieved_at_random"] == 1 for row in step_rows(run.folder))
    with pytest.raises(AssertionError, match="the corpus was encoded"):
        run_tiny(place, tmp_path / "other", method="simcse", views="retrieved", neighbours=6, steps=2)


def test_negatives_of_a_step_are_the_neighbours_of_the_last_search(
    place: Place, cased: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: dict[int, Any] = {}
    nearest_text: dict[int, dict[str, str]] = {}
    tokenize, refresh = prefetcher.tokenize, refreshing.refresh

    def note(encoder: Encoder, batch: Any, plan: Any) -> Any:
        batches[batch.step] = batch
        return tokenize(encoder, batch, plan)

    def look(session: Session) -> None:
        assert session.progress.step not in batches, "the batch was made before the search"
        (texts,) = session.corpus.take(session.batches.rows).values()
        near = nearest_others(session.encoder.encode(texts, normalize=False), 1).rows_QK[:, 0]
        nearest_text[session.progress.step] = {
            text: texts[n] for text, n in zip(texts, near.tolist(), strict=True)
        }
        refresh(session)

    monkeypatch.setattr(prefetcher, "tokenize", note)
    monkeypatch.setattr("contrapose.train.loop.refresh", look)
    run_tiny(place, tmp_path / "run", model=cased, **OPTIONS)
    assert sorted(nearest_text) == [EVERY, 2 * EVERY]
    for step in range(EVERY, 12):
        of_last = nearest_text[step // EVERY * EVERY]
        batch = batches[step]
        assert [of_last[text] for text in batch.texts["anchor"]] == batch.texts["negative_1"]
        assert batch.texts["positive"] != batch.texts["anchor"]


@pytest.mark.parametrize("kill_at", [2, EVERY, EVERY + 2, 2 * EVERY + 1])
def test_a_resumed_run_leaves_the_same_bytes(
    whole: Path, place: Place, cased: Path, tmp_path: Path, kill_at: int
) -> None:
    options = {**OPTIONS, "save_every": 3, "keep": 20}
    with pytest.raises(Killed):
        run_tiny(place, tmp_path / "cut", model=cased, listener=Witness(kill_at), **options)
    # Nobody asked for a checkpoint there: it is written before the search.
    assert (EVERY in steps_saved(tmp_path / "cut" / "checkpoints")) == (kill_at > EVERY)
    run_tiny(place, tmp_path / "cut", model=cased, resume=True, **options)
    assert outcome(tmp_path / "cut") == outcome(whole)


def test_a_kill_while_the_corpus_is_searched_loses_nothing(
    whole: Path, place: Place, cased: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any, **__: Any) -> Any:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("contrapose.train.refreshed_texts.RefreshedTexts.refresh", killed)
        with pytest.raises(Killed):
            run_tiny(place, tmp_path / "cut", model=cased, **OPTIONS)
    assert steps_saved(tmp_path / "cut" / "checkpoints") == [EVERY]
    assert not list((tmp_path / "cut" / "cache").glob("vectors*"))
    run_tiny(place, tmp_path / "cut", model=cased, resume=True, **OPTIONS)
    assert outcome(tmp_path / "cut") == outcome(whole)


def test_neighbours_that_are_never_renewed_are_in_no_checkpoint(
    place: Place, cased: Path, tmp_path: Path
) -> None:
    run = run_tiny(place, tmp_path / "run", model=cased, steps=2, **{**OPTIONS, "refresh_neighbours": 0})
    assert prepared(run.folder).shape == (NUM_ROWS - NUM_ROWS // 10, 6)
    assert not load(run.folder / "checkpoints", 2).of("texts")
    assert all(
        row["retrieved_at_random"] == 0 and row["retrieved_cosine"] > 0 for row in step_rows(run.folder)
    )


def test_retrieved_negatives_go_with_dropout_views_on_an_uncased_model(place: Place, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"switch-case does nothing with this model.*--views retrieved"):
        run_tiny(place, tmp_path / "run", method="cards", neighbours=6)
    assert not (tmp_path / "run").exists()
    run = run_tiny(place, tmp_path / "run", method="cards", views="retrieved", neighbours=6, steps=3)
    assert {"columns_batch", "columns_negative_1", "retrieved_cosine"} <= step_rows(run.folder)[0].keys()


SAMPLED: dict[str, Any] = {
    "method": "debcse",
    "candidates": 10,
    "refresh_neighbours": EVERY,
    "learning_rate": 3e-3,
}


def test_sampled_pairs_are_told_logged_and_resumed_with_the_same_bytes(place: Place, tmp_path: Path) -> None:
    witness = Facts()
    whole = run_tiny(place, tmp_path / "whole", listener=witness, **SAMPLED).folder
    positives, negatives = witness.facts["of_views"]
    assert "of the rows have sampled positives, from" in positives
    assert "of the rows have sampled negatives, from" in negatives
    rows = step_rows(whole)
    assert 0 < np.mean([row["sampled_positives"] for row in rows]) < 1
    assert all(row["columns_negative_1"] > 0 for row in rows)
    for kill_at in (2, EVERY + 1):
        out = tmp_path / f"cut-{kill_at}"
        with pytest.raises(Killed):
            run_tiny(place, out, listener=Witness(kill_at), **{**SAMPLED, "save_every": 1})
        run_tiny(place, out, resume=True, **{**SAMPLED, "save_every": 1})
        assert outcome(out) == outcome(whole)


def test_an_encoder_without_dropout_is_refused_where_rows_may_keep_their_own_text(
    place: Place, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"--dropout 0\.1"):
        run_tiny(place, tmp_path / "run", dropout=0.0, **SAMPLED)


def test_more_neighbours_than_rows_are_refused_and_leave_no_folder(place: Place, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neighbours=200 asks for more neighbours than the corpus has"):
        run_tiny(place, tmp_path / "run", views="retrieved", neighbours=200)
    assert not (tmp_path / "run").exists()


class Facts(Witness):
    """Remembers what is told before the first step."""

    def started(self, first_step: int, num_steps: int, facts: Any) -> None:
        self.facts = dict(facts)


def test_what_the_neighbours_are_is_told_before_the_first_step(place: Place, tmp_path: Path) -> None:
    witness = Facts()
    run = run_tiny(place, tmp_path / "run", views="retrieved", neighbours=6, steps=1, listener=witness)
    assert len(Corpus.open(run.folder / "cache" / "corpus")) == NUM_ROWS
    (line,) = witness.facts["of_views"]
    assert line.startswith("negatives are drawn from 6.0 neighbours of each row on average")
