from __future__ import annotations

from pathlib import Path

import pytest

from contrapose.errors import DataError, UsageError
from contrapose.evaluate.senteval import STS_TASKS, read_sts, splits_of, task_name
from tests.evaluate.fakes import write_benchmark, write_sick, write_year


def test_year_reads_every_part_and_leaves_unscored_lines_out(tmp_path: Path) -> None:
    write_year(tmp_path, "STS15", rows=6, unscored=(2, 5))
    data = read_sts(tmp_path, "STS15")
    assert [part.name for part in data.subsets] == [
        "answers-forums", "answers-students", "belief", "headlines", "images",
    ]  # fmt: skip
    assert all(len(part) == 4 and part.unscored == 2 for part in data.subsets)
    assert len(data) == 20
    assert "STS15 belief left 1." in data.texts
    assert "STS15 belief left 2." not in data.texts


def test_input_and_score_stay_on_one_line(tmp_path: Path) -> None:
    folder = write_year(tmp_path, "STS13", rows=3, unscored=())
    # Separators that str.splitlines() would split at, inside a sentence.
    (folder / "STS.input.OnWN.txt").write_text("a\x85b\tc\u2028d\ne\tf\n\x0cg\th\n", encoding="utf-8")
    (folder / "STS.gs.OnWN.txt").write_text("1\n\n3\n", encoding="utf-8")
    part = next(part for part in read_sts(tmp_path, "STS13").subsets if part.name == "OnWN")
    assert (part.first, part.second) == (("a\x85b", "\x0cg"), ("c\u2028d", "h"))
    assert part.gold.tolist() == [1.0, 3.0]


def test_benchmark_has_no_quoting_and_may_have_more_columns(tmp_path: Path) -> None:
    write_benchmark(tmp_path, rows=12)
    (part,) = read_sts(tmp_path, "STS-B").subsets
    assert len(part) == 12
    assert part.first[3] == 'test "left 3'
    assert part.second[3] == "test right 3."
    assert part.gold[11] == 5.0


def test_sick_columns_are_found_by_header(tmp_path: Path) -> None:
    write_sick(tmp_path, rows=5)
    (part,) = read_sts(tmp_path, "SICK-R").subsets
    assert part.first[4] == "A is 4"
    assert part.gold.tolist() == pytest.approx([1.0, 1.9, 2.8, 3.7, 4.6])


def test_byte_order_mark_and_windows_line_ends_are_understood(tmp_path: Path) -> None:
    path = write_benchmark(tmp_path, rows=4)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    (part,) = read_sts(tmp_path, "STS-B").subsets
    assert part.second == tuple(f"test right {i}." for i in range(4))


@pytest.mark.parametrize("place", ["downstream", "data/downstream"])
def test_folders_above_the_data_are_understood(tmp_path: Path, place: str) -> None:
    write_benchmark(tmp_path / place)
    assert len(read_sts(tmp_path, "STS-B")) == 12
    assert len(read_sts(tmp_path / place / "STS", "STS-B")) == 12


def test_first_folder_that_holds_the_task_is_used(tmp_path: Path) -> None:
    write_benchmark(tmp_path / "one", rows=4)
    write_benchmark(tmp_path / "two", rows=8)
    write_sick(tmp_path / "two")
    folders = [tmp_path / "one", tmp_path / "two"]
    assert len(read_sts(folders, "STS-B")) == 4
    assert (len(read_sts(folders, "SICK-R")), read_sts(folders, "SICK-R").folder) == (5, "two")


def test_fingerprint_changes_with_the_data_and_not_with_the_folder(tmp_path: Path) -> None:
    write_benchmark(tmp_path / "a")
    path = write_benchmark(tmp_path / "b")
    before = read_sts(tmp_path / "b", "STS-B").fingerprint
    assert read_sts(tmp_path / "a", "STS-B").fingerprint == before
    path.write_text(path.read_text().replace("right 3", "wrong 3"))
    assert read_sts(tmp_path / "b", "STS-B").fingerprint != before


def test_text_form_is_detected(tmp_path: Path) -> None:
    path = write_benchmark(tmp_path)
    assert read_sts(tmp_path, "STS-B").text == "raw"
    path.write_text(path.read_text().replace(".\t", " .\t").replace(".\n", " .\n"))
    assert read_sts(tmp_path, "STS-B").text == "tokenised"


