"""From a trained encoder to one with its least important weights at zero: score, mask, compare, write.

Every number of the result says what was before and what is after, on the same rows. The model's folder appears whole
or not at all, with the mask (``mask.safetensors``) and the record of how it was made (``sparsity.json``) in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from contrapose.data.corpus import Corpus, build_corpus
from contrapose.encoder.encoder import Encoder
from contrapose.encoder.views import require_dropout
from contrapose.errors import UsageError
from contrapose.evaluate.suite import Evaluation, evaluate
from contrapose.listening import Progress, listener_of
from contrapose.maths.importance import Reduction, Scope, keep_masks
from contrapose.paths import expanded
from contrapose.protocols.masked import ENCODER, scored
from contrapose.pruning.effect import Effect, effects_on_held_out, effects_on_tasks, in_sentence, look
from contrapose.pruning.scoring import ScoringPlan, score_weights, scores_in
from contrapose.pruning.sparse_folder import counts_of, left_alone, write
from contrapose.seeds import derive
from contrapose.selection.criterion import LabelFree
from contrapose.selection.held_out import evaluated_rows, texts_and_probes
from contrapose.selection.label_free import FEWEST_TEXTS
from contrapose.text.catalogue import AUTO, text_parts_for
from contrapose.train.batches import Batches
from contrapose.train.claim import refuse_a_file

#: Rows kept from scoring, to compare before and after on.
HELD_OUT_ROWS = 1_000


@dataclass(frozen=True, kw_only=True)
class Sparsified:
    """What came out. record: all of how it was made, as ``sparsity.json`` holds it."""

    folder: Path
    record: dict[str, Any]
    effects: tuple[Effect, ...]
    verdict: str
    problems: tuple[str, ...] = ()
    rows_quarantined: int = 0

    def to_json(self) -> dict[str, Any]:
        more = {"problems": list(self.problems), "rows_quarantined": self.rows_quarantined}
        return {"folder": str(self.folder), **self.record, **more}


def sparsify(
    model: str | Path,
    corpus: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    rate: float = 0.02,
    data: str | Path | Sequence[str | Path] | None = None,
    tasks: Sequence[str] = ("sts",),
    scope: Scope = "matrix",
    reduction: Reduction = "abs_mean",
    sentences: int = 10_000,
    batch_size: int = 64,
    max_length: int = 32,
    seed: int = 0,
    dropout: float | None = None,
    columns: Sequence[str] | None = None,
    precision: str = "fp32",
    device: torch.device | str = "cpu",
    force: bool = False,
    progress: Progress = None,
) -> Sparsified:
    """Zero the ``rate`` of the weights that contribute least to alignment and uniformity; see maths/importance.py.

    model      minilm, a model's folder or a hub name; its matrices are masked, nothing else of it
    corpus     text to score on: up to ``sentences`` of it, in full batches, one at least. Rows are held out first, to
               compare on.
    out        the folder of the new model; beside it, OUT.scoring holds the scores until it is written
    data       folders of labelled tasks, for the effect on ``tasks``

    A process that was stopped is gone on with by the same call. Raises UsageError before anything is computed, and the
    errors of reading, evaluating and saving.
    """
    listener = listener_of(progress)
    if not 0 < rate < 1:
        raise UsageError(f"--rate {rate:g}: give a share of the weights between 0 and 1, such as 0.02")
    folder = expanded(str(out))
    refuse_a_file(folder)
    if folder.exists() and not force and any(folder.iterdir()):
        raise UsageError(f"{folder} is there already: give another --out, or --force to replace it")
    with scores_in(scoring_folder(out)) as work:
        with listener.task("loading the model"):
            encoder = Encoder.load(str(model), head="none", dropout=dropout).to(device).eval()
        start = encoder.fingerprint()
        with listener.task("reading the corpus", unit="row"):
            text = build_corpus(
                [corpus] if isinstance(corpus, str | Path) else list(corpus),
                work / "corpus",
                columns=columns,
                progress=listener.advance,
            )
        batches, held_out = _batches(text, batch_size, seed)
        if any(part.needs_dropout for part in batches.text_parts):
            require_dropout(encoder)
        held = evaluated_rows(text.take(held_out)) if len(held_out) else {}
        texts, probes = texts_and_probes(held)
        criterion = LabelFree(held, listener) if probes and len(texts) >= FEWEST_TEXTS else None

        def measured() -> Evaluation | None:
            if data is None:
                return None
            return evaluate(encoder, tasks, data, precision=precision, progress=listener)

        before = measured()
        if criterion is not None:
            criterion.begin(encoder, precision)
        seen = look(encoder, texts, precision, seed=seed, listener=listener) if len(texts) > 1 else None
        plan = ScoringPlan(
            num_batches=max(1, min(sentences, len(batches.rows)) // batches.batch_size),
            seed=seed,
            max_length=max_length,
            bf16=precision == "bf16",
            reduction=reduction,
        )
        sums = score_weights(encoder, batches, plan, work, listener)
        masks = keep_masks(scored(sums, scope), rate, scope)
        if not masks:
            raise UsageError(f"'{encoder.name}' has no matrix that alignment and uniformity depend on")
        unreached = [name.removeprefix(ENCODER) for name in sums.weights if name not in masks]
        _hold(encoder, masks)
        after = measured()
        judgement = None
        if criterion is not None:
            judgement = criterion.judge(encoder, precision)
        effects = effects_on_tasks(before.results, after.results) if before and after else []
        if seen is not None:
            now = look(encoder, texts, precision, seed=seed, listener=listener)
            effects += effects_on_held_out(seen, now)
        verdict = in_sentence(effects, judgement)
        record = {
            "rate": rate,
            "scope": scope,
            "reduction": reduction,
            **counts_of(masks),
            "scored_on": {
                "files": [str(name) for name in ([corpus] if isinstance(corpus, str | Path) else corpus)],
                "corpus_fingerprint": text.fingerprint,
                "sentences": plan.num_batches * batches.batch_size,
                "batch_size": batches.batch_size,
                "views": [part.name for part in batches.text_parts],
                "max_length": max_length,
                "seed": seed,
                "precision": precision,
            },
            "left_out": {
                "biases, norms and tables": left_alone(encoder, masks),
                "matrices without a gradient": unreached,
            },
            "start_fingerprint": start,
            "fingerprint": encoder.fingerprint(),
            "verdict": verdict,
            "effects": [effect.to_json() for effect in effects],
        }
        write(encoder, folder, masks, record)
    return Sparsified(
        folder=folder,
        record=record,
        effects=tuple(effects),
        verdict=verdict,
        problems=tuple(f"{each.task}: {each.message}" for each in (before.problems if before else ())),
        rows_quarantined=text.statistics.quarantined,
    )


def scoring_folder(out: str | Path) -> Path:
    """Where the scores for the model ``out`` are kept until it is written."""
    folder = expanded(str(out))
    return folder.with_name(f"{folder.name}.scoring")


def _batches(corpus: Corpus, batch_size: int, seed: int) -> tuple[Batches, Any]:
    """Batches of the rows that are scored on, and the ids of the held-out ones."""
    count = min(HELD_OUT_ROWS, len(corpus) // 10)
    rows, held_out = corpus.split_held_out(count, derive(seed, "held-out") >> 1)
    if len(rows) < 2:
        raise UsageError(f"the corpus has {len(rows)} rows to score on: uniformity needs two sentences")
    parts = tuple(part() for part in text_parts_for(AUTO, corpus.columns))
    size = min(batch_size, len(rows))
    return Batches(corpus, rows, batch_size=size, text_parts=parts, seed=seed, mask_repeats=False), held_out


def _hold(encoder: Encoder, masks: dict[str, Tensor]) -> None:
    weights = dict(encoder.named_parameters())
    with torch.no_grad():
        for name, mask in masks.items():
            weights[name.removeprefix(ENCODER)].masked_fill_(~mask, 0.0)
