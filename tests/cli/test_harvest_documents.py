"""contrapose harvest documents: what it prints and writes, and how it ends."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Command
from tests.documents.folder import write_folder


def test_the_verb_writes_what_train_reads_and_says_what_it_left_out(
    contrapose: Command, tmp_path: Path
) -> None:
    folder = write_folder(tmp_path / "notes")
    out = tmp_path / "pairs.parquet"
    done = contrapose("harvest", "documents", folder, "-o", out)
    assert done.code == 3
    assert "3 rows in" in done.out
    assert "1 files left out: not UTF-8" in done.err
    assert "contrapose train" in done.err + done.out
    (folder / "bad.txt").unlink()
    again = contrapose("harvest", "documents", folder, "-o", out, "--json", "--overwrite")
    assert again.code == 0, again.err
    assert again.json["pairs"] == {"title": 2, "neighbours": 1}
