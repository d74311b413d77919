"""What a person sees of the demo: a progress bar with the time left, then tables, pictures and words.

Everything is drawn with rich, which leaves colours out where NO_COLOR is set or the terminal has none. Without a
terminal there is no moving bar: each part is one line with the time. Tables fit into 80 columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from contrapose.data.harvest import HarvestStatistics
from contrapose.data.held_out import Split
from contrapose.data.text import printable
from contrapose.evaluate.statistics import Interval
from contrapose.experiment.demo import run_demo
from contrapose.experiment.demo_result import STAGES, DemoResult, DemoSettings
from contrapose.experiment.questions import TASKS, Answer, Sheet, verdict
from contrapose.hints import YOUR_TEXT, command, free_folder

#: Colour of each stage; the words say the same without it.
COLOURS = {"before": "dim", "sentences": "cyan", "pairs": "green"}
METRIC_NAMES = {"mrr_at_10": "MRR@10", "accuracy_at_1": "accuracy@1"}
GEOMETRY = {
    "alignment": ("alignment", "lower is better"),
    "uniformity": ("uniformity", "lower is better"),
    "mean_cosine": ("mean cosine", "0 is best"),
    "effective_rank": ("effective rank", "higher is better"),
}
#: Columns of the interval picture, without its labels.
PICTURE_COLUMNS = 46


def run_and_show(settings: DemoSettings, console: Console, *, show_result: bool = True) -> DemoResult:
    """Run the demo with its progress on ``console``, and show the result there."""
    with _watching(console) as watcher:
        result = run_demo(settings, watcher)
    if show_result:
        show(result, console)
    return result


def show(result: DemoResult, console: Console) -> None:
    """Print the result; the commands go out unwrapped, so that they can be copied."""
    console.print(render(result))
    for line in _what_next(result):
        console.print(line, soft_wrap=True)


class ProgressView:
    """A :class:`~contrapose.experiment.demo.Watcher` that draws one bar over all of the demo."""

    def __init__(self, console: Console, bar: Progress | None) -> None:
        self._console, self._bar = console, bar
        self._task = bar.add_task("starting", total=1.0, left="") if bar else None
        self._times: tuple[float, float | None] = (0.0, None)

    def phase(self, text: str) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=escape(text))
        else:
            self._console.print(Text(f"{text} ({in_time(*self._times)})"))

    def harvested(self, account: HarvestStatistics, split: Split) -> None:
        for line in (*account.lines(), *split.lines()):
            self._console.print(Text(printable(line, 300), style="dim"))

    def answered(self, stage: str, sheet: Sheet) -> None:
        found = ", ".join(
            f"{TASKS[task]} {sheet.scores(task, 'mrr_at_10').mean():.3f}" for task in sheet.ranks
        )
        self._console.print(Text(f"{STAGES[stage]}: MRR@10 {found}", style=COLOURS[stage]))

    def moved(self, elapsed: float, remaining: float | None) -> None:
        self._times = (elapsed, remaining)
        if self._bar is not None and self._task is not None:
            done = 0.0 if remaining is None else elapsed / max(elapsed + remaining, 1e-9)
            self._bar.update(self._task, completed=done, left=in_time(elapsed, remaining))

    def notice(self, text: str) -> None:
        self._console.print(Text(printable(text, 500), style="yellow"))


def in_time(elapsed: float, remaining: float | None) -> str:
    """How long it took and will take, no more exact than it is known.

    >>> in_time(75, 130), in_time(5, None), in_time(200, 20)
    ('1:15, about 2 min left', '0:05, measuring speed', '3:20, under a minute left')
    """
    so_far = f"{int(elapsed) // 60}:{int(elapsed) % 60:02d}"
    if remaining is None:
        return f"{so_far}, measuring speed"
    return f"{so_far}, " + (
        f"about {round(remaining / 60)} min left" if remaining >= 60 else "under a minute left"
    )


@contextmanager
def _watching(console: Console) -> Iterator[ProgressView]:
    if not console.is_terminal or console.is_dumb_terminal:
        yield ProgressView(console, None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), TextColumn("{task.fields[left]}"))
    with Progress(*columns, console=console, transient=True) as bar:
        yield ProgressView(console, bar)


def render(result: DemoResult) -> RenderableType:
    """The numbers, the pictures and the searches."""
    parts: list[RenderableType] = [Text()]
    for task in result.exam.tasks:
        intervals = {stage: sheet.interval(task, "mrr_at_10") for stage, sheet in result.sheets.items()}
        parts += [_numbers(result, task), Picture(intervals), Text(in_words(result, task)), Text()]
    return Group(*parts, _geometry(result), Text(), *_searches(result))


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE, pad_edge=False)


def _numbers(result: DemoResult, task: str) -> Table:
    table = _table(f"{TASKS[task]}: {len(result.exam.tasks[task]):,} held-out questions")
    table.add_column("")
    for name in METRIC_NAMES.values():
        table.add_column(f"{name} [95% interval]", justify="right")
    for stage, sheet in result.sheets.items():
        cells = [_cell(sheet.interval(task, metric)) for metric in METRIC_NAMES]
        table.add_row(STAGES[stage], *cells, style=COLOURS[stage])
    return table


def _cell(interval: Interval) -> Text:
    return Text(f"{interval.estimate:.3f} [{interval.low:.3f}, {interval.high:.3f}]")


@dataclass(frozen=True)
class Picture:
    """MRR@10 of each stage as a point in its interval, on one axis, as wide as the terminal allows."""

    intervals: dict[str, Interval]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        low = min(interval.low for interval in self.intervals.values())
        high = max(interval.high for interval in self.intervals.values())
        columns = max(12, min(PICTURE_COLUMNS, options.max_width - 23))
        for stage, interval in self.intervals.items():
            drawn = f"{STAGES[stage]:>15} {_drawn(interval, low, high, columns)} {interval.estimate:.3f}"
            yield Text(drawn, style=COLOURS[stage], no_wrap=True)
        yield Text(f"{'MRR@10':>15} {low:.3f}" + f"{high:.3f}".rjust(columns - 5), style="dim", no_wrap=True)


def _drawn(interval: Interval, low: float, high: float, columns: int) -> str:
    """
    >>> _drawn(Interval(estimate=0.5, low=0.0, high=1.0, level=0.95, rows=9), 0.0, 1.0, 15)
    '|------o------|'
    """
    scale = (columns - 1) / max(high - low, 1e-9)
    start, point, end = (
        int((value - low) * scale) for value in (interval.low, interval.estimate, interval.high)
    )
    line = [" "] * columns
    line[start : end + 1] = "-" * (end + 1 - start)
    line[start] = line[end] = "|"
    line[point] = "o"
    return "".join(line)


def in_words(result: DemoResult, task: str) -> str:
    """Each trained stage against the first in a sentence; a difference inside its noise is called so."""
    sentences = []
    for stage, sheet in list(result.sheets.items())[1:]:
        test = sheet.compared_with(result.sheets["before"], task, "mrr_at_10")
        amount = f"MRR@10 {test.difference:+.3f} [{test.low:+.3f}, {test.high:+.3f}], p = {test.p_value:.4f}"
        means = {
            "better": "better than before",
            "worse": "worse than before",
            "within noise": "no difference from before that stands out of the noise",
        }[verdict(test)]
        sentences.append(f"Trained on {STAGES[stage]}: {means} ({amount}).")
    return "\n".join(sentences)


def _geometry(result: DemoResult) -> Table:
    table = _table("shape of the space on the held-out texts")
    for name in ("", *(STAGES[stage] for stage in result.sheets)):
        table.add_column(name, justify="right" if name else "left", no_wrap=not name)
    table.add_column("")
    for metric, (name, meaning) in GEOMETRY.items():
        values = (f"{sheet.geometry[metric]:.2f}" for sheet in result.sheets.values())
        table.add_row(name, *values, Text(meaning, style="dim"))
    return table


def _searches(result: DemoResult) -> Iterator[RenderableType]:
    """Side by side: before, and after the last stage. A + marks what was not among the first answers before."""
    before, (last, after) = result.sheets["before"], list(result.sheets.items())[-1]
    yield Text(f"searches over the first lines of {len(result.exam.library):,} public objects", style="bold")
    for query in result.exam.searches:
        known = {answer.name for answer in before.answers[query]}
        table = Table(box=None, expand=True, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(Text("before", style="dim"), ratio=1, no_wrap=True, overflow="ellipsis")
        table.add_column(
            Text(f"trained on {STAGES[last]}", style="dim"), ratio=1, no_wrap=True, overflow="ellipsis"
        )
        for left, right in zip(before.answers[query], after.answers[query], strict=True):
            table.add_row(_answer(left, new=False), _answer(right, new=right.name not in known))
        yield Group(Text(f'\n"{query}"'), table)
    yield Text(
        "\n+ was not among the first answers before. Most of these first lines were trained on, as your own text would "
        "be; the numbers above are from held-out objects only.\n",
        style="dim",
    )


def _answer(answer: Answer, *, new: bool) -> Text:
    """The dotted name, and under it as much of the first line as one line holds."""
    name = Text("+ " if new else "  ", style="green").append(answer.name, style="bold" if new else "")
    return name.append(f"\n    {printable(answer.text, 200)}", style="dim")


def _what_next(result: DemoResult) -> Iterator[Text]:
    model, folder = result.folder.model("pairs"), result.folder.path
    search = command("search", model, result.folder.library, "split text at commas", top=5)
    train = command("train", YOUR_TEXT, model="minilm", method="hncse-hnm", out=free_folder("my-run"))
    yield Text.assemble(
        "The model is in ", (str(model), "bold"), f", the numbers in {folder / 'result.json'}."
    )
    yield Text(f"It took {result.seconds / 60:.1f} minutes. Try next:")
    yield Text(f"  {search}", style="bold")
    yield Text(f"  {train}", style="bold")