def spoil(path: Path, line: int, change) -> None:
    lines = path.read_bytes().split(b"\n")
    lines[line - 1] = change(lines[line - 1])
    path.write_bytes(b"\n".join(lines))


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        (
            "STS.gs.images.txt",
            lambda line: b"high",
            r"STS\.gs\.images\.txt:2: the score 'high' is not a number",
        ),
        ("STS.gs.images.txt", lambda line: b"nan", r"STS\.gs\.images\.txt:2: the score 'nan'"),
        ("STS.gs.images.txt", lambda line: b"1\n2", r"STS\.gs\.images\.txt:7: 7 lines of scores for 6 lines"),
        (
            "STS.input.images.txt",
            lambda line: line.replace(b"\t", b" "),
            r"images\.txt:2: 1 columns instead of 2",
        ),
        ("STS.input.images.txt", lambda line: line + b"\tc", r"images\.txt:2: 3 columns instead of 2"),
        ("STS.input.images.txt", lambda line: b"\tb", r"images\.txt:2: an empty sentence"),
        ("STS.input.images.txt", lambda line: b"\xff\tb", r"images\.txt:2: invalid UTF-8"),
    ],
)
def test_malformed_line_of_a_year_is_named(tmp_path: Path, file: str, change, message: str) -> None:
    spoil(write_year(tmp_path, "STS14") / file, 2, change)
    with pytest.raises(DataError, match=message):
        read_sts(tmp_path, "STS14")


def test_malformed_line_of_the_benchmark_is_named(tmp_path: Path) -> None:
    path = write_benchmark(tmp_path)
    spoil(path, 5, lambda line: b"\t".join(line.split(b"\t")[:6]))
    with pytest.raises(DataError, match=r"sts-test\.csv:5: 6 columns instead of 7"):
        read_sts(tmp_path, "STS-B")


def test_malformed_sick_is_named(tmp_path: Path) -> None:
    path = write_sick(tmp_path)
    spoil(path, 3, lambda line: line + b"\textra")
    with pytest.raises(DataError, match=r"SICK_test_annotated\.txt:3: 6 columns where the header has 5"):
        read_sts(tmp_path, "SICK-R")
    spoil(path, 1, lambda line: line.replace(b"sentence_B", b"b"))
    with pytest.raises(DataError, match=r":1: the header lacks sentence_B"):
        read_sts(tmp_path, "SICK-R")


def test_missing_part_of_a_year_is_an_error_not_a_smaller_year(tmp_path: Path) -> None:
    (write_year(tmp_path, "STS12") / "STS.gs.MSRvid.txt").unlink()
    with pytest.raises(DataError, match=r"STS\.gs\.MSRvid\.txt: cannot be read"):
        read_sts(tmp_path, "STS12")


def test_missing_task_and_missing_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"STS16 is not in .*: no file STS/STS16-en-test"):
        read_sts(tmp_path, "STS16")
    with pytest.raises(UsageError, match="data folder not found"):
        read_sts(tmp_path / "nowhere", "STS16")


def test_a_file_without_enough_scored_pairs_is_named(tmp_path: Path) -> None:
    """Also one part of a year: without it, the year would be a smaller one."""
    folder = write_year(tmp_path, "STS13", rows=4, unscored=())
    (folder / "STS.gs.OnWN.txt").write_text("1\n\n\n\n")
    with pytest.raises(DataError, match=r"STS\.input\.OnWN\.txt: 1 scored pairs; at least two are needed"):
        read_sts(tmp_path, "STS13")
    write_benchmark(tmp_path).write_text("")
    with pytest.raises(DataError, match=r"sts-test\.csv: 0 scored pairs"):
        read_sts(tmp_path, "STS-B")
    write_sick(tmp_path).write_text("")
    with pytest.raises(DataError, match=r"SICK_test_annotated\.txt: the file is empty"):
        read_sts(tmp_path, "SICK-R")


def test_names_and_splits_are_checked(tmp_path: Path) -> None:
    assert [task_name(name.lower().replace("-", "_")) for name in STS_TASKS] == list(STS_TASKS)
    with pytest.raises(UsageError, match=r"unknown STS task 'STS17'. Did you mean 'STS1\d'"):
        read_sts(tmp_path, "STS17")
    with pytest.raises(UsageError, match="STS12 has no split 'dev'; it has: test"):
        read_sts(tmp_path, "STS12", "dev")
    assert splits_of("SICK-R") == ("train", "dev", "test")
