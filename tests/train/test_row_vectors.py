"""The file of all rows' vectors: on a full disk an error that says so, never the end of the process."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from contrapose.data.corpus import Corpus, build_corpus
from contrapose.encoder.encoder import Encoder
from contrapose.errors import StorageError
from contrapose.listening import Listener
from contrapose.storage import syscalls
from contrapose.train.row_vectors import row_vectors
from tests.train.runs import NUM_ROWS, Place


@pytest.fixture
def corpus(place: Place, tmp_path: Path) -> Corpus:
    return build_corpus([str(place.sentences)], tmp_path / "corpus")


def look(encoder: Encoder, corpus: Corpus, path: Path) -> Iterator[np.ndarray]:
    with row_vectors(
        encoder, corpus, np.arange(len(corpus)), path, precision="fp32", listener=Listener()
    ) as vectors:
        yield vectors


def test_the_file_has_no_holes_while_it_is_there_and_is_gone_afterwards(
    encoder: Encoder, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cache" / "vectors.npy"
    reserved: list[int] = []

    class Watching(syscalls.Syscalls):
        def allocate(self, descriptor: int, size: int) -> None:
            super().allocate(descriptor, size)
            reserved.append(size)

    monkeypatch.setattr(syscalls, "calls", Watching())
    for vectors in look(encoder, corpus, path):
        assert vectors.shape == (NUM_ROWS, encoder.width)
        assert np.abs(vectors).sum(axis=1).min() > 0
        assert reserved == [path.stat().st_size]
    assert reserved
    assert not path.exists()


def test_a_full_disk_is_told_before_a_row_is_encoded(
    encoder: Encoder, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(syscalls.Syscalls):
        def allocate(self, descriptor: int, size: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(syscalls, "calls", Full())
    monkeypatch.setattr(Encoder, "encode", lambda *_, **__: pytest.fail("a row was encoded"))
    with pytest.raises(
        StorageError, match=r"cannot write .*cache: No space left on device\. Free some space"
    ):
        next(look(encoder, corpus, tmp_path / "cache" / "vectors.npy"))
    assert not list((tmp_path / "cache").iterdir())


def test_a_file_system_that_cannot_reserve_space_is_no_obstacle(
    encoder: Encoder, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Simple(syscalls.Syscalls):
        def allocate(self, descriptor: int, size: int) -> None:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(syscalls, "calls", Simple())
    assert len(next(look(encoder, corpus, tmp_path / "vectors.npy"))) == NUM_ROWS


def test_what_fails_while_the_vectors_are_read_is_not_said_of_their_file(
    encoder: Encoder, corpus: Corpus, tmp_path: Path
) -> None:
    rows = np.arange(len(corpus))
    with (
        pytest.raises(FileNotFoundError, match="elsewhere"),
        row_vectors(encoder, corpus, rows, tmp_path / "v.npy", precision="fp32", listener=Listener()),
    ):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "elsewhere")


def test_on_a_disk_that_is_really_full_the_process_lives(place: Place, tmp_path: Path) -> None:
    disk, corpus = tmp_path / "disk", tmp_path / "corpus"
    disk.mkdir()
    build_corpus([str(place.sentences)], corpus)
    small = f"mount -t tmpfs -o size=8k tmpfs {disk}"
    if subprocess.run(small.split(), check=False, capture_output=True).returncode:
        pytest.skip("only root can make a small file system")
    script = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from contrapose.data.corpus import Corpus\n"
        "from contrapose.encoder.encoder import Encoder\n"
        "from contrapose.errors import StorageError\n"
        "from contrapose.listening import Listener\n"
        "from contrapose.train.row_vectors import row_vectors\n"
        "model, corpus, path = sys.argv[1:]\n"
        "corpus = Corpus.open(corpus)\n"
        "options = dict(precision='fp32', listener=Listener())\n"
        "try:\n"
        "    with row_vectors(Encoder.load(model), corpus, np.arange(len(corpus)), Path(path), **options):\n"
        "        pass\n"
        "except StorageError as error:\n"
        "    sys.exit(f'told: {error}')\n"
    )
    try:
        ended = subprocess.run(
            [sys.executable, "-c", script, str(place.model), str(corpus), str(disk / "vectors.npy")],
            check=False,
            capture_output=True,
            text=True,
        )
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert (ended.returncode, "No space left on device" in ended.stderr) == (1, True), ended.stderr[-2000:]
