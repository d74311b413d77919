"""The sections about the user's own text: cosines, the map, neighbours, suspected false negatives; and trials."""

from __future__ import annotations

from collections.abc import Callable

from contrapose.installing import install_command
from contrapose.report import charts, trial_charts
from contrapose.report.how_to_read import HOW, how
from contrapose.report.neighbours import MOST_CHANGES
from contrapose.report.record import NeighbourChange, OwnText, Report, RunFacts, Suspect, TrialsFolder
from contrapose.report.svg import esc
from contrapose.report.wording import METRICS, over_seeds, sample_size, score, seeds_of


def _per_run(report: Report, name: str, body: Callable[[OwnText, RunFacts], str]) -> str:
    """One part per run with a text; the parts of all runs but the first are folded away."""
    parts = [(run, body(run.own, run)) for run in report.runs if run.own is not None]
    parts = [(run, part) for run, part in parts if part]
    if not parts:
        return ""
    alone = len(report.runs) == 1
    told = "".join(
        part if alone else _folded(run, part, opened=number == 0) for number, (run, part) in enumerate(parts)
    )
    return f'<p class="how">{how(name, report.runs)}</p>{told}'


def _folded(run: RunFacts, part: str, *, opened: bool) -> str:
    return (
        f"<details{' open' if opened else ''}><summary><bdi>{esc(run.name)}</bdi></summary>{part}</details>"
    )


def cosines(report: Report) -> str:
    return _per_run(report, "cosines", _cosines)


def _cosines(own: OwnText, run: RunFacts) -> str:
    top = max((max(each.shares) for each in (*own.before, *own.after)), default=1.0)
    panels = charts.cosine_histogram(own.before, own.edges, "before", top) if own.before else ""
    panels += charts.cosine_histogram(own.after, own.edges, _after(run), top)
    positives = (
        f"Positives: {esc(own.positives)}."
        if own.positives
        else "Too few of these rows hold two parts that belong together, so there are no positives here."
    )
    return (
        f'{charts.cosine_key(own.after)}<div class="panels">{panels}</div>'
        f'<p class="source">{esc(sample_size(own))}. {positives} Random negatives: two rows by chance. '
        "Hardest negatives: for each row the nearest one that is not its own.</p>"
    )


def _after(run: RunFacts) -> str:
    """What the picture of the model is called."""
    return "the model, its start" if run.pretrained_kept else "after"


def sentence_map(report: Report) -> str:
    return _per_run(report, "map", _map)


def _map(own: OwnText, run: RunFacts) -> str:
    pictures = ""
    for plane in own.planes:
        panels = ""
        if plane.before is not None:
            label = f"{plane.method} of {len(own.texts)} sentences with the start model"
            panels += charts.sentence_map(own, plane.before, f"{plane.method}, before", label)
        whose = "with the model" if run.pretrained_kept else "after training"
        label = f"{plane.method} of {len(own.texts)} sentences {whose}"
        panels += charts.sentence_map(own, plane.after, f"{plane.method}, {_after(run)}", label)
        pictures += f'<div class="panels">{panels}</div><p class="source">{esc(plane.method)}: {esc(plane.about)}.</p>'
    if pictures and len(own.planes) == 1:
        line = esc(install_command("report", anywhere=True))
        pictures += f'<p class="source">A picture by t-SNE as well: <code>{line}</code></p>'
    both = any(plane.before is not None for plane in own.planes)
    turned = " After is turned onto before, which changes no distance." if both else ""
    return (
        f'<div class="seen">{_filter("Light up sentences that hold", "map")}{charts.group_key(own)}{pictures}'
        f'<p class="source">{esc(sample_size(own))}.{turned}</p>'
        f"{_texts(own)}</div>"
    )


def _texts(own: OwnText) -> str:
    """The sentences once, for the marks to name by number."""
    items = "".join(f"<li>{esc(text)}</li>" for text in own.texts)
    return f'<ol class="texts" hidden>{items}</ol>'


def _filter(label: str, what: str) -> str:
    return (
        f'<div class="filter" data-filter="{what}"><label>{esc(label)} '
        '<input type="search" autocomplete="off" spellcheck="false" placeholder="a word"></label>'
        '<output aria-live="polite"></output></div>'
    )


def neighbours(report: Report) -> str:
    return _per_run(report, "neighbours", _neighbours)


def _neighbours(own: OwnText, run: RunFacts) -> str:
    if own.kept_share is None:
        return ""
    rows = "".join(_change(own, change) for change in own.changes)
    told = (
        f"<p><b>{100 * own.kept_share:.0f}%</b> of the {own.neighbours} nearest neighbours stayed the same. "
        f"{_shown(own)}</p>"
    )
    return (
        f'<div class="list">{told}{_filter("Show sentences that hold", "rows") if rows else ""}'
        f'<div class="rows">{rows}</div><p class="source">{esc(sample_size(own))}.</p></div>'
    )


def _shown(own: OwnText) -> str:
    count = len(own.changes)
    if count < MOST_CHANGES:
        return f"{count} sentence{'' if count == 1 else 's'} changed company." if count else ""
    return f"Shown are the {count} most changed sentences."


