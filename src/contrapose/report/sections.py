"""The sections of the page about runs: summary, scores, training, geometry; "" where there is nothing to show."""

from __future__ import annotations

from collections.abc import Sequence

from contrapose.report import charts
from contrapose.report.how_to_read import HOW, all_unchanged, how
from contrapose.report.panels import PANELS, plain_panel
from contrapose.report.record import BeforeAfter, Report, RunFacts
from contrapose.report.svg import esc
from contrapose.report.wording import (
    changed,
    measured,
    row_name,
    sentence,
    told,
    unblended,
)
from contrapose.selection.reported import SIGNS, TONES

_BOLD = ' class="against"'


def summary(report: Report) -> str:
    """A card per run: the verdict in words, what to do, and what the run was."""
    return "".join(_card(run, place, alone=len(report.runs) == 1) for place, run in enumerate(report.runs))


def _card(run: RunFacts, place: int, *, alone: bool) -> str:
    verdict = run.verdict
    name = "" if alone else f'<p class="run {charts.run_class(place)}"><bdi>{esc(run.name)}</bdi></p>'
    advice = (
        f'<p class="advice"><b>What to do.</b> <bdi>{esc(verdict.advice)}</bdi></p>' if verdict.advice else ""
    )
    source = f'<p class="source">Based on {esc(verdict.source)}.</p>' if verdict.source else ""
    facts = "".join(
        f"<div><dt>{esc(key)}</dt><dd><bdi>{esc(value)}</bdi></dd></div>" for key, value in told(run)
    )
    notes = "".join(f"<li><bdi>{esc(note)}</bdi></li>" for note in run.notes)
    return (
        f'<article class="card {TONES.get(verdict.word, "calm")}">{name}'
        f'<p class="verdict"><span aria-hidden="true">{SIGNS.get(verdict.word, "●")}</span> '
        f"<bdi>{esc(verdict.word.capitalize())}</bdi></p>"
        + "".join(
            f"<p{_BOLD if part == verdict.against else ''}><bdi>{esc(part)}</bdi></p>"
            for part in verdict.what_happened
        )
        + advice
        + "".join(f"<p><bdi>{esc(part)}</bdi></p>" for part in [*verdict.grounds, sentence(run)])
        + source
        + (f'<ul class="notes">{notes}</ul>' if notes else "")
        + f'<details{" open" if alone else ""}><summary>The run</summary><dl class="facts">{facts}</dl></details>'
        + "</article>"
    )


def scores(report: Report) -> str:
    """One table per start model, the runs beside each other, then the differences as pictures."""
    runs = list(enumerate(report.runs))
    starts = dict.fromkeys(run.start_fingerprint for run in report.runs)
    tables = "".join(
        _table([(place, run) for place, run in runs if run.start_fingerprint == start], len(starts) > 1)
        for start in starts
    )
    commands = dict.fromkeys(command for run in report.runs for command in run.commands)
    missing = ""
    if commands:
        sides = "the model" if all_unchanged(report.runs) else "both sides"
        lines = "\n".join(esc(command) for command in commands)
        missing = (
            f"<p>Numbers here come only from the ledger, and it does not hold {sides} yet. Evaluate, then make the "
            f'report again:</p><pre>{lines}</pre><p class="source">{HOW["evaluate"]}</p>'
        )
    reach = charts.reach_of([run.scores for run in report.runs])
    forests = "".join(charts.forest(run.scores, place, run.name, reach) for place, run in runs)
    pictures = f'<p class="how">{HOW["forest"]}</p><div class="panels">{forests}</div>' if forests else ""
    if not tables and not missing:
        return ""
    corrected = (
        f'<p class="how">In words: 95% intervals of the paired bootstrap; p-values by letting the models change '
        f"places, corrected after Holm for the {report.comparisons} differences of this report.</p>"
        if report.comparisons
        else ""
    )
    return (
        (f'<p class="how">{how("scores", report.runs)}</p>{tables}{corrected}' if tables else "")
        + missing
        + pictures
    )


def _table(runs: Sequence[tuple[int, RunFacts]], named: bool) -> str:
    """Labelled tasks with their differences; then the geometry, of which there are none."""
    keys: dict[tuple[str, ...], dict[int, BeforeAfter]] = {}
    kept = [run.name for _, run in runs if run.pretrained_kept]
    for place, run in runs:
        for score in run.scores:
            key = (score.task, score.metric, score.protocol, score.split)
            keys.setdefault(key, {})[place] = score
    if not keys:
        return ""
    paired = {key: found for key, found in keys.items() if key[2] != "geometry"}
    spread = {key: found for key, found in keys.items() if key[2] == "geometry"}
    start = runs[0][1].start_model
    caption = f"Start model {start}" if named else ""
    drawn = _grid(runs, paired, caption, differences=True) + _grid(
        runs, spread, caption or "How the space is laid out", differences=False
    )
    sides = {
        side for found in keys.values() for score in found.values() for side in (score.before, score.after)
    }
    entries = sorted({side.entry for side in sides if side is not None})
    told = f'<p class="source">The model of <bdi>{esc(", ".join(kept))}</bdi> is this start, unchanged.</p>'
    return (
        f'{drawn}{told if kept else ""}<p class="source">From the ledger, entries {esc(", ".join(entries))}: '
        "<code>contrapose runs show ID</code> prints one whole.</p>"
    )


