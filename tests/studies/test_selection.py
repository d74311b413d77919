"""The study ``selection`` end to end on two tiny domains, one with titles and queries, one with classes."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from contrapose.encoder.encoder import Encoder
from contrapose.errors import UsageError
from studies import selection_domains as domains
from studies import selection_measures as reliability
from studies.pages import section
from studies.reading import rows_in
from studies.runs import Planned, run_planned
from studies.selection import STUDY
from tests.studies.inputs import setup_in
from tests.tiny import SENTENCES
from tests.train.runs import plain_bert

WORDS = sorted({word for sentence in SENTENCES for word in sentence.split()})
#: More than are kept apart to probe, by some batches.
LINES, DOCUMENTS = domains.PROBE_LINES + 128, domains.PROBE_DOCUMENTS + 128


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("selection")
    # An encoder, not a bare backbone: training would add a head to that, and there is no blend with a start without it.
    Encoder.load(str(plain_bert(folder / "backbone"))).save(folder / "model")
    (folder / "data/senteval").mkdir(parents=True)
    classes, titled = folder / "data/corpora/banking77", folder / "data/corpora/cranfield"
    for each in (classes, titled / "qrels"):
        each.mkdir(parents=True)
    lines = list(dict.fromkeys(_text(row, 9) for row in range(LINES)))
    (classes / "sentences.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = "".join(f"class{row % 3}\t{_text(row, 7)}\n" for row in range(30))
    (classes / "test.tsv").write_text(rows, encoding="utf-8")
    with gzip.open(titled / "corpus.jsonl.gz", "wt", encoding="utf-8") as out:
        for row in range(DOCUMENTS):
            text = f"{_text(row, 12)}. {_text(row + 5_000, 12)}."
            out.write(json.dumps({"_id": str(row), "title": _text(row, 5), "text": text}) + "\n")
    queries = "".join(json.dumps({"_id": f"q{row}", "text": _text(row, 6)}) + "\n" for row in range(20))
    (titled / "queries.jsonl").write_text(queries, encoding="utf-8")
    judged = "".join(f"q{row}\t{row}\t1\n" for row in range(20))
    (titled / "qrels/test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}", encoding="utf-8")
    return folder


def _text(seed: int, words: int) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=words))


@pytest.fixture(scope="module")
def two_domains() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        kept = {name: domains.DOMAINS[name] for name in ("cranfield", "banking77")}
        patched.setattr(domains, "DOMAINS", kept)
        patched.setattr(reliability, "DOMAINS", kept)
        yield


@pytest.fixture(scope="module")
def planned(inputs: Path, two_domains: None) -> list[Planned]:
    setup = setup_in(inputs, inputs / "out", data=(str(inputs / "data"),))
    return STUDY.plan(setup)


@pytest.fixture(scope="module")
def out(inputs: Path, planned: list[Planned]) -> Path:
    """One run on each domain, and the one of natural pairs."""
    wanted = [("cranfield", "crops 1e-4"), ("banking77", "crops 1e-4"), ("cranfield", "pairs 1e-4")]
    some = [each for each in planned if tuple(dict(each.trial.factors).values()) in wanted]
    assert len(some) == len(wanted)
    run_planned("selection", some, inputs / "out")
    return inputs / "out"


def test_every_recipe_meets_every_domain_that_allows_it(planned: list[Planned]) -> None:
    met = [tuple(dict(each.trial.factors).values()) for each in planned]
    assert len(met) == len(set(met)) == 2 * len(reliability.RECIPES) - 2
    assert {domain for domain, recipe in met if "pairs" in recipe} == {"cranfield"}


def test_a_row_holds_the_truth_and_what_is_seen_without_labels(out: Path) -> None:
    for row in rows_in(out, ["selection"])["selection"]:
        shares = row["facts"]["shares"]
        assert list(shares) == ["0.5", "1"]
        for found in shares.values():
            assert found["truth"]["low"] <= found["truth"]["difference"] <= found["truth"]["high"]
            assert ("titles" in found["probes"]) == (row["factors"]["domain"] == "cranfield")
            assert 0 <= found["space"]["neighbours_kept"] <= 1
        halves, whole = (shares[share]["space"]["neighbours_kept"] for share in ("0.5", "1"))
        assert halves >= whole, "half way to the trained encoder, more neighbours are those of the start"


def test_the_rows_are_answered_and_drawn(out: Path) -> None:
    pytest.importorskip("matplotlib")
    studies = rows_in(out, ["selection"])
    text = "\n".join(section(STUDY, studies))
    assert "the chosen one" in text
    assert "cranfield" in text
    assert STUDY.figure(studies["selection"], studies) is not None


def test_without_labelled_domains_it_says_what_to_give(inputs: Path) -> None:
    setup = setup_in(inputs, inputs / "nothing", data=(str(inputs / "model"),))
    with pytest.raises(UsageError, match=r"--data a folder that holds corpora/ and senteval/"):
        STUDY.plan(setup)
