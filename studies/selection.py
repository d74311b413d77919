"""selection: can it be told without labels whether training helped, and how much of it to take?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from contrapose.errors import UsageError
from contrapose.selection.label_free import DIFFUSE, HARMS, HELPS, MARGIN, UNCLEAR
from studies import selection_verdicts as verdicts
from studies.runs import Planned, Setup
from studies.study import AllRows, Findings, Marks, Panel, Study, TrialRow


def plan(setup: Setup) -> list[Planned]:
    """Every recipe on every domain; the data folder is the one of --data that holds ``corpora`` and ``senteval``."""
    from studies.selection_measures import Domains

    for folder in map(Path, setup.data):
        if (folder / "corpora").is_dir() and (folder / "senteval").is_dir():
            domains = Domains(folder, setup.model)
            return [Planned(trial=trial, measure=domains.measure) for trial in domains.trials()]
    raise UsageError(
        "the study 'selection' needs labelled domains: give --data a folder that holds corpora/ and senteval/"
    )


def answer(rows: Sequence[TrialRow], studies: AllRows) -> Findings:
    """How each criterion ranks encoders within a domain, then the verdicts and what blending does."""
    cases = verdicts.cases_of(rows)
    domains = list(dict.fromkeys(case.domain for case in cases))
    table = []
    for name, by_domain in verdicts.rank_correlations(cases).items():
        mean = f"{np.mean(list(by_domain.values())):+.2f}" if by_domain else "-"
        cells = [f"{by_domain[domain]:+.2f}" if domain in by_domain else "-" for domain in domains]
        table.append((name, mean, *cells))
    words = [
        f"The table holds the rank correlation of each criterion with the change on the labelled task, over the "
        f"{len(cases)} encoders ({len(cases) // 2} runs, each whole and half way to the pretrained model), within each "
        "domain.",
        *_topics(cases),
        *_verdicts(cases),
        *_policies(cases),
    ]
    return Findings(words=tuple(words), header=("criterion", "mean", *domains), table=tuple(table))


def _topics(cases: Sequence[verdicts.Case]) -> list[str]:
    """What the pretrained model tells before anything is trained."""
    by_domain = {case.domain: case.topics for case in cases}
    mildest = {
        case.domain: case.points for case in cases if case.share == "1" and case.recipe == "dropout 2e-5"
    }
    listed = "; ".join(
        f"{domain} {topics:.2f} ({mildest[domain]:+.1f})"
        for domain, topics in sorted(by_domain.items(), key=lambda item: item[1])
        if domain in mildest
    )
    return [
        "How far texts come in topics, by the neighbours that the pretrained model gives them, and in brackets what 48 "
        f"mild steps of dropout views change on the labelled task, in points: {listed}."
    ]


def _verdicts(cases: Sequence[verdicts.Case]) -> list[str]:
    truths = Counter(case.truth for case in cases if case.share == "1")
    judged = [pair for pair in verdicts.left_out(cases) if pair[0].share == "1"]
    right = sum(word == case.truth for case, word in judged)
    opposite = sum({case.truth, word} == {HELPS, HARMS} for case, word in judged)
    each = ", ".join(
        f"'{word}' {hit} of {count}" for word, (hit, count) in verdicts.reliability(judged).items()
    )
    named = sum(word == HARMS for case, word in judged if case.truth == HARMS)
    ends = verdicts.delivered(cases)
    trained = [(case, word) for case, word in ends if case is not None]
    held, unchanged = sum(word == case.truth for case, word in trained), len(ends) - len(trained)
    diffuse, margin = verdicts.fitted(cases)
    return [
        "The verdict on the model that a run hands out (--blend auto) is right in "
        f"{_share(held + unchanged, len(ends))}, each judged with constants that were fitted on the other domains. In "
        f"{unchanged} of these runs the pretrained model itself was handed out, which is right of necessity; of the "
        f"others, {held} of {len(trained)}.",
        f"The verdict on all that was trained (--blend 1), likewise: right in {_share(right, len(judged))}; by what it "
        f"said: {each}. It said the opposite of the truth in {opposite}, and named {named} of the {truths[HARMS]} "
        f"harmful runs. By the labels, {truths[HELPS]} runs helped, {truths[HARMS]} harmed, {truths[UNCLEAR]} changed "
        "nothing clearly.",
        "Without titles the verdict never says 'helps': nothing told the two domains of diffuse short texts apart "
        "(sts, where training helped, and twitter-url, where it did not clearly). The form of the rule was chosen "
        "having seen all domains; only its constants are fitted without the one that is judged.",
        f"Fitted on all domains: topics above {diffuse:.2f}, fall of the margin beyond {margin:.4f}; the product uses "
        f"{DIFFUSE:.2f} and {MARGIN:.3f}.",
    ]


def _share(right: int, runs: int) -> str:
    return f"{right} of {runs} runs ({right / max(1, runs):.0%})"


def _policies(cases: Sequence[verdicts.Case]) -> list[str]:
    policies = verdicts.policies(cases)
    listed = "; ".join(
        f"{name}: mean {np.mean(values):+.2f}, worst {min(values):+.2f}" for name, values in policies.items()
    )
    kept, harmful, helpful = verdicts.kept_pretrained(cases)
    return [
        f"What is gained in points of the labelled task, over all runs, by taking {listed}. Auto chooses with "
        "constants that were fitted on the other domains, here and below.",
        f"Auto kept the pretrained model in {kept} runs; in {harmful} of them training had harmed, in {helpful} it had "
        "helped.",
    ]


def figure(rows: Sequence[TrialRow], studies: AllRows) -> list[Panel]:
    """Left: the expected gain against the labelled change; right: what each way of choosing gives."""
    cases = verdicts.cases_of(rows)
    domains = dict.fromkeys(case.domain for case in cases)
    expected = [
        Marks(domain, [(verdicts.gain_of(case), case.points) for case in cases if case.domain == domain])
        for domain in domains
    ]
    policies = verdicts.policies(cases)
    outcomes = [Marks(name, [(value, at) for value in policies[name]]) for at, name in enumerate(policies)]
    change = "change on the labelled task, points (linear up to 1)"
    return [
        Panel(x="expected gain, without labels", y=change, marks=expected, y_scale="symlog", line=0.0),
        Panel(x=change, y="", marks=outcomes, y_names=list(policies), x_scale="symlog", line=0.0),
    ]


STUDY = Study(
    name="selection",
    question="Can it be told without labels whether training helped, and how much of it to take?",
    plan=plan,
    answer=answer,
    figure=figure,
    corpora="",
    data=("DATA",),
)
