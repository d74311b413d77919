"""The before/after table: numbers of the ledger only, of exactly the two models of a run, paired by rows."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from contrapose.errors import ContraposeError
from contrapose.evaluate.statistics import PairedTest, holm, in_words
from contrapose.foreign import finite_number
from contrapose.report.record import BeforeAfter, LedgerScore
from contrapose.report.wording import named
from contrapose.selection.reported import LabelledChange, PairedDifference

if TYPE_CHECKING:
    from contrapose.experiment.paired_evaluations import Change
    from contrapose.ledger import Entry, Ledger

logger = logging.getLogger(__name__)

#: (task, metric, protocol, split, fingerprint of the data): two numbers with the same one may stand side by side.
Key = tuple[str, str, str, str, str]


def scores_of(ledger: Ledger, pretrained: str, model: str) -> list[tuple[BeforeAfter, PairedTest | None]]:
    """Rows of the table of the run that made ``model`` of ``pretrained`` (fingerprints), with the tests behind them.

    The newest number of each task counts. Differences carry the uncorrected p-value until :func:`corrected`. A model
    that is the pretrained one has none.
    """
    entries = [entry for entry in ledger.entries("evaluation") if "results" in entry.body]
    old, new = (_newest(entries, fingerprint) for fingerprint in (pretrained, model))
    changes: dict[tuple[str, str], dict[tuple[str, ...], Change]] = {}
    rows = []
    # Labelled tasks first: nobody is better or worse by the numbers of the geometry.
    for key in sorted(dict.fromkeys([*old, *new]), key=lambda key: key[2] == "geometry"):
        before, after, change = old.get(key), new.get(key), None
        if before and after and pretrained != model:
            pair = before[0].id, after[0].id
            if pair not in changes:
                changes[pair] = _changes(ledger, before[0], after[0])
            change = changes[pair].get(key[:4])
        score = BeforeAfter(
            **dict(zip(("task", "metric", "protocol", "split"), key, strict=False)),
            before=_ledger_score(*before) if before else None,
            after=_ledger_score(*after) if after else None,
            difference=_difference(change) if change else None,
        )
        rows.append((score, change.test if change else None))
    return rows


def corrected(
    tables: Sequence[Sequence[tuple[BeforeAfter, PairedTest | None]]],
) -> list[tuple[BeforeAfter, ...]]:
    """The tables with p-values corrected for all differences in them together, and the words that follow from them."""
    p_values = iter(holm([test.p_value for table in tables for _, test in table if test is not None]))
    return [tuple(_in_words(score, test, p_values) for score, test in table) for table in tables]


def _in_words(score: BeforeAfter, test: PairedTest | None, p_values: Iterator[float]) -> BeforeAfter:
    if score.difference is None or test is None:
        return score
    p_corrected = next(p_values)
    return replace(
        score,
        difference=replace(score.difference, p_corrected=p_corrected, words=in_words(test, p_corrected)),
    )


def labelled_changes(scores: Sequence[BeforeAfter]) -> list[LabelledChange]:
    """What the table says of labelled tasks, for the verdict."""
    return [
        LabelledChange(task=score.task, name=named(score, scores), difference=score.difference)
        for score in scores
        if score.difference is not None
    ]


def _newest(entries: Iterable[Entry], fingerprint: str) -> dict[Key, tuple[Entry, Mapping[str, Any]]]:
    """Key -> (entry, result) of the newest evaluation of one model; entries come oldest first."""
    newest: dict[Key, tuple[Entry, Mapping[str, Any]]] = {}
    for entry in entries:
        if entry.body.get("fingerprint") != fingerprint:
            continue
        for result in entry.body["results"]:
            data = str(result["details"].get("data_fingerprint", result["details"].get("source", "")))
            key = (*(str(result[name]) for name in ("task", "metric", "protocol", "split")), data)
            newest[key] = (entry, result)  # type: ignore[index]
    return newest


def _changes(ledger: Ledger, before: Entry, after: Entry) -> dict[tuple[str, ...], Change]:
    from contrapose.experiment.paired_evaluations import compare_evaluations

    try:
        changes = compare_evaluations(ledger, before, after)
    except ContraposeError as error:
        logger.info("no paired differences between %s and %s: %s", before.id, after.id, error)
        return {}
    return {(change.task, change.metric, *change.protocol.rsplit(" ", 1)): change for change in changes}


def _ledger_score(entry: Entry, result: Mapping[str, Any]) -> LedgerScore:
    interval = result["details"].get("interval")
    low, high = interval if isinstance(interval, list) and len(interval) == 2 else (None, None)
    return LedgerScore(
        value=finite_number(result["value"]),
        low=finite_number(low),
        high=finite_number(high),
        rows=int(finite_number(result.get("rows")) or 0),
        entry=entry.id,
    )


def _difference(change: Change) -> PairedDifference:
    numbers = {name: getattr(change.test, name) for name in ("low", "high", "p_value")}
    return PairedDifference(
        value=change.test.difference, **numbers, p_corrected=change.p_corrected, words=change.words
    )
