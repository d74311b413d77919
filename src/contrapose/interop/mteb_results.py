"""From MTEB's result files to our results: one per subset and split, x 100, with where the data came from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from contrapose.evaluate.metrics import ndcg
from contrapose.evaluate.per_example import PerExampleScores
from contrapose.evaluate.results import Result
from contrapose.evaluate.vectors import SPREAD_OF_COLLAPSE
from contrapose.foreign import read_json_object
from contrapose.interop.mteb_local import DEFAULT, LocalData

PROTOCOL = "mteb"
#: Column of the judgement, and our statistic of it, where a main score is one over pairs.
_PAIRS = {"STS": ("score", "spearman"), "PairClassification": ("labels", "average_precision")}
#: MTEB rounds its main scores to five places or more.
_ROUNDING = 1e-3
#: Queries of which the rankings are kept, 1,000 documents each: about 30 MB at most.
_RANKED_QUERIES = 1_000


def results_of(
    task: Any, scored: Any, local: LocalData | None, *, fingerprint: str, collapsed: bool
) -> list[Result]:
    """One result for each subset and split of ``scored`` (mteb's TaskResult) that ``task`` wants.

    A subset is told by the task's name, STS17.en-ar, and so is the split of a task that has several.
    ``details["mteb_rows"]`` and ``["same_as_mteb"]`` say how local data compares with MTEB's own, where mteb has
    recorded that; ``["subsets_here"]`` that some are missing.
    """
    metadata, results = task.metadata, []
    for split, entries in scored.scores.items():
        for entry in entries:
            subset = entry["hf_subset"]
            if split not in task.eval_splits or subset not in task.hf_subsets:
                continue
            value = float("nan") if collapsed else 100 * _number(entry["main_score"])
            undefined = math.isnan(value)
            details = {
                "definition": f"{metadata.main_score} x 100 of MTEB's {metadata.type}, by mteb {scored.mteb_version}",
                "mteb_task": metadata.name,
                "mteb_subset": subset,
                **_origin(task, local, subset, split),
                **({"collapsed": True} if undefined else {}),
                **({"superseded_by": metadata.superseded_by} if metadata.superseded_by else {}),
            }
            results.append(
                Result(
                    task=_named(task, subset, split),
                    metric=metadata.main_score,
                    value=value,
                    protocol=PROTOCOL,
                    rows=local.sizes[subset, split][0] if local else _published(metadata, subset, split)[0],
                    model=fingerprint,
                    split=split,
                    text=local.text if local else "hub",
                    details=details,
                )
            )
    return results


def _named(task: Any, subset: str, split: str) -> str:
    parts = [task.metadata.name, *([] if subset == DEFAULT else [subset])]
    return ".".join([*parts, split] if len(task.eval_splits) > 1 else parts)


def _origin(task: Any, local: LocalData | None, subset: str, split: str) -> dict[str, Any]:
    if local is None:
        return {"data": "hub", "data_fingerprint": str(task.metadata.revision)}
    (rows, characters), (their_rows, their_characters) = (
        local.sizes[subset, split],
        _published(task.metadata, subset, split),
    )
    same = rows == their_rows and abs(characters - their_characters) <= max(4, 0.001 * their_characters)
    here, there = len(task.hf_subsets), len(task.metadata.hf_subsets)
    return {
        "data": f"local folder {local.folder}",
        "data_fingerprint": local.fingerprint,
        **({"mteb_rows": their_rows, "same_as_mteb": same} if their_rows else {}),
        **({"subsets_here": f"{here} of {there}"} if here < there else {}),
    }


def _published(metadata: Any, subset: str, split: str) -> tuple[int, int]:
    """Rows and characters of MTEB's own copy, as its package records them; zeros where it does not."""
    stats: Mapping[str, Any] = (metadata.descriptive_stats or {}).get(split, {})
    if subset != DEFAULT:
        stats = stats.get("hf_subset_descriptive_stats", {}).get(subset, {})
    rows = stats.get("num_queries") or stats.get("num_samples") or 0
    text: Mapping[str, Any] = stats.get("text_statistics") or {}
    return int(rows), int(stats.get("number_of_characters") or text.get("total_text_length") or 0)


def with_interval(result: Result, task: Any, local: LocalData | None, predictions: Path) -> Result:
    """With its per-example scores and interval, where mteb kept the pairs; undefined, if all cosines are one."""
    scores = _per_example(result, task, local, predictions)
    if scores is None:
        return result
    if scores.kind != "mean" and np.ptp(scores.values_N) < SPREAD_OF_COLLAPSE:
        return replace(result, value=float("nan"), details={**result.details, "collapsed": True})
    interval = scores.interval()
    details = {**result.details, "interval": [interval.low, interval.high], "statistic": scores.kind}
    return replace(result, per_example=scores, details=details)


def keeps_rows(task: Any, local: LocalData | None) -> bool:
    """Whether mteb shall write what it predicted: cosines of pairs, and rankings that are not too many."""
    if task.metadata.type in _PAIRS:
        return True
    ranks = task.metadata.type == "Retrieval" and task.metadata.main_score == "ndcg_at_10"
    return ranks and local is not None and max(rows for rows, _ in local.sizes.values()) <= _RANKED_QUERIES


def _per_example(
    result: Result, task: Any, local: LocalData | None, predictions: Path
) -> PerExampleScores | None:
    """The per-example scores behind a number, from the predictions that mteb kept, if they give that very score."""
    if not keeps_rows(task, local) or math.isnan(result.value):
        return None
    subset = str(result.details["mteb_subset"])
    if local is not None:
        part: Any = local.parts[subset][result.split]
    elif task.dataset is not None:
        part = task.dataset.get(subset, task.dataset)[result.split]
    else:
        return None
    try:
        kept = read_json_object(predictions / task.prediction_file_name)
        scores = _of_rows(task.metadata.type, part, kept[subset][result.split])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return scores if abs(scores.value() - result.value) <= _ROUNDING else None


def _of_rows(kind: str, part: Mapping[str, Any], kept: Mapping[str, Any]) -> PerExampleScores:
    """Raises ValueError, KeyError or the like where the two do not belong together."""
    if kind not in _PAIRS:
        gains = part["relevant_docs"]
        return PerExampleScores("mean", np.array([_ndcg(kept[query], gains[query]) for query in gains]))
    column, statistic = _PAIRS[kind]
    values_N, gold_N = (np.asarray(rows, np.float64) for rows in (kept["cosine_scores"], part[column]))
    if values_N.shape != gold_N.shape or values_N.ndim != 1:
        raise ValueError("predictions of other rows")
    return PerExampleScores(statistic, values_N, gold_N)


def _ndcg(scores: Mapping[str, float], gains: Mapping[str, int]) -> float:
    """Of one query; equal scores by falling id, as trec_eval."""
    first = sorted(scores, key=lambda document: (scores[document], document), reverse=True)[:10]
    return ndcg(np.array([gains.get(document, 0) for document in first]), np.array(list(gains.values())), 10)


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
