from __future__ import annotations

import gzip
import logging
import shutil

import pytest

from contrapose.data.sources import find_sources, sources_fingerprint
from contrapose.errors import DataError, UsageError


def names(found):
    return [source.path.name for source in found]


def test_a_folder_gives_its_known_files_below_sorted_and_no_hidden_ones(tmp_path):
    for name in (
        "b.txt",
        "a.JSONL",
        "notes.md",
        "sub/c.csv.gz",
        "sub/.hidden.txt",
        ".git/d.txt",
        "z.parquet",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_sources([tmp_path])
    assert names(found) == ["a.JSONL", "b.txt", "c.csv.gz", "z.parquet"]
    assert [(source.format, source.compressed) for source in found][2] == ("csv", True)


def test_a_glob_gives_sorted_matches(tmp_path):
    for name in ("b.txt", "a.txt", "c.csv"):
        (tmp_path / name).touch()
    assert names(find_sources([f"{tmp_path}/*.txt"])) == ["a.txt", "b.txt"]


def test_a_file_whose_name_looks_like_a_glob_is_a_file(tmp_path):
    (tmp_path / "part[1].txt").touch()
    assert names(find_sources([tmp_path / "part[1].txt"])) == ["part[1].txt"]


def test_a_file_named_twice_is_read_once_and_said(tmp_path, caplog):
    (tmp_path / "a.txt").touch()
    with caplog.at_level(logging.WARNING):
        assert len(find_sources([tmp_path, tmp_path / "a.txt"])) == 1
    assert "named twice" in caplog.text


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("missing.txt", DataError, "no such file"),
        ("*.txt", DataError, "no such file"),
        ("notes.md", DataError, r"not of a known kind: \.txt"),
        ("empty", DataError, r"no file of a known kind: \.txt"),
        ("*.md", DataError, "none of the 1 matches"),
        ("nul\0byte.txt", UsageError, "not a file name"),
    ],
)
def test_what_cannot_be_found_is_said_with_what_is_known(tmp_path, name, error, message):
    (tmp_path / "notes.md").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(error, match=message):
        find_sources([f"{tmp_path}/{name}"])


def test_no_sources_and_an_empty_name_are_usage_errors():
    for sources in ([], [""]):
        with pytest.raises(UsageError):
            find_sources(sources)


def test_the_fingerprint_follows_content_and_not_place_or_name(tmp_path):
    (tmp_path / "a.txt").write_text("one\n")
    before = sources_fingerprint(tmp_path / "a.txt")
    shutil.copy(tmp_path / "a.txt", tmp_path / "b.txt")
    assert sources_fingerprint(tmp_path / "b.txt") == before
    (tmp_path / "a.txt").write_text("two\n")
    assert sources_fingerprint(tmp_path / "a.txt") != before


def test_the_fingerprint_follows_order_and_kind(tmp_path):
    (tmp_path / "a.txt").write_text("one\n")
    (tmp_path / "b.txt").write_text("two\n")
    (tmp_path / "a.tsv").write_text("one\n")
    forward = sources_fingerprint([tmp_path / "a.txt", tmp_path / "b.txt"])
    assert forward != sources_fingerprint([tmp_path / "b.txt", tmp_path / "a.txt"])
    assert sources_fingerprint(tmp_path / "a.txt") != sources_fingerprint(tmp_path / "a.tsv")


def test_gz_suffixes_are_recognised_in_any_case(tmp_path):
    (tmp_path / "A.TXT.GZ").write_bytes(gzip.compress(b"x"))
    (source,) = find_sources(tmp_path / "A.TXT.GZ")
    assert (source.format, source.compressed) == ("txt", True)


def test_folders_that_contrapose_made_are_left_out_of_a_search_and_counted(tmp_path, caplog):
    for name in (
        "notes.txt",
        "run/run.json",
        "run/metrics.jsonl",
        "run/cache/corpus/quarantine.jsonl",
        "deep/at-work/run.lock",
        "deep/at-work/timings.jsonl",
        "deep/b.txt",
        "sweep/experiment.json",
        "sweep/trials.jsonl",
        "demo/demo.json",
        "demo/pairs.parquet",
        "ledger/ledger.jsonl",
        "study/mixing.jsonl",
        "study/evidence/a.safetensors",
        "mine/evidence/c.txt",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).touch()
    (tmp_path / "ledger" / "evidence").mkdir()
    expected = ["b.txt", "c.txt", "notes.txt"]
    for search in (tmp_path, f"{tmp_path}/**/*.*", f"{tmp_path}/**"):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert sorted(names(find_sources([search]))) == expected
        assert "left out 7 files in 6 folders that contrapose made itself" in caplog.text, caplog.text
    caplog.clear()
    find_sources([tmp_path / "deep" / "b.txt", tmp_path / "demo" / "pairs.parquet"])
    assert not caplog.text, "what is named is read"
    assert names(find_sources([f"{tmp_path}/demo/*.parquet"])) == ["pairs.parquet"], "its folder is named"


def test_a_folder_of_contrapose_itself_is_refused_as_text(tmp_path):
    (tmp_path / "run.json").touch()
    (tmp_path / "metrics.jsonl").touch()
    with pytest.raises(UsageError, match=r"contrapose made \(it holds run.json\)"):
        find_sources(tmp_path)


def test_the_folder_that_is_about_to_be_made_is_left_out_before_it_is_there(tmp_path):
    (tmp_path / "a.txt").touch()
    out = tmp_path / "sub" / ".." / "run"
    assert names(find_sources([tmp_path], out=out)) == ["a.txt"]
    (tmp_path / "run" / "cache").mkdir(parents=True)
    (tmp_path / "run" / "cache" / "b.jsonl").touch()
    assert names(find_sources([tmp_path], out=tmp_path / "run")) == ["a.txt"]
    assert names(find_sources([f"{tmp_path}/**/*.*"], out=tmp_path / "run")) == ["a.txt"]
    for search in (tmp_path, f"{tmp_path}/*.txt"):
        with pytest.raises(UsageError, match="is the folder that the text is read from"):
            find_sources([search], out=tmp_path)
    assert names(find_sources([tmp_path / "a.txt"], out=tmp_path)) == ["a.txt"]


def test_a_search_that_finds_only_what_contrapose_made_says_so(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").touch()
    (tmp_path / "run" / "metrics.jsonl").touch()
    for search in (tmp_path, f"{tmp_path}/*/*"):
        with pytest.raises(DataError, match=r"known kind.*left out 1 file in 1 folder"):
            find_sources([search])
