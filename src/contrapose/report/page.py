"""The page: one HTML file that opens offline. Style and script are inside it, and nothing else may run or be fetched.

The content security policy allows exactly this style and this script, by their hashes, so that even a text that broke
out of its escaping could neither run nor send anything.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from contrapose.outputs import MARKS
from contrapose.report import sections, text_sections
from contrapose.report.how_to_read import all_unchanged
from contrapose.report.record import Report
from contrapose.report.svg import esc

#: (id, heading, what builds it); a section with nothing to show is left out, its link too.
SECTIONS = (
    ("summary", "In short", sections.summary),
    ("scores", "Before and after", sections.scores),
    ("training", "Training", sections.training),
    ("geometry", "Alignment and uniformity", sections.geometry),
    ("cosines", "Cosines on your text", text_sections.cosines),
    ("map", "Your sentences on a map", text_sections.sentence_map),
    ("neighbours", "Neighbours gained and lost", text_sections.neighbours),
    ("suspects", "Negatives that may be none", text_sections.suspects),
    ("trials", "Sweeps and comparisons", text_sections.trials),
)

#: Headings that differ where every model is its start.
HEADINGS_OF_ONE = {"scores": "Scores", "training": "What was tried"}


def render(report: Report) -> str:
    """The whole file."""
    style, script = _part("style.css"), _part("script.js")
    policy = (
        f"default-src 'none'; style-src 'sha256-{_digest(style)}'; script-src 'sha256-{_digest(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    headings = HEADINGS_OF_ONE if all_unchanged(report.runs) else {}
    built = [(name, headings.get(name, heading), build(report)) for name, heading, build in SECTIONS]
    shown = [(name, heading, body) for name, heading, body in built if body]
    links = "".join(f'<a href="#{name}">{heading}</a>' for name, heading, _ in shown)
    body = "".join(
        f'<section id="{name}" aria-labelledby="{name}-h"><h2 id="{name}-h">{heading}</h2>{inner}</section>'
        for name, heading, inner in shown
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f'{MARKS["html"]}{esc(report.version)}">\n<link rel="icon" href="data:,">\n'
        f"<title>{esc(title(report))}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f'<header><p class="eyebrow">contrapose report</p><h1><bdi>{esc(title(report))}</bdi></h1>'
        f'<p class="source">{esc(report.made)} · contrapose {esc(report.version)}</p>'
        '<button type="button" id="theme" aria-label="Switch between light and dark" hidden>◐</button>'
        f'<nav aria-label="Sections">{links}</nav></header>\n<main>{body}</main>\n'
        f"<footer>{_footer(report)}</footer>\n"
        f'<div id="tip" role="status" hidden></div>\n<script>{script}</script>\n</body>\n</html>\n'
    )


def title(report: Report) -> str:
    """What the report is about, in a few words."""
    if len(report.runs) == 1:
        run = report.runs[0]
        if run.pretrained_kept:
            return f"{run.name}: {run.start_model}, unchanged"
        return f"{run.name}: {run.method} from {run.start_model}"
    names = [run.name for run in report.runs] or [trials.name for trials in report.trials]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _footer(report: Report) -> str:
    ledger = (
        f"Scores come from the ledger {esc(report.ledger)}. "
        if report.ledger
        else "No ledger was looked at. "
    )
    text = (
        "Pictures of your text were computed when the report was made, on the sample that is named with them. This "
        "file holds sentences of your text; mind whom you give it to. "
        if any(run.own for run in report.runs)
        else ""
    )
    return f"<p>{ledger}{text}It needs no network, and may not use one.</p>"


def _part(name: str) -> str:
    return files("contrapose.report").joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
