"""The training loop. Read it from top to bottom: it is all there is.

    for each step:  take the batch of that number -> loss and gradients -> finite? -> optimizer -> parts remember
    where due:      save, and show the whole corpus to the parts that ask for it, gradients to the protocol that does
    now and then:   look at the encoder, keep the best, save a checkpoint, stop where asked

Batches, dropout masks and mixtures are pure functions of (seed, step), so going on from a checkpoint gives the bits of
a run that was never stopped.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch

from contrapose.errors import Interrupted
from contrapose.selection.criterion import is_better
from contrapose.train.attention import attention_in_training
from contrapose.train.gradients import clear_gradients
from contrapose.train.guard import CollapseAlarm, SkipCounter, what_is_not_finite
from contrapose.train.inspecting import inspect
from contrapose.train.modules import put_back, running_statistics, trainable
from contrapose.train.optimizer import (
    clip,
    gradient_norm,
    learning_rate,
    set_learning_rate,
)
from contrapose.train.prefetcher import Prefetcher
from contrapose.train.refreshing import refresh
from contrapose.train.saving import save, save_once
from contrapose.train.session import Session
from contrapose.train.signals import StopRequest
from contrapose.train.step import Computed, TokenizedBatch
from contrapose.train.track import numbers


def run(session: Session) -> None:
    """Train from where the session stands to its last step, to early stopping, or to a request to stop."""
    progress = session.progress
    session.listener.started(progress.step, session.num_steps, session.facts)
    if progress.step == 0:
        _evaluate(session)
    _set_mode(session)
    with StopRequest(session.listener.stopping) as stop, Prefetcher(session) as prefetcher:
        while progress.step < session.num_steps and not progress.stopped_early:
            if session.refreshes_at(progress.step):
                save_once(session)
                refresh(session)
            if session.protocol.inspects_at(progress.step):
                save_once(session)
                inspect(session)
            _one_step(session, prefetcher.batch_of(progress.step))
            with torch.no_grad():
                session.protocol.settle(progress.step - 1, trainable(session.modules))
            last = progress.step == session.num_steps
            must_stop = session.processes.any(stop.received is not None, session.encoder.device)
            improved = False
            if last or progress.step % session.eval_every == 0:
                improved = _evaluate(session)
                _set_mode(session)
            if improved or last or must_stop or progress.step % session.settings.saving.save_every == 0:
                save(session)
            if must_stop and not last:
                raise Interrupted(
                    f"stopped after step {progress.step} of {session.num_steps}, and saved. "
                    "Continue with the same command and --resume.",
                    exit_code=stop.exit_code,
                )


def _one_step(session: Session, tokenized: TokenizedBatch) -> None:
    """One step: gradients, the finite check, the optimizer, the log."""
    progress, training = session.progress, session.settings.training
    began = time.perf_counter()
    rate = learning_rate(session.protocol.rate_step(progress.step), session.num_steps, training)
    clear_gradients(session.modules, session.encoder.backbone)
    parameters = trainable(session.modules)
    if session.protocol.restarts_optimizer_at(progress.step):
        session.optimizer.state.clear()
    if session.plan.companions is not None and session.protocol.renews_copies_at(progress.step):
        session.plan.companions.renew(session.encoder)
    with torch.no_grad():
        session.protocol.before(progress.step, parameters)
    statistics = [buffer.clone() for buffer in running_statistics(session.modules)]
    result = session.forward_backward(session.encoder, session.objective, tokenized, session.plan)
    with torch.no_grad():
        session.protocol.after_backward(progress.step, parameters)
    grad_norm = gradient_norm(parameters.values())
    problem = what_is_not_finite(result, grad_norm, parameters.items())
    progress.step += 1
    row = _row(result, tokenized.batch.statistics, progress.step, rate, grad_norm, problem)
    if problem:
        put_back(session.modules, statistics)
        _log(session, row, began)
        _skip(session, problem)
        return
    clip(parameters.values(), training.max_grad_norm, grad_norm)
    set_learning_rate(session.optimizer, rate)
    session.optimizer.step()
    session.objective.observe(result.views)
    if session.plan.companions is not None:
        session.plan.companions.follow(session.encoder)
    with torch.no_grad():
        session.protocol.after(progress.step - 1, parameters)
    progress.skipped_in_a_row = 0
    _watch_for_collapse(session, row)
    _log(session, row, began)


def _row(
    result: Computed,
    of_texts: Mapping[str, float],
    step: int,
    rate: float,
    grad_norm: torch.Tensor,
    problem: str,
) -> dict[str, Any]:
    terms = (
        {f"loss_{name}": term for name, term in result.loss.terms.items()}
        if len(result.loss.terms) > 1
        else {}
    )
    measured = numbers({"loss": result.loss.total, **terms, "grad_norm": grad_norm, **result.loss.stats})
    row: dict[str, Any] = {
        "step": step,
        "loss": measured.pop("loss"),
        "learning_rate": rate,
        **measured,
        **of_texts,
    }
    return {**row, "skipped": problem} if problem else row


def _skip(session: Session, problem: str) -> None:
    """Nothing was learnt or remembered from this step; say so, and give up after too many in a row."""
    progress = session.progress
    session.listener.notice(f"step {progress.step} was skipped: {problem}")
    counter = SkipCounter(
        session.settings.training.max_skipped, progress.skipped_in_a_row, progress.skipped_total
    )
    try:
        counter.skipped(progress.step, problem)
    finally:
        progress.skipped_in_a_row, progress.skipped_total = counter.in_a_row, counter.total


def _watch_for_collapse(session: Session, row: dict[str, Any]) -> None:
    progress = session.progress
    alarm = CollapseAlarm(progress.collapsed_in_a_row, progress.collapse_told)
    if words := alarm.look(progress.step, row):
        session.listener.notice(words)
        row["alarm"] = "collapse"
    progress.collapsed_in_a_row, progress.collapse_told = alarm.in_a_row, alarm.rung


def _log(session: Session, row: dict[str, Any], began: float) -> None:
    seconds = time.perf_counter() - began
    if session.processes.is_first:
        session.metrics.write(row)
    session.timings.stepped(row["step"], seconds)
    session.listener.stepped(row["step"], {**row, "seconds": seconds})


def _evaluate(session: Session) -> bool:
    """Look at the encoder; True where it is a new best. Every process measures, and all decide by the first's score."""
    progress, monitor = session.progress, session.monitor
    if monitor is None:
        return False
    with session.encoder.in_mode(training=False), session.timings.timed("looking", progress.step):
        scores = monitor.measure(session.encoder, session.precision)
    scores = {**scores, "score": session.processes.of_first(scores["score"], session.encoder.device)}
    if progress.step == 0:
        progress.start_score = scores["score"]
    counts = progress.step > 0 and session.protocol.may_export()
    improved = counts and is_better(scores, progress.best_score)
    if improved:
        progress.best_step, progress.best_score = progress.step, scores["score"]
        progress.evaluations_since_best = 0
    elif counts:
        progress.evaluations_since_best += 1
    patience = session.settings.selection.patience
    progress.stopped_early = patience is not None and progress.evaluations_since_best >= patience
    if session.processes.is_first:
        session.metrics.write({"step": progress.step, "criterion": monitor.name, "evaluation": scores})
    session.listener.evaluated(progress.step, scores, improved)
    return improved or progress.stopped_early


def _set_mode(session: Session) -> None:
    """Training mode, with the attention that is fastest in it."""
    session.encoder.train()
    session.objective.train()
    attention = attention_in_training(session.encoder, bf16=session.precision == "bf16")
    session.encoder.use_attention(attention)
