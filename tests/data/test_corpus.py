from __future__ import annotations

import io
import json
import sys
import unicodedata

import numpy as np
import pytest

from contrapose.data.corpus import Corpus, build_corpus
from contrapose.data.corpus_statistics import CorpusStatistics
from contrapose.errors import CorruptFile, DataError, EmptyCorpus, TooManyBadRows, UsageError


def total(statistics: CorpusStatistics) -> int:
    return (
        statistics.kept
        + statistics.duplicates
        + statistics.unlabelled
        + statistics.too_short
        + statistics.too_long
        + statistics.quarantined
    )


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(
        "\n".join(["one two", " one  two ", "three", "", "x " * 100, "café au lait", "bad"]).encode()
        + b"\xff\nend of it\n"
    )
    return path


def test_every_row_is_accounted_for(source, tmp_path):
    corpus = build_corpus(source, tmp_path / "corpus", min_words=2, max_characters=100)
    statistics = corpus.statistics
    expected = CorpusStatistics(
        read=8,
        kept=3,
        duplicates=1,
        too_short=2,
        too_long=1,
        quarantined=1,
        by_reason={"invalid UTF-8": 1},
        examples=statistics.examples,
    )
    assert statistics == expected
    assert total(statistics) == statistics.read
    assert corpus.take(range(3)) == {"text": ["one two", "café au lait", "end of it"]}
    assert "line 7" in statistics.examples[0]
    assert (tmp_path / "corpus" / "quarantine.jsonl").read_text().count("\n") == 1


def test_an_opened_corpus_is_the_built_one(source, tmp_path):
    built = build_corpus(source, tmp_path / "corpus")
    opened = Corpus.open(tmp_path / "corpus", verify=True)
    assert opened.take(range(len(built))) == built.take(range(len(built)))
    assert (opened.fingerprint, opened.statistics, opened.columns) == (
        built.fingerprint,
        built.statistics,
        ("text",),
    )


def test_equal_texts_give_equal_fingerprints_from_any_format(tmp_path):
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    (tmp_path / "b.jsonl").write_text('"one "\n{"text": "two"}\n"one"\n')
    first = build_corpus(tmp_path / "a.txt", tmp_path / "c1")
    second = build_corpus(tmp_path / "b.jsonl", tmp_path / "c2")
    assert first.fingerprint == second.fingerprint
    assert first.sources_fingerprint != second.sources_fingerprint


def test_the_fingerprint_tells_order_boundaries_and_columns(tmp_path):
    contents = {
        "a.txt": "one\ntwo\n",
        "b.txt": "two\none\n",
        "c.txt": "onetwo\n",
        "d.csv": "anchor,positive\none,two\n",
        "e.csv": "anchor,positive\nonet,wo\n",
    }
    fingerprints = set()
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
        fingerprints.add(build_corpus(tmp_path / name, tmp_path / f"corpus-{name}").fingerprint)
    assert len(fingerprints) == len(contents)


def test_pairs_are_duplicates_only_when_all_their_texts_are_equal(tmp_path):
    (tmp_path / "a.csv").write_text("anchor,positive\na,b\na,c\na, b \nab,\n")
    corpus = build_corpus(tmp_path / "a.csv", tmp_path / "corpus")
    assert corpus.take([0, 1]) == {"anchor": ["a", "a"], "positive": ["b", "c"]}
    assert (corpus.statistics.duplicates, corpus.statistics.too_short) == (1, 1)


def test_duplicates_across_batches_and_compositions_are_found(tmp_path):
    lines = [f"line {i} é" for i in range(9_000)]
    text = "\n".join(lines) + "\n" + unicodedata.normalize("NFD", "\n".join(reversed(lines)))
    (tmp_path / "a.txt").write_text(text)
    seen = []
    corpus = build_corpus(tmp_path / "a.txt", tmp_path / "corpus", progress=seen.append)
    assert (len(corpus), corpus.statistics.duplicates) == (9_000, 9_000)
    assert corpus.take([8_191, 8_192, 0])["text"] == [lines[8_191], lines[8_192], lines[0]]
    assert seen == [8_192, 8_192, 1_616]


def test_duplicates_stay_on_request(tmp_path):
    (tmp_path / "a.txt").write_text("one\none\n")
    assert len(build_corpus(tmp_path / "a.txt", tmp_path / "corpus", deduplicate=False)) == 2


def test_the_same_content_and_settings_are_not_built_again(source, tmp_path):
    folder = tmp_path / "corpus"
    build_corpus(source, folder)
    before = (folder / "corpus.arrow").stat().st_ino
    build_corpus(source, folder)
    assert (folder / "corpus.arrow").stat().st_ino == before
    assert len(build_corpus(source, folder, min_words=2)) == 4
    source.write_text("other\n")
    assert build_corpus(source, folder).take([0]) == {"text": ["other"]}
    inode = (folder / "corpus.arrow").stat().st_ino
    build_corpus(source, folder, reuse=False)
    assert (folder / "corpus.arrow").stat().st_ino != inode