def _change(own: OwnText, change: NeighbourChange) -> str:
    columns = "".join(
        f'<div class="{kind}"><h4>{sign} {kind} <span>{len(numbers)}</span></h4><ul>'
        + "".join(f'<li dir="auto"><bdi>{esc(own.texts[number])}</bdi></li>' for number in numbers)
        + "</ul></div>"
        for kind, sign, numbers in (("gained", "+", change.gained), ("lost", "−", change.lost))
    )
    kept = f"<small>{len(change.kept)} of {own.neighbours} kept</small>"
    return (
        f'<article class="row"><h3 dir="auto"><bdi>{esc(own.texts[change.text])}</bdi>{kept}</h3>'
        f'<div class="sides">{columns}</div></article>'
    )


def suspects(report: Report) -> str:
    return _per_run(report, "suspects", _suspects)


def _suspects(own: OwnText, run: RunFacts) -> str:
    if not own.suspects:
        return ""
    rows = "".join(_suspect(own, suspect) for suspect in own.suspects)
    return (
        f'<div class="list">{_filter("Show pairs that hold", "rows")}<div class="rows">{rows}</div>'
        f'<p class="source">The {len(own.suspects)} nearest pairs of {esc(sample_size(own))}. '
        "“Nearer than” compares with the true pairs of the section on cosines.</p></div>"
    )


def _suspect(own: OwnText, suspect: Suspect) -> str:
    moved = f" (before {suspect.before:.2f})" if suspect.before is not None else ""
    nearer = (
        f" · nearer than {100 * suspect.nearer_than:.0f}% of the true pairs"
        if suspect.nearer_than is not None
        else ""
    )
    shared = (
        f" · both say: <bdi>{esc(', '.join(suspect.shared))}</bdi>"
        if suspect.shared
        else " · no word in common"
    )
    pair = "".join(
        f'<li dir="auto"><bdi>{esc(own.texts[number])}</bdi></li>'
        for number in (suspect.first, suspect.second)
    )
    return (
        f'<article class="row"><p class="near"><b>{suspect.after:.2f}</b>{moved}{nearer}{shared}</p>'
        f'<ul class="pair">{pair}</ul></article>'
    )


def trials(report: Report) -> str:
    """One part per folder of trials: pictures where numbers were varied, else the table."""
    return "".join(_trials(each) for each in report.trials)


def _trials(found: TrialsFolder) -> str:
    drawn = [trial_charts.drawing(found, task) for task in found.tasks]
    kinds = list(dict.fromkeys(kind for kind, _ in drawn))
    reading = "".join(f'<p class="how">{HOW[kind]}{_about_marks(found, kind)}</p>' for kind in kinds)
    others = found.varied[2:] if len(found.numeric) >= 2 else ()
    if others:
        reading += f'<p class="how">Each field is also the mean over {esc(", ".join(others))}.</p>'
    pictures = "".join(picture for _, picture in drawn)
    notes = "".join(f"<li>{esc(note)}</li>" for note in found.notes)
    table = _trial_table(found)
    said = "".join(f"<li><bdi>{esc(line)}</bdi></li>" for line in found.said)
    return (
        f"<h3><bdi>{esc(found.name)}</bdi></h3><p>{esc(over_seeds(found))}.</p>"
        + (f'<ul class="said">{said}</ul>' if said else "")
        + reading
        + (f'<ul class="notes">{notes}</ul>' if notes else "")
        + (f'<div class="panels">{pictures}</div>' if pictures else "")
        + (f"<details><summary>All numbers</summary>{table}</details>" if pictures else table)
    )


def _about_marks(found: TrialsFolder, kind: str) -> str:
    if f"{kind}, region" not in HOW:
        return ""
    return f" {HOW[f'{kind}, region' if found.region else 'no region']}"


def _trial_table(found: TrialsFolder) -> str:
    names = list(
        dict.fromkeys(str(sorted(cell.factors.items(), key=str)) for t in found.tasks for cell in t.cells)
    )
    by_name = {
        (str(sorted(cell.factors.items(), key=str)), number): cell
        for number, task in enumerate(found.tasks)
        for cell in task.cells
    }
    first = {name: next(cell for (key, _), cell in by_name.items() if key == name) for name in names}
    heads = "".join(f'<th scope="col">{esc(name)}</th>' for name in found.varied)
    heads += "".join(
        f'<th scope="col" class="num"><bdi>{esc(task.task)}</bdi>'
        f"<small>{esc(METRICS.get(task.metric, task.metric))}</small></th>"
        for task in found.tasks
    )
    rows = ""
    for name in names:
        cells = "".join(
            f"<td><bdi>{esc(first[name].factors.get(factor))}</bdi></td>" for factor in found.varied
        )
        for number, task in enumerate(found.tasks):
            cell = by_name.get((name, number))
            told = "–"
            if cell is not None:
                spread = f" ± {score(cell.deviation, task.protocol)}" if cell.deviation is not None else ""
                told = f"{score(cell.mean, task.protocol)}{spread}<small>{seeds_of(cell)}</small>"
            cells += f'<td class="num">{told}</td>'
        rows += f"<tr>{cells}</tr>"
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="All trials"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )
