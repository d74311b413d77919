"""What the pages tell people to type is understood; the tutorial and the how-to pages are run."""

from __future__ import annotations

import csv
import glob
import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import typer
from pyarrow import parquet

from contrapose.cli.main import app, main
from contrapose.encoder import source
from contrapose.objectives.catalogue import all_methods
from tests.docs.conftest import PAGES, PROGRAMS, ROOT, blocks, commands, commands_of_blocks, inline_commands
from tests.tiny import SENTENCES, tiny_bert

RUN = [ROOT / "README.md", ROOT / "docs/tutorial.md", *sorted((ROOT / "docs/how-to").glob("*.md"))]
#: What a reader replaces: SENTEVAL, MY_SET, CORPUS/wiki.txt.gz.
STANDS_FOR = re.compile(r"(^|[=/])[A-Z][A-Z_]{2,}([/.]|$)")
#: Commands that are understood here and run elsewhere, and why.
NOT_RUN = {
    ("reproduce", "focal-infonce/bert-base"): "needs BERT",
    ("sweep", "notes.txt"): "many trainings; tests/cli/test_sweep.py runs some",
    ("federate", "minilm"): "two trainings on more text; tests/cli/test_federate.py runs some",
    ("demo",): "minutes; tests/test_wheel.py runs one",
    ("train", "--recipe"): "needs BERT",
}


def understood(words: list[str]) -> Any:
    """Let the command line's own parser read the words behind ``contrapose``; it raises where they are wrong."""
    command = typer.main.get_command(app)
    rest = list(words)
    while hasattr(command, "commands") and rest and rest[0] in command.commands:
        command = command.commands[rest.pop(0)]
    return command.make_context("contrapose", rest)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_of_a_page_is_understood(page: Path) -> None:
    for words in commands(page):
        program, *arguments = words
        if program == "torchrun":
            program, *arguments = words[words.index("contrapose") :]
        if program == "contrapose":
            understood(arguments)
        else:
            assert program in PROGRAMS, f"{page.name}: {' '.join(words)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_in_a_sentence_names_a_verb_and_options_that_exist(page: Path) -> None:
    verbs = typer.main.get_command(app).commands
    for words in inline_commands(page):
        if len(words) > 1 and words[1] not in ("FOLDER", "COMMAND", "..."):
            assert words[1] in verbs, f"{page.name}: {' '.join(words)}"