def test_standard_input_is_read_every_time(tmp_path, monkeypatch):
    for content in (b"one\n", b"two\n"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        corpus = build_corpus("-", tmp_path / "corpus")
    assert corpus.take([0]) == {"text": ["two"]}


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"", EmptyCorpus, "a.txt is empty"),
        (b"\n \n\x00\n", EmptyCorpus, "of 3 read from .*a.txt, 3 blank or shorter"),
        (b"\xff\n\xfe\xff\xff\n", TooManyBadRows, "2 invalid UTF-8"),
    ],
)
def test_an_empty_or_all_bad_corpus_is_an_error_and_leaves_nothing(tmp_path, content, error, message):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(error, match=message):
        build_corpus(tmp_path / "a.txt", tmp_path / "corpus")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_failed_rebuild_leaves_the_old_corpus(source, tmp_path):
    folder = tmp_path / "corpus"
    before = build_corpus(source, folder).fingerprint
    source.write_bytes(b"\xff\n")
    with pytest.raises(TooManyBadRows):
        build_corpus(source, folder)
    assert Corpus.open(folder, verify=True).fingerprint == before


def test_a_folder_of_other_things_is_not_replaced(source, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(UsageError, match="mine"):
        build_corpus(source, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.tex").exists()


@pytest.mark.parametrize(
    "options", [{"min_words": 0}, {"max_characters": 0}, {"max_bad_share": 2}, {"columns": []}]
)
def test_impossible_settings_are_refused(source, tmp_path, options):
    with pytest.raises(UsageError):
        build_corpus(source, tmp_path / "corpus", **options)


def test_no_corpus_is_an_error_naming_the_folder(tmp_path):
    with pytest.raises(DataError, match="no corpus in"):
        Corpus.open(tmp_path / "nothing")


@pytest.mark.parametrize("name", ["corpus.arrow", "corpus.json"])
def test_a_cut_file_is_found_on_opening(source, tmp_path, name):
    build_corpus(source, tmp_path / "corpus")
    path = tmp_path / "corpus" / name
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(CorruptFile, match="corpus"):
        Corpus.open(tmp_path / "corpus")


def test_a_flipped_bit_is_found_on_verification(source, tmp_path):
    build_corpus(source, tmp_path / "corpus")
    path = tmp_path / "corpus" / "corpus.arrow"
    data = bytearray(path.read_bytes())
    place = data.index(b"one two")
    data[place] ^= 1
    path.write_bytes(data)
    Corpus.open(tmp_path / "corpus")
    with pytest.raises(CorruptFile, match=r"corpus\.arrow"):
        Corpus.open(tmp_path / "corpus", verify=True)


@pytest.mark.parametrize(
    "change", [{"version": 99}, {"account": {}}, {"columns": ["other"]}, {"bytes": None}]
)
def test_a_changed_description_is_corrupt(source, tmp_path, change):
    build_corpus(source, tmp_path / "corpus")
    path = tmp_path / "corpus" / "corpus.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(CorruptFile, match="corpus"):
        Corpus.open(tmp_path / "corpus")


@pytest.fixture(scope="module")
def thousand(tmp_path_factory):
    folder = tmp_path_factory.mktemp("thousand")
    (folder / "a.txt").write_text("".join(f"text {i}\n" for i in range(1_000)))
    return build_corpus(folder / "a.txt", folder / "corpus")


def test_held_out_and_training_rows_share_the_corpus(thousand):
    train, held = thousand.split_held_out(100, seed=0)
    assert (len(train), len(held), train.dtype, held.dtype) == (900, 100, np.int64, np.int64)
    assert np.array_equal(np.sort(np.concatenate([train, held])), np.arange(1_000))
    assert (np.diff(train) > 0).all()
    assert (np.diff(held) > 0).all()


def test_the_split_follows_the_seed_and_nothing_else(thousand):
    first, again, other = (thousand.split_held_out(100, seed)[1] for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_larger_corpus_holds_out_texts_that_were_held_out_before(thousand, tmp_path):
    held = set(thousand.take(thousand.split_held_out(100, 0)[1])["text"])
    (tmp_path / "b.txt").write_text("".join(f"text {i}\n" for i in range(1_100)))
    larger = build_corpus(tmp_path / "b.txt", tmp_path / "corpus")
    old = {text for text in larger.take(larger.split_held_out(100, 0)[1])["text"] if int(text[5:]) < 1_000}
    assert old <= held
    assert len(old) > 70


def test_repetitions_of_a_text_are_held_out_together(tmp_path):
    (tmp_path / "a.txt").write_text("".join(f"text {i % 50}\n" for i in range(500)))
    corpus = build_corpus(tmp_path / "a.txt", tmp_path / "corpus", deduplicate=False)
    train, held = corpus.split_held_out(95, seed=3)
    assert len(held) == 90
    assert not set(corpus.take(train)["text"]) & set(corpus.take(held)["text"])


@pytest.mark.parametrize("count", [-1, 1_000, 5_000])
def test_holding_out_everything_is_refused(thousand, count):
    with pytest.raises(UsageError, match="hold out"):
        thousand.split_held_out(count, 0)


def test_the_account_for_people_names_what_happened(source, tmp_path):
    lines = build_corpus(source, tmp_path / "corpus").statistics.lines()
    assert lines[0].split() == ["rows", "read", "8"]
    assert any("duplicates" in line for line in lines)
    assert any("invalid UTF-8: 1" in line for line in lines)
    assert not any("too long" in line for line in lines)


def test_real_sentences_are_built_and_read_at_random(shared_data, tmp_path):
    path = shared_data / "corpora" / "stackoverflow-titles" / "sentences.txt"
    corpus = build_corpus(path, tmp_path / "corpus")
    assert total(corpus.statistics) == corpus.statistics.read > 10_000
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert len(corpus.take(rng.integers(0, len(corpus), 64))["text"]) == 64
