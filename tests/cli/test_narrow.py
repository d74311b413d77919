"""In narrow terminals no word is broken: lines end between words, tables become records, commands still run."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from contrapose.cli import console
from contrapose.cli.fitting import FittedTable, wrapped, wrapped_command
from contrapose.cli.main import VERBS, main, name_of
from contrapose.cli.progress import moving_bar
from tests.cli.conftest import Command
from tests.tiny import SENTENCES

WIDTHS = (40, 60, 80)
WIDE = 400
WORDS = st.text(st.characters(categories=("Ll", "Lu", "Nd", "Pd")), min_size=1, max_size=30)


def words(text: str) -> list[str]:
    """Without frames, bars, colons behind names, commas between options, and the backslash of a command."""
    plain = re.sub(r"[│╭╮╰╯─━╸╺]|\x1b\[[0-9;?]*[A-Za-z]|,(?=--)", " ", text)
    return [word.rstrip(",:") for word in plain.split() if word.strip("\\,:")]


@given(st.lists(WORDS, min_size=1, max_size=20), st.integers(1, 80), st.sampled_from(["", "  "]))
def test_lines_end_between_words_and_only_a_word_alone_is_longer(
    said: list[str], width: int, begun: str
) -> None:
    lines = wrapped(begun + " ".join(said), width)
    assert words(" ".join(lines)) == words(" ".join(said))
    assert all(len(line) <= width or len(line.split()) == 1 for line in lines if line.isascii())


@given(st.lists(st.text("ab c'\"\\$#", min_size=1, max_size=12), min_size=1, max_size=8), st.integers(8, 60))
def test_a_command_that_is_continued_is_the_same_command(said: list[str], width: int) -> None:
    command = shlex.join(["contrapose", *said])
    lines = wrapped_command(f"  {command}", width)
    # A shell drops a backslash with the end of line behind it; shlex would keep the latter.
    assert shlex.split("\n".join(lines).replace("\\\n", " ")) == ["contrapose", *said]


def test_a_comment_behind_a_command_comes_beneath_it() -> None:
    lines = wrapped_command(
        "  contrapose evaluate minilm --pairs YOUR.csv    # score, text, text; or --labels", 40
    )
    assert lines[0].endswith("\\")
    assert not lines[1].endswith("\\")
    assert all(line.startswith("  # ") for line in lines[2:])
    assert shlex.split("\n".join(lines), comments=True)[-1] == "YOUR.csv"


@pytest.mark.parametrize("width", [1, 20, 40, 60, 80, 400])
def test_a_table_holds_every_cell_whole_at_every_width(width: int) -> None:
    rows = [["a name", "/a/long/path/that/is/one/word and what it is", "1.00"], ["", "short", "-20.50"]]
    made = FittedTable({"what": "name", "told in words": "text", "value": "number"}, rows, "a title of words")
    sink = io.StringIO()
    screen = Console(file=sink, force_terminal=True, no_color=True, width=width, legacy_windows=False)
    screen.print(made, crop=False)
    shown = words(sink.getvalue())
    assert not [word for row in rows for cell in row for word in cell.split() if word not in shown]
    longest = max(len(word) for row in rows for cell in row for word in cell.split())
    assert all(len(line.rstrip()) <= max(width, longest + 2) for line in
               re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", sink.getvalue()).splitlines())  # fmt: skip


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run a verb in a terminal of some columns: all that it writes, but for the bar, whose frames the clock chooses."""
    monkeypatch.setattr("contrapose.cli.progress.moving_bar", lambda: None)

    def run(columns: int, *arguments: object) -> str:
        sink = io.StringIO()
        screen = Console(file=sink, force_terminal=True, width=columns, markup=False, highlight=False,
                         legacy_windows=False, emoji=False)  # fmt: skip
        for name in ("results", "progress"):
            monkeypatch.setattr(console, name, lambda: screen)
        main([str(argument) for argument in arguments])
        return sink.getvalue()

    return run


