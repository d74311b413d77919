"""MTEB's tasks read from data folders: no data set can be fetched on a machine without a network.

    STS12 .. STS16, STSBenchmark       SentEval's layout, the test split
    SICK-R                             SentEval's layout, all three parts: MTEB scores all 9,927 pairs together
    STS17                              track*.tsv; a language pair that is not there is left out
    STSBenchmarkMultilingualSTS        dev.de.tsv and test.de.tsv in a folder ``stsb-parallel``
    TwitterURLCorpus                   a folder ``twitter-url`` of judged pairs
    Banking77Classification            a folder ``banking77`` with train.tsv and test.tsv
    retrieval in English               a folder in BEIR's layout, called as the task: ``scifact`` is SciFact

The texts stand in for MTEB's own copy, and may not be the same: how many rows and characters both have is kept, so
that a difference can be told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from contrapose.errors import DataError, UsageError
from contrapose.evaluate.beir import RetrievalData, is_beir, read_beir
from contrapose.evaluate.crosslingual import crosslingual_files, read_crosslingual
from contrapose.evaluate.labelled import JudgedTexts, read_judged
from contrapose.evaluate.senteval import StsData, files_of, letters_of, read_sts, root_in, text_form
from contrapose.interop.mteb_local import DEFAULT, LocalData

#: Names of BEIR's folders that are not their task's name.
_BEIR_ALIASES = {"fiqa": "FiQA2018", "webistouche2020": "Touche2020"}
#: What to look for where a task's folder is not found, for messages.
LAYOUTS = {
    **dict.fromkeys(("STS12", "STS13", "STS14", "STS15", "STS16"), "SentEval's layout (STS/...)"),
    "STSBenchmark": "SentEval's layout (STS/STSBenchmark/sts-test.csv)",
    "SICK-R": "SentEval's layout (SICK/SICK_train.txt, SICK_trial.txt and SICK_test_annotated.txt)",
    "STS17": "a folder sts17 of files such as track5.en-en.tsv",
    "STSBenchmarkMultilingualSTS": "a folder stsb-parallel of files such as dev.de.tsv and test.de.tsv",
    "TwitterURLCorpus": "a folder twitter-url with test.tsv: label, text, text",
    "Banking77Classification": "a folder banking77 with train.tsv and test.tsv: label, text",
}


def read_local(name: str, folders: Sequence[Path], metadata: Any) -> LocalData | None:
    """The data of MTEB's task ``name`` from the first folder that holds it; None where none does.

    metadata: the task's ``TaskMetadata``. Raises :class:`DataError` for data that is there and damaged or incomplete,
    :class:`UsageError` for a folder that is not there.
    """
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"data folder not found: {folder}")
    recipe = _RECIPES.get(name)
    if recipe is None and metadata.type == "Retrieval" and not metadata.is_multilingual:
        recipe = _retrieval
    if recipe is None:
        return None
    return next((data for folder in folders if (data := recipe(name, folder, metadata))), None)


def _year(name: str, folder: Path, metadata: Any) -> LocalData | None:
    task = "STS-B" if name == "STSBenchmark" else name
    if not root_in(folder, files_of(task, "test")):
        return None
    return _of_pairs({(DEFAULT, "test"): [read_sts(folder, task)]})


def _sick(name: str, folder: Path, metadata: Any) -> LocalData | None:
    splits = ("train", "dev", "test")
    if not root_in(folder, [file for split in splits for file in files_of("SICK-R", split)]):
        return None
    return _of_pairs({(DEFAULT, "test"): [read_sts(folder, "SICK-R", split) for split in splits]})


def _sts17(name: str, folder: Path, metadata: Any) -> LocalData | None:
    """MTEB's subset has the languages of the track, in whichever order; of es-en the first track is meant."""
    by_languages = {frozenset(subset.split("-")): subset for subset in metadata.hf_subsets}
    parts_read: dict[tuple[str, str], list[StsData]] = {}
    for task, path in crosslingual_files(folder, "test").items():
        collection, _, languages = task.rpartition(".")
        subset = by_languages.get(frozenset(languages.split("-")))
        if collection.startswith("STS17.") and subset and (subset, "test") not in parts_read:
            parts_read[subset, "test"] = [read_crosslingual(path, task, "test")]
    return _of_pairs(parts_read) if parts_read else None


def _parallel(name: str, folder: Path, metadata: Any) -> LocalData | None:
    """Languages of which both splits are there."""
    files = {split: crosslingual_files(folder, split) for split in metadata.eval_splits}
    parts_read = {}
    for subset in metadata.hf_subsets:
        task = f"STSB-PARALLEL.{subset}"
        if all(task in of_split for of_split in files.values()):
            for split, of_split in files.items():
                parts_read[subset, split] = [read_crosslingual(of_split[task], task, split)]
    return _of_pairs(parts_read) if parts_read else None


