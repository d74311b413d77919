"""The run's own copy of its corpus: built once, and on resumption whichever of the copy and the files is whole.

Where Parquet files are used where they lie, what is built is an index of their rows, and the files must stay.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from contrapose.data.corpus import Corpus, build_corpus
from contrapose.data.corpus_folder import read_about
from contrapose.data.source_stamps import described
from contrapose.data.sources import STDIN
from contrapose.data.text import printable
from contrapose.errors import ContraposeError, CorruptFile, DataError, ResumeRefused, StorageError
from contrapose.listening import Listener
from contrapose.storage.durable import remove_tree
from contrapose.storage.syscalls import reporting
from contrapose.train.preflight import Cleared
from contrapose.train.run_folder import read_record
from contrapose.train.settings import RunSettings


def corpus_copy_of(folder: Path) -> Path:
    return folder / "cache" / "corpus"


def build(folder: Path, settings: RunSettings, cleared: Cleared, listener: Listener) -> None:
    """Read the files into the run's copy; one that is there already, whole and of the same files, is kept."""
    assert cleared.sources is not None, "a run that has no copy yet needs its files"
    copy, data = corpus_copy_of(folder), settings.data
    with reporting(copy.parent):
        copy.parent.mkdir(exist_ok=True)
    with listener.task("reading the corpus", unit="row"):
        build_corpus(
            cleared.sources,
            copy,
            columns=data.columns,
            label_column=data.label_column,
            min_words=data.min_words,
            max_characters=data.max_characters,
            deduplicate=data.deduplicate,
            max_bad_share=data.max_bad_share,
            in_place=data.in_place,
            progress=listener.advance,
        )


def make_good(folder: Path, settings: RunSettings, cleared: Cleared, listener: Listener) -> None:
    """Before a run goes on: its copy is verified, and built again from the files where it is damaged.

    Raises ResumeRefused where the files are not those that the run began with, or the copy is damaged and cannot be
    built again; files that are gone, or cannot be read, are no obstacle to a copy that is whole.
    """
    record = read_record(folder)
    with listener.task("verifying the corpus"):
        damage = _damage(folder, record)
        now, why_unknown = _fingerprint(folder, cleared)
    from_stdin = cleared.sources is not None and STDIN in cleared.sources
    if now is not None and now != record["sources"]:
        also = _also(folder, damage)
        raise ResumeRefused(
            f"the corpus files changed since the run was begun, so it cannot be continued{also}: "
            "restore them, or start a new run with another --out"
        )
    if not damage:
        if now is None and not from_stdin:
            listener.notice(
                f"the corpus files cannot be compared with those that the run began with ({why_unknown}); "
                "the run's own copy, which is whole, is used"
            )
        return
    if now is None:
        raise ResumeRefused(
            f"the run's own copy of its corpus is damaged ({damage}), and it cannot be built again: {why_unknown}. "
            "Restore the corpus files, or start a new run with another --out"
        )
    listener.notice(
        f"the run's own copy of its corpus is damaged ({damage}); it is built again from the files, which are as they "
        "were"
    )
    remove_tree(corpus_copy_of(folder))
    build(folder, settings, cleared, listener)
    if damage := _damage(folder, record):
        raise ResumeRefused(f"the corpus was built again, and {damage}: start a new run with another --out")


def _damage(folder: Path, record: dict[str, Any]) -> str:
    """What is wrong with the copy, or "" where it is whole and the one that the run was begun with."""
    try:
        copy = Corpus.open(corpus_copy_of(folder), verify=True)
    except (DataError, CorruptFile, StorageError) as error:
        return str(error)
    return "" if copy.fingerprint == record["corpus"] else "its rows are not those the run was begun with"


def _also(folder: Path, damage: str) -> str:
    """What is known of what changed, in brackets."""
    if damage:
        return f" (and the run's own copy is damaged: {damage})"
    shards = Corpus.open(corpus_copy_of(folder)).in_place
    touched = [] if shards is None else shards.touched()
    return f" ({', '.join(printable(path, 300) for path in touched[:3])})" if touched else ""


def _fingerprint(folder: Path, cleared: Cleared) -> tuple[str | None, str]:
    """(the fingerprint of the files, or None; why there is none)."""
    if cleared.sources is None:
        return None, cleared.why_no_sources
    if STDIN in cleared.sources:
        return None, "it was read from standard input, which cannot be read again"
    try:
        return described(cleared.sources, _known(folder))["sources"], ""
    except ContraposeError as error:
        return None, str(error)


def _known(folder: Path) -> dict[str, Any] | None:
    """What was said of the files when the copy was built; None where that cannot be read."""
    try:
        return read_about(corpus_copy_of(folder))
    except ContraposeError:
        return None
