"""The page: one HTML file that opens offline. Style and script are inside it, and nothing else may run or be fetched.

The templates escape whatever is put into them. Beyond that, the content security policy allows exactly this style and
this script, by their hashes, so that even a text that broke out of its escaping could neither run nor send anything.
"""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from contrapose.installing import install_command
from contrapose.outputs import MARKS
from contrapose.report import (
    adaptation_charts,
    charts,
    how_to_read,
    tables,
    text_charts,
    trial_charts,
    wording,
)
from contrapose.report.record import Report
from contrapose.selection.reported import SIGNS, TONES

#: (id, heading, template, whose macro of that id writes it); a section with nothing to show is left out, its link too.
SECTIONS = (
    ("adaptations", "Adapted to your text", "adaptations"),
    ("summary", "In short", "runs"),
    ("scores", "Before and after", "runs"),
    ("training", "Training", "runs"),
    ("geometry", "Alignment and uniformity", "runs"),
    ("cosines", "Cosines on your text", "text"),
    ("map", "Your sentences on a map", "text"),
    ("neighbours", "Neighbours gained and lost", "text"),
    ("suspects", "Negatives that may be none", "text"),
    ("trials", "Sweeps and comparisons", "trials"),
)
#: Headings that differ where every model is the pretrained one.
HEADINGS_OF_UNCHANGED = {"scores": "Scores", "training": "What was tried"}

#: Characters that HTML cannot hold, or that a browser would act on: controls, lone surrogates, non-characters.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def render(report: Report) -> str:
    """The whole file."""
    environment = templates(autoescape=True)
    headings = HEADINGS_OF_UNCHANGED if how_to_read.all_unchanged(report.runs) else {}
    written = [
        (
            name,
            headings.get(name, heading),
            getattr(environment.get_template(f"{file}.html.j2").module, name)(report),
        )
        for name, heading, file in SECTIONS
    ]
    style, script = _asset("style.css"), _asset("script.js")
    policy = (
        f"default-src 'none'; style-src 'sha256-{_digest(style)}'; script-src 'sha256-{_digest(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    page = environment.get_template("page.html.j2").render(
        report=report,
        title=title(report),
        sections=[(name, heading, body) for name, heading, body in written if body.strip()],
        policy=Markup(policy),
        generator=Markup(MARKS["html"]),
        style=Markup(style),
        script=Markup(script),
    )
    return _UNFIT.sub("\ufffd", page)


def templates(**options: Any) -> Environment:
    """The templates, and the modules whose functions they call."""
    environment = Environment(
        loader=PackageLoader("contrapose.report"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        **options,
    )
    modules = (adaptation_charts, charts, how_to_read, tables, text_charts, trial_charts, wording)
    environment.globals |= {module.__name__.rpartition(".")[2]: module for module in modules}
    environment.globals |= {"SIGNS": SIGNS, "TONES": TONES, "install_command": install_command}
    return environment


def title(report: Report) -> str:
    """What the report is about, in a few words."""
    if len(report.runs) == 1 and not report.adaptations:
        run = report.runs[0]
        if run.pretrained_kept:
            return f"{run.name}: {run.start_model}, unchanged"
        return f"{run.name}: {run.method} from {run.start_model}"
    names = [run.name for run in report.runs] + [each.name for each in report.adaptations] or [
        trials.name for trials in report.trials
    ]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _asset(name: str) -> str:
    return files("contrapose.report").joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