def _twitter(name: str, folder: Path, metadata: Any) -> LocalData | None:
    path = _below(folder, "twitter-url", "test.tsv")
    if path is None:
        return None
    data = read_judged(path, name, pairs=True)
    if not data.is_binary:
        raise DataError(f"{path}: {name} needs labels 1 (paraphrase) and 0 (not) only")
    columns = {
        "sentence1": list(data.first),
        "sentence2": list(data.second),
        "labels": [int(gold) for gold in data.gold_N],
    }
    size = (len(data), sum(map(len, data.texts)))
    return _local({(DEFAULT, "test"): columns}, {(DEFAULT, "test"): size}, data.folder, [data], data.texts)


def _banking(name: str, folder: Path, metadata: Any) -> LocalData | None:
    paths = {split: _below(folder, "banking77", f"{split}.tsv") for split in ("train", "test")}
    if not any(paths.values()):
        return None
    missing = [split for split, path in paths.items() if path is None]
    if missing:
        raise DataError(f"{folder}: {name} needs train.tsv and test.tsv; there is no {missing[0]}.tsv")
    read = {split: read_judged(path, name, pairs=False) for split, path in paths.items() if path is not None}
    classes = sorted(set(read["train"].labels))
    unknown = sorted(set(read["test"].labels) - set(classes))
    if unknown:
        raise DataError(f"{paths['test']}: the label {unknown[0]!r} does not occur in train.tsv")
    number = {label: position for position, label in enumerate(classes)}
    tables = {
        (DEFAULT, split): {"text": list(data.first), "label": [number[label] for label in data.labels]}
        for split, data in read.items()
    }
    sizes = {(DEFAULT, split): (len(data), sum(map(len, data.texts))) for split, data in read.items()}
    return _local(tables, sizes, read["test"].folder, list(read.values()), read["test"].texts)


def _retrieval(name: str, folder: Path, metadata: Any) -> LocalData | None:
    for each in (folder, *sorted(child for child in folder.iterdir() if child.is_dir())):
        if not (is_beir(each) and _is_called(each.name, name)):
            continue
        read = {split: read_beir(each, split) for split in metadata.eval_splits}
        tables = {(DEFAULT, split): _retrieval_part(data) for split, data in read.items()}
        sizes = {
            (DEFAULT, split): (len(data.queries), sum(map(len, data.texts))) for split, data in read.items()
        }
        queries = [text for data in read.values() for text in data.queries.values()]
        return _local(tables, sizes, each.name, list(read.values()), queries)
    return None


def _retrieval_part(data: RetrievalData) -> dict[str, Any]:
    """Title and text are joined already, as MTEB joins them."""
    return {
        "corpus": {"id": list(data.documents), "text": list(data.documents.values())},
        "queries": {"id": list(data.queries), "text": list(data.queries.values())},
        "relevant_docs": {query: dict(gains) for query, gains in data.gains.items()},
    }


def _of_pairs(parts_read: Mapping[tuple[str, str], Sequence[StsData]]) -> LocalData:
    """One table of scored pairs from the parts of each subset and split."""
    tables, sizes = {}, {}
    for subset, parts in parts_read.items():
        pairs = [subset for part in parts for subset in part.subsets]
        tables[subset] = {
            "sentence1": [text for each in pairs for text in each.first],
            "sentence2": [text for each in pairs for text in each.second],
            "score": [float(score) for each in pairs for score in each.gold],
        }
        sizes[subset] = (
            sum(map(len, parts)),
            sum(len(text) for part in parts for text in part.texts),
        )
    read = [part for parts in parts_read.values() for part in parts]
    return _local(tables, sizes, read[0].folder, read, [text for part in read for text in part.texts])


def _local(
    tables: Mapping[tuple[str, str], Mapping[str, Any]],
    sizes: Mapping[tuple[str, str], tuple[int, int]],
    folder: str,
    read: Sequence[StsData | JudgedTexts | RetrievalData],
    texts: Sequence[str],
) -> LocalData:
    parts: dict[str, dict[str, Mapping[str, Any]]] = {}
    for (subset, split), table in tables.items():
        parts.setdefault(subset, {})[split] = table
    digest = hashlib.sha256("\n".join(data.fingerprint for data in read).encode())
    return LocalData(
        parts=parts, sizes=sizes, folder=folder, fingerprint=digest.hexdigest(), text=text_form(texts)
    )


def _below(folder: Path, name: str, file: str) -> Path | None:
    """``file`` in ``folder`` itself, if it is called ``name``, or in its subfolder of that name."""
    path = (folder if folder.resolve().name == name else folder / name) / file
    return path if path.is_file() else None


def _is_called(folder: str, task: str) -> bool:
    alias = _BEIR_ALIASES.get(letters_of(folder), folder)
    return letters_of(alias).removesuffix("retrieval") == letters_of(task).removesuffix("retrieval")


_RECIPES: dict[str, Callable[[str, Path, Any], LocalData | None]] = {
    **dict.fromkeys(("STS12", "STS13", "STS14", "STS15", "STS16", "STSBenchmark"), _year),
    "SICK-R": _sick,
    "STS17": _sts17,
    "STSBenchmarkMultilingualSTS": _parallel,
    "TwitterURLCorpus": _twitter,
    "Banking77Classification": _banking,
}
