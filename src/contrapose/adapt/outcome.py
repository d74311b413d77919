"""What came of an adaptation: one sentence, the tests behind it, and what every signal was worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from contrapose.adapt.proof import Change, Measured
from contrapose.adapt.questions import WORDS

if TYPE_CHECKING:
    from contrapose.adapt.choice import Option
    from contrapose.adapt.stages import Stages
    from contrapose.encoder.encoder import Encoder

BETTER, UNCHANGED = "better", "unchanged"


def outcome_of(stages: Stages) -> dict[str, Any]:
    """All of it as plain data, as adaptation.json holds it."""
    choice, before = stages.choice, stages.before
    taken = choice.taken
    after = None if taken is None else taken.measured
    questions = {
        question.key: _question(question.name, before, after, question.key, choice.tests.get(question.key))
        for question in stages.proof.questions
    }
    return {
        "word": UNCHANGED if taken is None else BETTER,
        "sentence": _sentence(stages, questions),
        "why": choice.why,
        "kinds": stages.kinds,
        "in_topics": stages.in_topics,
        "questions": questions,
        "taken": None if taken is None else _option(taken),
        "options": [
            {**_option(option), "changes": {key: _change(test) for key, test in tests.items()}}
            for option, tests in zip(choice.options, choice.tests_of, strict=True)
        ],
        "trained_again": stages.again,
        "steps": {each.name: each.steps for each in stages.planned},
        "left_out": stages.reasons,
        "notices": stages.notices,
        "malformed": stages.malformed,
        "model": stages.settings.model,
        "minutes": stages.settings.minutes,
        "seconds": round(stages.elapsed, 1),
        "precision": stages.precision,
    }


def card_of(encoder: Encoder, outcome: Mapping[str, Any]) -> str:
    """The model card."""
    from contrapose.encoder.card import model_card

    taken = outcome["taken"]
    return model_card(
        encoder,
        method="contrapose adapt",
        hyperparameters={
            "started from": outcome["model"],
            **({} if taken is None else {"signals": ", ".join(taken["signals"]), "share": taken["share"]}),
        },
        data={kind: f"{facts['rows']:,} rows" for kind, facts in outcome["kinds"].items()},
        outcome=outcome["sentence"],
        unchanged=taken is None,
    )


def _sentence(stages: Stages, questions: Mapping[str, Mapping[str, Any]]) -> str:
    """Better, and by how much on what; or unchanged, and why."""
    choice = stages.choice
    if choice.taken is None:
        return f"Unchanged: {choice.why}. The model is {stages.settings.model} as it was."
    clear = [facts for facts in questions.values() if facts["low"] is not None and facts["low"] > 0]
    said = " and ".join(
        f"{facts['rises']} ({facts['measure']} {facts['before']:.3f} to {facts['after']:.3f}; "
        f"{'change' if facts['tested'] == facts['measure'] else facts['tested']} {facts['difference']:+.3f} "
        f"[{facts['low']:+.3f}, {facts['high']:+.3f}] on {facts['rows']} held-out texts)"
        for facts in clear
    )
    return f"Better: {said}."


def _question(
    name: str, before: Measured, after: Measured | None, key: str, test: Change | None
) -> dict[str, Any]:
    measure, tested, rises = WORDS[name]
    return {
        "measure": measure,
        "tested": tested or measure,
        "rises": f"{rises} better",
        "rows": len(before.scores[key]),
        "before": _rounded(before.shown[key]),
        "after": None if after is None else _rounded(after.shown[key]),
        "hybrid_before": _rounded(before.shown_hybrid.get(key)),
        "hybrid_after": None if after is None else _rounded(after.shown_hybrid.get(key)),
        **_change(test),
    }


def _rounded(value: float | np.floating[Any] | None) -> float | None:
    return None if value is None else round(float(value), 5)


def _option(option: Option) -> dict[str, Any]:
    return {
        "signals": list(option.names),
        "share": option.share,
        **({"power": option.power} if option.power else {}),
        "gain": round(option.gain, 5),
        "kept": round(option.kept, 4),
    }


def _change(test: Change | None) -> dict[str, float | None]:
    return {name: _rounded(getattr(test, name, None)) for name in ("difference", "low", "high")}