VARYING = re.compile(r"[\d.,:]+|seconds?|s")


def whole(narrow: str, wide: str) -> list[str]:
    """Words of the wide output that the narrow one does not hold whole; times and speeds aside."""
    there = set(words(narrow))
    return [word for word in words(wide) if word not in there and not VARYING.fullmatch(word)]


@pytest.mark.parametrize(
    "environment", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["plain", "no colour", "dumb"]
)
def test_no_word_of_a_result_is_broken(
    at: Callable[..., str], contrapose: Command, tiny: Path, corpus: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str],
) -> None:  # fmt: skip
    monkeypatch.setenv("CONTRAPOSE_LEDGER", str(tmp_path / "ledger"))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    pairs = tmp_path / "a name that is long for a table of pairs.csv"
    pairs.write_text(
        "score,a,b\n" + "".join(f"{n % 5},{SENTENCES[n]},{SENTENCES[n + 1]}\n" for n in range(12))
    )
    verbs: list[list[object]] = [
        ["evaluate", tiny, "--pairs", pairs, "--explain"], ["runs"], ["methods"], ["methods", "hncse"],
        ["search", tiny, corpus, "a cat"], ["similarity", tiny, "a cat", "a dog"], ["runs", "show", "nothing"],
    ]  # fmt: skip
    for arguments in verbs:
        wide = at(WIDE, *arguments)
        assert words(wide)
        for width in WIDTHS:
            assert whole(at(width, *arguments), wide) == [], (arguments, width)


def test_no_word_at_the_end_of_a_run_is_broken(
    at: Callable[..., str], contrapose: Command, tiny: Path, corpus: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    options = ["--model", tiny, "--steps", 2, "--batch-size", 8, "--method", "simcse"]
    wide = at(WIDE, "train", corpus, "--out", run, *options)
    assert "Try next" in wide
    assert (
        whole(
            at(40, "train", "--out", run, "--resume"), wide.partition("What to do")[2].partition("model:")[0]
        )
        == []
    )


@pytest.fixture(scope="module")
def wide_help() -> dict[tuple[str, ...], str]:
    """The help of each verb where there is room for all of it."""
    verbs = [
        (),
        *((name_of(verb),) for verb in VERBS),
        ("runs",),
        ("runs", "compare"),
        ("harvest",),
    ]
    with pytest.MonkeyPatch.context() as patch:
        return {verb: help_at(WIDE, verb, patch) for verb in verbs}


def help_at(columns: int, verb: tuple[str, ...], patch: pytest.MonkeyPatch) -> str:
    patch.setenv("COLUMNS", str(columns))
    with contextlib.redirect_stdout(io.StringIO()) as told:
        assert main([*verb, "--help"]) == 0
    return told.getvalue()


@pytest.mark.parametrize("width", [40, 80, 100])
def test_no_word_of_any_help_is_broken(
    width: int, wide_help: dict[tuple[str, ...], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for verb, wide in wide_help.items():
        narrow = help_at(width, verb, monkeypatch)
        assert "…" not in narrow
        long = [line for line in narrow.splitlines() if len(line.rstrip()) > width and len(words(line)) > 1]
        assert long == [], verb
        # Titles of panels, kinds of options and marks of what is required are told in other ways without panels.
        wide = "\n".join(line for line in wide.splitlines() if not line.startswith("╭"))
        frame = r"\*|<.*>|.*\]|\[.*|default:?|.*\.\.\."
        shown = set(words(narrow))
        assert [word for word in words(wide) if word not in shown and not re.fullmatch(frame, word)] == [], (
            verb
        )


def test_in_a_narrow_window_words_go_before_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    for width, parts in ((40, 2), (100, 3)):
        screen = Console(file=io.StringIO(), force_terminal=True, width=width)
        monkeypatch.setattr(console, "progress", lambda screen=screen: screen)
        monkeypatch.setenv("TERM", "xterm")
        bar = moving_bar()
        assert bar is not None
        assert len(bar.columns) == parts