def test_a_wrong_option_would_be_noticed() -> None:
    with pytest.raises(Exception, match="--stesp"):
        understood(["train", "notes.txt", "--stesp", "3"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_python_in_a_page_is_python(page: Path) -> None:
    for block in blocks(page):
        if block.language == "python":
            compile(block.text, block.where, "exec")


@pytest.fixture(scope="session")
def tiny_minilm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("models") / "tiny", positions=256)


@pytest.fixture
def a_readers_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that the pages speak of, in an empty folder."""
    lines = [f"{text} number {number}" for number in range(14) for text in SENTENCES]
    for name in ("notes.txt", "notes/first.txt", "notes/second.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    for data in (ROOT / "docs/data").glob("*.csv"):
        shutil.copy(data, tmp_path)
    shutil.copy(tmp_path / "duplicates.csv", tmp_path / "scored.csv")
    with (tmp_path / "topics.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["label", "text"], *[[str(number % 2), text] for number, text in enumerate(lines)]]
        )
    with (tmp_path / "triplets.csv").open("w", newline="") as file:
        rows = zip(lines, lines[1:], lines[2:], strict=False)
        csv.writer(file).writerows([["anchor", "positive", "negative"], *rows])
    for number in range(2):
        shard = pa.table({"text": lines[number::2]})
        parquet.write_table(shard, tmp_path / f"shard-{number}.parquet", row_group_size=40)
    (tmp_path / "mypackage").mkdir()
    functions = (
        f'def f{number}():\n    """{text}.\n\n    It is {text}."""\n' for number, text in enumerate(lines)
    )
    (tmp_path / "mypackage/code.py").write_text("\n".join(functions))
    (tmp_path / "handbook").mkdir()
    sections = (f"## Chapter {number}\n\n{text}, and {text} again.\n" for number, text in enumerate(lines))
    (tmp_path / "handbook/all.md").write_text("# The handbook\n\n" + "\n".join(sections))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONTRAPOSE_LEDGER", str(tmp_path / "ledger"))
    return tmp_path


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_commands_of_a_page_run_one_after_another(
    page: Path,
    a_readers_folder: Path,
    tiny_minilm: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With a tiny model under the name of the embedded one. Commands that name what only a reader has are not run."""
    monkeypatch.setattr(source, "_embedded_folder", lambda: tiny_minilm)
    done = 0
    for program, *arguments in commands(page):
        if program != "contrapose" or any(map(STANDS_FOR.search, arguments)):
            continue
        if any(tuple(arguments[: len(begin)]) == begin for begin in NOT_RUN):
            continue
        if "--resume" not in arguments:
            arguments = _afresh(arguments, a_readers_folder)
        code = main([word for given in arguments for word in _as_a_shell_would(given)])
        assert code == 0, f"contrapose {' '.join(arguments)}\n{capsys.readouterr().err}"
        done += 1
    assert done or page.stem in _WITHOUT, f"nothing of {page.name} was run"


@pytest.mark.parametrize("method", all_methods())
def test_the_command_at_the_top_of_a_method_s_page_is_not_refused(
    method: str,
    a_readers_folder: Path,
    tiny_minilm: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Two steps, with a tiny model under the name of the embedded one; a model of the hub is not asked for."""
    monkeypatch.setattr(source, "_embedded_folder", lambda: tiny_minilm)
    lines = [f"{text} number {number}" for number in range(8) for text in SENTENCES]
    Path("notes.txt").write_text("\n".join(lines) + "\n")  # debcse looks for 100 neighbours of each row
    first, *_ = commands_of_blocks(blocks(ROOT / f"docs/methods/{method}.md"))
    *before, train = first
    assert train[:2] == ["contrapose", "train"]
    assert train[train.index("--method") + 1] == method
    understood(train[1:])
    if "--model" in train and (name := train[train.index("--model") + 1]).partition("/")[0] != "runs":
        pytest.skip(f"{name} lies on the hub")
    for _, *arguments in (*before, train):
        short = [
            "--steps",
            "2",
            "--batch-size",
            "4",
            *(["--criterion", "none"] if arguments[0] == "train" else []),
        ]
        code = main([*arguments, *short])
        assert code == 0, f"contrapose {' '.join(arguments)}\n{capsys.readouterr().err}"


def test_the_index_of_the_tutorial_answers(
    a_readers_folder: Path, tiny_minilm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "_embedded_folder", lambda: tiny_minilm)
    names: dict[str, Any] = {}
    for block in blocks(ROOT / "docs/tutorial.md"):
        if block.language == "python":
            exec(compile(block.text, block.where, "exec"), names)
    assert names["index"].shape[0] == len(names["titles"]) == 96
    ((cosine, title),) = names["search"](names["titles"][7], top=1)
    assert cosine == pytest.approx(1, abs=0.01)  # a tiny model may take another title for the same
    assert title in names["titles"]


#: Pages whose commands all need what only a reader has, or that have none of contrapose's.
_WITHOUT = ("mteb", "sentence-transformers", "experiments", "scaling")


def _as_a_shell_would(word: str) -> list[str]:
    return sorted(glob.glob(word)) or [word]


def _afresh(arguments: list[str], folder: Path) -> list[str]:
    """Pages repeat the name of a run; a run is not begun twice in one folder."""
    if arguments[0] == "train" and "--out" in arguments:
        shutil.rmtree(folder / arguments[arguments.index("--out") + 1], ignore_errors=True)
    return arguments