def _grid(
    runs: Sequence[tuple[int, RunFacts]],
    keys: dict[tuple[str, ...], dict[int, BeforeAfter]],
    caption: str,
    *,
    differences: bool,
) -> str:
    if not keys:
        return ""
    start, runs = runs[0][1].start_model, [(place, run) for place, run in runs if not run.pretrained_kept]
    heads = "".join(
        f'<th scope="col" class="num">after<span class="run {charts.run_class(place)}">'
        f"<bdi>{esc(run.name)}</bdi></span></th>"
        + ('<th scope="col" class="num">difference</th>' if differences else "")
        for place, run in runs
    )
    places = [place for place, _ in runs]
    rows = "".join(_row(key, found, places, differences=differences) for key, found in keys.items())
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Scores"><table>'
        + (f"<caption><bdi>{esc(caption)}</bdi></caption>" if caption else "")
        + "<thead><tr>"
        f'<th scope="col">{"task" if differences else "number"}</th>'
        f'<th scope="col" class="num">{"before" if runs else "score"}'
        f'<span class="run none"><bdi>{esc(start)}</bdi></span></th>'
        f"{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _row(
    key: tuple[str, ...], found: dict[int, BeforeAfter], places: Sequence[int], *, differences: bool
) -> str:
    task, metric, protocol, split = key
    before = next((score.before for score in found.values() if score.before), None)
    cells = "".join(_after(found.get(place), differences=differences) for place in places)
    rows = next((side.rows for s in found.values() for side in (s.after, s.before) if side), 0)
    title, small = row_name(task, metric, protocol)
    return (
        f'<tr><th scope="row"><bdi>{esc(title)}</bdi><small><bdi>{esc(small)}</bdi><br>'
        f"{esc(protocol)}, {esc(split)}, {rows:,} rows</small></th>"
        f"{_number(*measured(before, protocol))}{cells}</tr>"
    )


def _after(score: BeforeAfter | None, *, differences: bool) -> str:
    """The cells of one run: the number after, and the difference with what it says."""
    if not differences:
        return _number(*measured(score.after if score else None, "geometry"))
    if score is None:
        return '<td class="num">–</td><td class="num calm">not evaluated</td>'
    value, interval, words = changed(score.difference)
    after = _number(*measured(score.after, score.protocol))
    if not words:
        return f'{after}<td class="num calm"><small>{_why_no_difference(score)}</small></td>'
    tone, sign = {"better": ("good", "▲"), "worse": ("bad", "▼")}.get(words, ("calm", "●"))
    return (
        f'{after}<td class="num {tone}"><b>{value}</b><small>{interval}</small>'
        f'<span class="words">{sign} {esc(words)}</span></td>'
    )


def _why_no_difference(score: BeforeAfter) -> str:
    if score.before is None or score.after is None:
        return "one side missing"
    return "the same model" if score.before.entry == score.after.entry else "not paired"


def _number(value: str, interval: str) -> str:
    return f'<td class="num">{value or "–"}<small>{interval}</small></td>'


def training(report: Report) -> str:
    """Curves of all runs in small panels; what is less often asked for is folded away."""
    runs = [(run.name, {curve.name: curve for curve in run.curves}) for run in report.runs]
    main = "".join(charts.curves(panel, runs) for panel in PANELS)
    shown = {name for panel in PANELS for name in panel.names}
    others = dict.fromkeys(name for _, found in runs for name in found if name not in shown)
    more = "".join(charts.curves(plain_panel(name), runs) for name in others)
    if not main and not more:
        return ""
    lost = [
        f"{name}: {curve.name.replace('_', ' ')} was not finite at {curve.not_finite} steps"
        for name, found in runs
        for curve in found.values()
        if curve.not_finite
    ]
    notes = f'<ul class="notes">{"".join(f"<li>{esc(note)}</li>" for note in lost)}</ul>' if lost else ""
    folded = (
        f'<details><summary>{len(others)} more statistics</summary><div class="panels">{more}</div></details>'
        if more
        else ""
    )
    return (
        f'<p class="how">{HOW["curves"]}</p>{_unblended(report)}{charts.run_key([name for name, _ in runs])}{notes}'
        f'<div class="panels">{main}</div>{folded}'
    )


def _unblended(report: Report) -> str:
    return "".join(
        f'<p class="source"><bdi>{esc(told)}</bdi></p>' for run in report.runs if (told := unblended(run))
    )


def geometry(report: Report) -> str:
    """The plane with the paths of all runs."""
    drawn = charts.plane(report.runs)
    names = [run.name for run in report.runs]
    return (
        f'<p class="how">{HOW["plane"]}</p>{_unblended(report)}{charts.run_key(names)}<div class="single">{drawn}</div>'
        if drawn
        else ""
    )
