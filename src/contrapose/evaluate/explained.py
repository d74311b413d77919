"""What lies behind a number, in words: how it is made, what ties do, and what its interval is."""

from __future__ import annotations

from typing import Any

from contrapose.evaluate.geometry_spread import RESAMPLED_SPECTRA, SIGMAS
from contrapose.evaluate.geometry_spread import RESAMPLES as GEOMETRY_RESAMPLES
from contrapose.evaluate.judged import CLUSTERING_RESAMPLES, CLUSTERING_SEEDS
from contrapose.evaluate.per_example import MEAN_RESAMPLES, RESAMPLES
from contrapose.evaluate.results import Result
from contrapose.evaluate.sts import PROTOCOLS as STS
from contrapose.evaluate.transfer import DEV_SHARE, WEIGHT_DECAYS
from contrapose.evaluate.transfer import PROTOCOLS as TRANSFER
from contrapose.maths.k_means import ITERATIONS

_SPEARMAN = (
    "equal values share their mean rank; vectors as they are pooled, cosine in fp64; no regressor on top"
)
_TRANSFER = (
    "logistic regression on vectors that are not normalised, a pair as [|u - v|, u * v]; weight decay chosen of "
    f"{', '.join(f'{decay:g}' for decay in WEIGHT_DECAYS)} by folds of the rows learnt from (SST2: by its development "
    "rows, which stop the training too); the final training is stopped by "
    f"{DEV_SHARE:.0%} of its rows; accuracy over all test rows together; of equal logits the first class; chance: the "
    "best constant answer. Departures from SentEval: all classifiers share their mini-batches, so each gets the batch "
    "size on average; folds are drawn by a generator of our own"
)
_STOPPED_APART = (
    f"; trainings that choose the weight decay are stopped by {DEV_SHARE:.0%} of the rows they learn from, and not by "
    "the fold that scores them as in SentEval (senteval-transfer-official does as SentEval)"
)
_QUANTILES = "2.5% and 97.5% quantiles"


def encoder_of(encoder: Any, precision: str | None, sentences: int) -> str:
    """How the encoder made vectors of the texts."""
    texts = "lower-cased and " * encoder.lower_case + f"cut at {encoder.max_length} tokens"
    prompt = f"after the prompt {encoder.prompt!r}" if encoder.prompt else "without a prompt"
    asked = " though the model asks for it" if encoder.normalize else ""
    weighed = "" if encoder.word_weights is None else " with the model's weights of words"
    return (
        f"pooling {encoder.pooling}{weighed}, texts {texts}, {prompt}, no train-time head; vectors as they are pooled, "
        f"not brought to unit length{asked} (cosines do not see their length); computed in {precision}; each distinct "
        f"text encoded once ({sentences:,})"
    )


def definition_of(result: Result) -> str:
    """How the number is made.

    >>> trec = Result(task="TREC", metric="accuracy", value=90.0, protocol="senteval-transfer", rows=500, model="m",
    ...               split="test", text="raw", details={"definition": "10 folds"})
    >>> definition_of(trec)[:40], interval_of(trec)
    ('10 folds; logistic regression on vectors', '95%: test rows resampled 5,000 times, 2.5% and 97.5% quantiles')
    """
    known = str(result.details.get("definition", STS.get(result.protocol, "")))
    return "; ".join(part for part in (known, _more(result)) if part)


def _more(result: Result) -> str:
    if result.protocol == "crosslingual":
        return f"score, sentence and sentence are the first three columns, others are not read; {_SPEARMAN}"
    if result.protocol in (*STS, "scored-pairs"):
        return _SPEARMAN
    if result.metric == "positive_rank":
        return "the sentence itself is not ranked; others as near as the partner count as nearer"
    if result.protocol.startswith("senteval-transfer"):
        return _TRANSFER + ("" if TRANSFER[result.protocol].stop_on_fold else _STOPPED_APART)
    return {
        "duplicate-pairs": "pairs of equal cosine enter together; chance: the share of true pairs",
        "clustering": f"{CLUSTERING_SEEDS} seeds, {ITERATIONS} iterations",
        "beir": "title and text joined by a blank; exact cosine search over all documents; cosines compared in fp32, "
        "of equal ones the greater id first, as trec_eval; queries without a relevant document are not asked; a "
        "document with the id of the query is left out",
    }.get(result.protocol, "")


def interval_of(result: Result) -> str:
    """What its interval is: what was resampled, and how."""
    if result.protocol == "geometry":
        if result.metric in ("alignment", "positive_rank"):
            return f"95%: pairs resampled 2,000 times, {_QUANTILES}"
        times = RESAMPLED_SPECTRA if result.metric in ("effective_rank", "iso_score") else GEOMETRY_RESAMPLES
        return f"95%: value +- {SIGMAS} standard deviations of {times} resamples of the texts, without pairs of copies"
    if result.protocol == "clustering":
        return (
            f"95%: reach of {CLUSTERING_RESAMPLES} resamples of the texts with their clusters around their own mean, "
            "and of the t-interval over the seeds, added as independent errors"
        )
    rows = {"accuracy": "test rows", "spearman": "pairs", "average_precision": "pairs"}.get(
        result.metric, "queries"
    )
    if result.protocol == "senteval-mean":
        rows = "pairs, each within its part,"
    times = MEAN_RESAMPLES if rows in ("test rows", "queries") else RESAMPLES
    return f"95%: {rows} resampled {times:,} times, {_QUANTILES}"
