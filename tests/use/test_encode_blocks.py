"""A folder of vectors: made once, gone on with after a kill, brought up to date by block, and counted at its end."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contrapose.errors import CorruptFile, DataError, EmptyCorpus, ModelError, RunLocked, UsageError
from contrapose.storage.durable import RunLock
from contrapose.use.block_folder import OWN
from contrapose.use.blocks import EncodeOptions
from contrapose.use.encode_blocks import FolderSummary, encode_folder
from contrapose.use.vectors_folder import VectorsFolder, search_folder
from tests.use.fakes import WIDTH, HashEncoder, TableEncoder, vector_of
from tests.waiting import PATIENCE, wait_until

ROOT = Path(__file__).resolve().parents[2]


class Known(HashEncoder):
    """With a fingerprint; ``texts`` are those that were encoded."""

    def __init__(self, name: str = "hash", **options: Any) -> None:
        super().__init__(**options)
        self.name, self.texts = name, 0

    def fingerprint(self) -> str:
        return self.name

    def encode(self, texts: Sequence[str], **options: Any) -> np.ndarray:
        vectors = super().encode(texts, **options)
        self.texts += len(texts)
        return vectors


def lines(path: Path, texts: Sequence[str]) -> Path:
    path.write_text("".join(text + "\n" for text in texts), encoding="utf-8")
    return path


def encode(
    sources: Any, out: Path, encoder: Known | None = None, *, rows: int = 3, **options: Any
) -> FolderSummary:
    own = {
        name: options.pop(name) for name in ("text", "normalize", "precision", "columns") if name in options
    }
    return encode_folder(
        encoder or Known(),
        sources,
        out,
        model="hash",
        options=EncodeOptions(rows_per_block=rows, **{"normalize": False, **own}),
        **options,
    )


def blocks(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(out.glob("*.parquet"))}


def table(out: Path):
    from pyarrow import dataset

    return dataset.dataset(out).to_table().to_pydict()


def test_rows_lie_in_order_with_file_line_and_text(tmp_path: Path) -> None:
    first = lines(tmp_path / "a.txt", [f"a{number}" for number in range(7)])
    second = tmp_path / "b.jsonl.gz"
    second.write_bytes(gzip.compress(b'{"text": "b0"}\n[1]\n\n{"text": "b1"}\n'))
    done = encode([first, second], tmp_path / "out")
    found = table(tmp_path / "out")
    assert found["text"] == [*[f"a{number}" for number in range(7)], "b0", "", "b1"]
    assert found["line"] == [1, 2, 3, 4, 5, 6, 7, 1, 3, 4]
    assert found["file"] == [str(first)] * 7 + [str(second)] * 3
    np.testing.assert_array_equal(found["embedding"], [vector_of(text) for text in found["text"]])
    assert (done.rows, done.blocks, done.kept, done.quarantined, done.reasons) == (
        10,
        4,
        0,
        1,
        {"wrong type": 1},
    )
    assert done.quarantine_folder is not None
    (listed,) = done.quarantine_folder.iterdir()
    assert json.loads(listed.read_text())["line"] == 2
    assert [path.name[:12] for path in sorted((tmp_path / "out").glob("*.parquet"))] == [
        "00000-000000", "00000-000001", "00000-000002", "00001-000000",
    ]  # fmt: skip


def test_the_same_call_again_encodes_nothing_and_changes_no_byte(tmp_path: Path) -> None:
    source = lines(tmp_path / "a.txt", [str(number) for number in range(10)])
    encode(source, tmp_path / "out")
    before = blocks(tmp_path / "out")
    encoder = Known()
    again = encode(source, tmp_path / "out", encoder)
    assert (encoder.texts, again.kept, again.blocks, again.rows) == (0, 4, 4, 10)
    assert blocks(tmp_path / "out") == before


@given(
    failures=st.lists(st.integers(1, 4), max_size=4),
    rows=st.integers(1, 5),
    sizes=st.lists(st.integers(0, 12), min_size=1, max_size=3),
)
@settings(max_examples=25)
def test_a_run_that_stops_anywhere_goes_on_to_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, failures: list[int], rows: int, sizes: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("stops")
    sizes[0] += 1  # there must be something to encode
    sources = [
        lines(folder / f"{number}.txt", [f"{number} {row}" for row in range(size)])
        for number, size in enumerate(sizes)
    ]
    encode(sources, folder / "whole", rows=rows)
    total, encoded = sum(sizes), 0
    for call in failures:
        encoder = Known(fail_at=call)
        try:
            encode(sources, folder / "out", encoder, rows=rows)
        except RuntimeError:
            assert not (folder / "out" / OWN / "manifest.json").exists()
        encoded += encoder.texts
    last = Known()
    encode(sources, folder / "out", last, rows=rows)
    assert encoded + last.texts == total  # no block is encoded twice
    assert blocks(folder / "out") == blocks(folder / "whole")


def test_what_changed_is_named_and_refused_and_force_redoes_exactly_that(tmp_path: Path) -> None:
    first = lines(tmp_path / "a.txt", [f"a{number}" for number in range(9)])
    second = lines(tmp_path / "b.txt", [f"b{number}" for number in range(9)])
    out = tmp_path / "out"
    encode([first, second], out)
    before = blocks(out)
    lines(second, [f"b{number}" for number in range(8)] + ["other"])
    with pytest.raises(UsageError, match=r"b\.txt is another: its content changed.*--force") as refused:
        encode([first, second], out)
    assert "a.txt" not in str(refused.value)
    assert blocks(out) == before
    encoder = Known()
    again = encode([first, second], out, encoder, overwrite=True)
    assert encoder.texts == 3
    assert (again.blocks, again.kept, again.strays) == (6, 5, 1)
    changed = {name[:12] for name in before.keys() ^ blocks(out).keys()}
    assert changed == {"00001-000002"}
    assert table(out)["text"][-1] == "other"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"encoder": Known("other")}, "the model is another"),
        ({"normalize": True}, "--normalize was False, now it is True"),
        ({"precision": "bf16"}, "--precision was fp32, now it is bf16"),
        ({"text": False}, "--text was True, now it is False"),
        ({"rows": 4}, "--block-rows was 3, now it is 4"),
        ({"columns": ("text",)}, "--columns was None, now it is text"),
    ],
)
def test_another_model_or_option_is_refused_and_force_redoes_all(
    tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    source = lines(tmp_path / "a.txt", [str(number) for number in range(10)])
    encode(source, tmp_path / "out")
    with pytest.raises(UsageError, match=words):
        encode(source, tmp_path / "out", **options)
    again = encode(source, tmp_path / "out", **options, overwrite=True)
    assert (again.kept, again.rows) == (0, 10)
    assert len(blocks(tmp_path / "out")) == again.blocks
    assert VectorsFolder.open(tmp_path / "out").rows == 10


def test_files_that_come_and_go_are_named(tmp_path: Path) -> None:
    first, second = (lines(tmp_path / name, ["x", "y"]) for name in ("a.txt", "b.txt"))
    second.write_text("z\n")
    encode([first], tmp_path / "out")
    with pytest.raises(UsageError, match=r"b\.txt is new"):
        encode([first, second], tmp_path / "out")
    encode([first, second], tmp_path / "out", overwrite=True)
    with pytest.raises(UsageError, match=r"b\.txt is no longer in the input"):
        encode([first], tmp_path / "out")
    with pytest.raises(UsageError, match="another order"):
        encode([second, first], tmp_path / "out")


@pytest.mark.parametrize("damage", ["cut", "changed", "gone", "empty"])
def test_a_damaged_block_is_found_by_its_checksum_and_made_anew(tmp_path: Path, damage: str) -> None:
    source = lines(tmp_path / "a.txt", [str(number) for number in range(10)])
    encode(source, tmp_path / "out")
    before = blocks(tmp_path / "out")
    name = sorted(before)[1]
    content = bytearray(before[name])
    content[len(content) // 2] ^= 1
    path = tmp_path / "out" / name
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes({"cut": content[:-9], "changed": content, "empty": b""}[damage])
    encoder = Known()
    again = encode(source, tmp_path / "out", encoder)
    assert (encoder.texts, again.lost, again.kept) == (3, 1, 3)
    assert blocks(tmp_path / "out") == before


def test_a_torn_record_costs_its_own_block_alone(tmp_path: Path) -> None:
    source = lines(tmp_path / "a.txt", [str(number) for number in range(10)])
    encode(source, tmp_path / "out")
    before = blocks(tmp_path / "out")
    log = tmp_path / "out" / OWN / "done.jsonl"
    kept = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join([kept[0], kept[1][:40]]))
    encoder = Known()
    encode(source, tmp_path / "out", encoder)
    assert encoder.texts == 7
    assert blocks(tmp_path / "out") == before


def test_another_process_in_the_folder_is_named(tmp_path: Path) -> None:
    source = lines(tmp_path / "a.txt", ["x"])
    encode(source, tmp_path / "out")
    with RunLock(tmp_path / "out" / OWN), pytest.raises(RunLocked, match=f"process {os.getpid()}"):
        encode(source, tmp_path / "out")


def test_a_block_that_another_program_replaced_after_it_was_written_fails_the_count(tmp_path: Path) -> None:
    source = lines(tmp_path / "a.txt", [str(number) for number in range(10)])
    out = tmp_path / "out"

    def meddling(count: int) -> None:
        present = sorted(out.glob("*.parquet"))
        if len(present) == 3:
            present[0].write_bytes(encoded_alone)

    encode(lines(tmp_path / "b.txt", ["one"]), tmp_path / "other")
    (encoded_alone,) = blocks(tmp_path / "other").values()
    with pytest.raises(CorruptFile, match=r"10 rows, of which 0 could not be read, and .* holds 8 vectors"):
        encode(source, out, progress=meddling)
    assert not (out / OWN / "manifest.json").exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    source = lines(tmp_path / "a.txt", ["x"])
    (tmp_path / "mine").mkdir()
    theirs = lines(tmp_path / "mine" / "notes.parquet", ["mine"])
    for overwrite in (False, True):
        with pytest.raises(UsageError, match=r"notes\.parquet, which is no block of vectors"):
            encode(source, tmp_path / "mine", overwrite=overwrite)
    assert os.listdir(tmp_path / "mine") == [theirs.name]
    with pytest.raises(UsageError, match="is a file, not a folder"):
        encode(source, source)


def test_what_cannot_be_encoded_leaves_no_folder(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    lines(tmp_path / "pairs.csv", ["anchor,positive", "a,b"])
    table = TableEncoder({"x": [float("nan")]})
    table.fingerprint = lambda: "table"  # type: ignore[attr-defined]
    with pytest.raises(EmptyCorpus, match=r"nothing to encode in .*empty\.txt: no rows"):
        encode(tmp_path / "empty.txt", tmp_path / "out")
    with pytest.raises(UsageError, match="2 texts per row"):
        encode(tmp_path / "pairs.csv", tmp_path / "out")
    with pytest.raises(UsageError, match="standard input cannot be read a second time"):
        encode("-", tmp_path / "out")
    with pytest.raises(ModelError, match=r"x\.txt line 1 is not finite"):
        encode(lines(tmp_path / "x.txt", ["x"]), tmp_path / "out", table)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_written_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    source = lines(tmp_path / "a.txt", [str(number) for number in range(10)])

    def growing(count: int) -> None:
        with source.open("a") as file:
            file.write("more\n")

    with pytest.raises(DataError, match=r"a\.txt was changed while it was read.*--force"):
        encode(source, tmp_path / "out", progress=growing)
    encode(source, tmp_path / "out", overwrite=True)
    assert table(tmp_path / "out")["text"] == source.read_text().splitlines()


def test_the_output_inside_the_input_is_not_taken_for_text(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    lines(tmp_path / "corpus" / "a.txt", ["x", "y"])
    for _ in range(2):
        done = encode(tmp_path / "corpus", tmp_path / "corpus" / "vectors")
        assert done.rows == 2


def test_memory_is_that_of_one_group_of_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyarrow import parquet

    monkeypatch.setattr("contrapose.use.blocks.ROWS_PER_GROUP", 4)
    encoder = Known()
    encode(
        lines(tmp_path / "a.txt", [str(number) for number in range(20)]), tmp_path / "out", encoder, rows=10
    )
    assert encoder.calls == [4, 4, 2, 4, 4, 2]
    (first, _) = sorted((tmp_path / "out").glob("*.parquet"))
    assert parquet.ParquetFile(first).num_row_groups == 3


def test_vectors_come_back_as_they_were_written(tmp_path: Path) -> None:
    texts = [f"text {number}" for number in range(20)]
    encode(lines(tmp_path / "a.txt", texts), tmp_path / "out", text=False)
    folder = VectorsFolder.open(tmp_path / "out")
    np.testing.assert_array_equal(folder.vectors(), np.stack([vector_of(text) for text in texts]))
    assert (folder.rows, folder.width, folder.has_text) == (20, WIDTH, False)
    with pytest.raises(UsageError, match="without their texts"):
        search_folder(Known(), folder, ["x"])


def test_a_search_of_the_folder_equals_a_search_of_its_text(tmp_path: Path) -> None:
    from contrapose.use.search import search

    texts = [f"text {number % 17}" if number % 5 else "" for number in range(40)]
    source = lines(tmp_path / "a.txt", texts)
    encode(source, tmp_path / "out")
    encoder = Known()
    found = search_folder(encoder, VectorsFolder.open(tmp_path / "out"), ["text 3", "text 9"], 7)
    assert found == search(Known(), source, ["text 3", "text 9"], 7)
    assert encoder.texts == 2
    with pytest.raises(UsageError, match="encoded by another model"):
        search_folder(Known("other"), VectorsFolder.open(tmp_path / "out"), ["x"])


def test_a_folder_that_is_not_whole_is_not_read(tmp_path: Path) -> None:
    source = lines(tmp_path / "a.txt", [str(number) for number in range(10)])
    with pytest.raises(RuntimeError):
        encode(source, tmp_path / "out", Known(fail_at=3))
    with pytest.raises(UsageError, match="not whole yet"):
        VectorsFolder.open(tmp_path / "out")
    with pytest.raises(UsageError, match="no folder that"):
        VectorsFolder.open(tmp_path)
    encode(source, tmp_path / "out")
    folder = VectorsFolder.open(tmp_path / "out")
    (tmp_path / "out" / folder.blocks[1]).write_bytes(b"PAR1")
    with pytest.raises(CorruptFile, match="damaged or missing"):
        folder.vectors()


PROGRAM = """
import sys, time
from pathlib import Path
from tests.use.test_encode_blocks import Known, encode

