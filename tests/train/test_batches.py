"""Batch n is a pure function of (seed, n), and who meets whom is what a uniform shuffle gives."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from contrapose.data.corpus import Corpus, build_corpus
from contrapose.errors import UsageError
from contrapose.objectives.catalogue import recipe
from contrapose.text.identity import text_hashes
from contrapose.train.batches import Batches
from tests.train.runs import Place, texts


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("batches")
    rows = [f"{number} " + "word " * (1 + number % 20) for number in range(60)]
    (folder / "a.txt").write_text("\n".join(rows))
    return build_corpus(folder / "a.txt", folder / "corpus")


def make(corpus: Corpus, **changed: object) -> Batches:
    options = {"batch_size": 8, "views": "dropout", "seed": 3, "max_words": 16} | changed
    views, max_words = str(options.pop("views")), int(str(options.pop("max_words")))
    options["text_parts"] = recipe("simcse", views=views).text_parts(corpus.columns, max_words=max_words)
    rows = options.pop("rows", np.arange(len(corpus)))
    return Batches(corpus, rows, **options)  # type: ignore[arg-type]


def ids(batches: Batches, first: int, end: int) -> list[int]:
    return [int(row) for step in range(first, end) for row in batches.at(step).row_ids]


def test_every_row_comes_once_in_each_epoch(corpus: Corpus) -> None:
    seen = ids(make(corpus), 0, 30)  # 240 rows: four epochs of 60
    for epoch in range(4):
        assert sorted(seen[60 * epoch : 60 * (epoch + 1)]) == list(range(60))


def test_epochs_have_different_orders_and_so_have_seeds(corpus: Corpus) -> None:
    seen = ids(make(corpus), 0, 15)
    assert seen[:60] != seen[60:]
    assert seen[:60] != ids(make(corpus, seed=4), 0, 15)[:60]
    assert seen[:60] != sorted(seen[:60])


def test_a_step_that_crosses_the_end_of_an_epoch_is_full(corpus: Corpus) -> None:
    batch = make(corpus).at(7)  # rows 56..63 of the endless order
    assert len(batch.row_ids) == 8
    assert len(batch.texts["anchor"]) == 8


def test_only_the_rows_given_are_trained_on(corpus: Corpus) -> None:
    allowed = np.array([1, 5, 8, 13, 21, 34, 40, 55, 59])
    assert sorted(ids(make(corpus, rows=allowed), 0, 9)) == sorted(np.repeat(allowed, 8).tolist())


def test_a_batch_depends_on_its_number_only(corpus: Corpus) -> None:
    forward = {step: make(corpus, views="crop").at(step) for step in range(6)}
    one = make(corpus, views="crop")
    for step in (5, 0, 3, 3, 1):
        again = one.at(step)
        assert again.row_ids.tolist() == forward[step].row_ids.tolist()
        assert again.texts == forward[step].texts


def test_length_does_not_decide_who_meets_whom(corpus: Corpus) -> None:
    """Pairs of short rows meet as often as pairs of a short and a long one do: chi-square, one degree of freedom."""
    batches = make(corpus)
    is_short = np.arange(60) % 20 < 10
    met: Counter[str] = Counter()
    for step in range(300):
        short = int(is_short[batches.at(step).row_ids.numpy()].sum())
        met["alike"] += (short * (short - 1) + (8 - short) * (7 - short)) // 2
        met["mixed"] += short * (8 - short)
    pairs = sum(met.values())
    assert pairs == 300 * 28
    # 30 short and 30 long rows: 870 of 1,770 pairs are alike.
    expected = {"alike": pairs * 870 / 1770, "mixed": pairs * 900 / 1770}
    assert sum((met[kind] - expected[kind]) ** 2 / expected[kind] for kind in met) < 10.8  # p = 0.001


def test_dropout_views_are_the_same_text_twice(corpus: Corpus) -> None:
    batch = make(corpus).at(2)
    assert batch.view_names == ("anchor", "positive")
    assert batch.texts["anchor"] == batch.texts["positive"] == corpus.take(batch.row_ids.numpy())["text"]


def test_crop_views_are_two_different_spans_of_the_row(place: Place, tmp_path: Path) -> None:
    documents = build_corpus(place.documents, tmp_path / "corpus")
    batch = make(documents, views="crop", max_words=12).at(1)
    whole = documents.take(batch.row_ids.numpy())["text"]
    for view in batch.view_names:
        assert all(
            f" {part} " in f" {text} " and len(part.split()) <= 12
            for part, text in zip(batch.texts[view], whole, strict=True)
        )
    same = sum(a == b for a, b in zip(batch.texts["anchor"], batch.texts["positive"], strict=True))
    assert same < 4


def test_a_row_is_cropped_anew_in_the_next_epoch(place: Place, tmp_path: Path) -> None:
    documents = build_corpus(place.documents, tmp_path / "corpus")
    batches = make(documents, views="crop", batch_size=120)
    first, second = (
        dict(zip(batch.row_ids.tolist(), batch.texts["anchor"], strict=True))
        for batch in (batches.at(0), batches.at(1))
    )
    assert sum(first[row] != second[row] for row in first) > 100


def test_columns_become_views(place: Place, tmp_path: Path) -> None:
    triplets = build_corpus(place.triplets, tmp_path / "corpus")
    batch = make(triplets, views="pairs").at(0)
    assert batch.view_names == ("anchor", "positive", "negative_1")
    made = [texts(120, seed=seed) for seed in (2, 3, 4)]
    for position, row in enumerate(batch.row_ids.tolist()):
        assert [batch.texts[name][position] for name in batch.view_names] == [column[row] for column in made]


def test_equal_texts_have_equal_numbers_and_others_do_not(corpus: Corpus) -> None:
    numbers = text_hashes(["a", "b", "a", "", "é"])
    assert numbers[0] == numbers[2]
    assert numbers.unique().numel() == 4
    assert (numbers > 0).all()
    assert make(corpus, mask_repeats=False).at(0).text_ids == {}
    assert set(make(corpus).at(0).text_ids) == {"anchor", "positive"}


def test_a_batch_larger_than_the_corpus_is_refused_with_the_remedy(corpus: Corpus) -> None:
    with pytest.raises(UsageError, match=r"60 rows to train on, and batch_size is 61.*--batch-size 30"):
        make(corpus, batch_size=61)
    assert sorted(ids(make(corpus, batch_size=60), 0, 1)) == list(range(60))