class Slow(Known):
    def encode(self, texts, **options):
        time.sleep(0.01)
        return super().encode(texts, **options)

encode(Path(sys.argv[1]), Path(sys.argv[2]), Slow(), rows=40)
"""


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.crash)])
def test_kill_9_at_random_times_costs_nothing_but_the_block_at_work(tmp_path: Path, kills: int) -> None:
    source = lines(tmp_path / "a.txt", [f"line {number}" for number in range(4_000)])
    encode(source, tmp_path / "whole", rows=40)
    out, chance, landed, most = tmp_path / "out", random.Random(0), 0, 0
    command = [sys.executable, "-c", PROGRAM, str(source), str(out)]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    for _ in range(kills):
        process = subprocess.Popen(command, env=environment, cwd=ROOT)
        wanted = len(blocks(out)) + chance.randrange(0, 3)
        wait_until(
            lambda wanted=wanted: len(list(out.glob("*.parquet"))) > wanted,
            at_work=lambda process=process: process.poll() is None,
        )
        process.send_signal(signal.SIGKILL)
        landed += process.wait(PATIENCE) == -signal.SIGKILL
        most = max(most, len(blocks(out)))
        if most > 90:
            break
    assert landed >= min(kills, 3)
    assert not (out / OWN / "manifest.json").exists()
    encoder = Known()
    done = encode(source, out, encoder, rows=40)
    # A block that was written and not yet recorded when the kill came is written again, to the same bytes.
    assert encoder.texts <= 4_000 - 40 * (most - 1)
    assert (done.rows, done.blocks) == (4_000, 100)
    assert blocks(out) == blocks(tmp_path / "whole")
    assert not [name for name in os.listdir(out) if name.endswith(".tmp")]
