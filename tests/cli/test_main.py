from __future__ import annotations

import importlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import typer

from contrapose.cli import main as main_module
from contrapose.cli import methods as methods_verb
from contrapose.cli.failures import explain
from contrapose.errors import Interrupted
from tests.cli.conftest import Command
from tests.waiting import PATIENCE

VERBS = (
    "demo",
    "train",
    "continue",
    "evaluate",
    "encode",
    "similarity",
    "search",
    "methods",
    "doctor",
    "harvest python",
    "runs",
)


def shell(
    *arguments: str, env: Mapping[str, str] | None = None, **options: object
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "contrapose", *arguments]
    options = {"capture_output": True} | options
    return subprocess.run(
        command, text=True, timeout=PATIENCE, check=False, env={**os.environ, **(env or {})}, **options
    )


@pytest.mark.parametrize("verb", VERBS)
def test_every_help_shows_an_example_and_offers_json(contrapose: Command, verb: str) -> None:
    done = contrapose(*verb.split(), "--help")
    assert done.code == 0
    assert f"$ contrapose {verb}" in done.out
    assert "--json" in done.out


def test_the_verbs_are_those_of_the_interface(contrapose: Command) -> None:
    help_text = contrapose("--help").out
    assert all(f" {verb.split()[0]} " in help_text for verb in VERBS)


def test_help_of_every_verb_loads_nothing_heavy() -> None:
    code = f"""
import sys
from contrapose.cli.main import main
for verb in {VERBS!r}:
    assert main([*verb.split(), "--help"]) == 0
heavy = ("torch", "transformers", "pyarrow", "scipy", "numpy")
sys.exit(" ".join(name for name in heavy if name in sys.modules) or None)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_version_and_no_arguments(contrapose: Command) -> None:
    assert re.fullmatch(r"contrapose \S+\n", contrapose("--version").out)
    done = contrapose()
    assert done.code == 0
    assert "Usage: contrapose" in done.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trian"], "Did you mean 'train'"),
        (["train", "--stepz", "3"], "--steps"),
        (["train", "a.txt", "--steps", "many"], "'--steps'"),
        (["encode"], "MODEL"),
        (["harvest", "ruby"], "ruby"),
    ],
)
def test_wrong_usage_is_exit_2_with_the_way_to_the_help(
    contrapose: Command, arguments: list[str], words: str
) -> None:
    done = contrapose(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert done.err.startswith("error: ")
    assert words in done.err
    assert re.search(r"^Try: contrapose.* --help$", done.err, re.MULTILINE)


def test_an_error_in_the_file_of_a_method_names_its_line_and_is_no_internal_error(tmp_path: Path) -> None:
    from contrapose.objectives.plugins import method_of_file

    (tmp_path / "mine.py").write_text(
        "from contrapose.contract import Method\n\n"
        "def mine(table, views, /):\n    return len(forgotten)\n\n"
        "METHOD = Method(name='mine', idea='Mine.', paper='Me', reference='', objective=mine)\n"
    )
    method, _ = method_of_file(str(tmp_path / "mine.py"))
    with pytest.raises(NameError) as error:
        method.objective(None, None)
    failure = explain(error.value)
    assert failure.exit_code == 1
    assert failure.message.startswith(
        "the method's file failed in mine.py, line 4: NameError: name 'forgotten' is"
    )


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (RuntimeError("boom"), 1, "internal error: RuntimeError: boom"),
        (KeyError(), 1, "report"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (typer.Abort(), 130, "interrupted"),
        (Interrupted("stopped after step 3", exit_code=143), 143, "stopped after step 3"),
        (
            OSError(28, "No space left on device", "/x/y"),
            1,
            "/x/y: No space left on device. The disk is full",
        ),
        (
            PermissionError(13, "Permission denied", "/x/y"),
            1,
            "/x/y: Permission denied. Change the permissions",
        ),
        (MemoryError(), 1, "out of memory"),
        (RuntimeError("[enforce] DefaultCPUAllocator: can't allocate memory: you tried"), 1, "--chunk-size"),
    ],
)
def test_any_exception_is_told_without_a_traceback(
    contrapose: Command, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, words: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("contrapose.objectives.catalogue.describe", fail)
    monkeypatch.delenv("CONTRAPOSE_DEBUG", raising=False)
    done = contrapose("methods", "--json")
    assert done.code == code
    assert words in done.err
    assert done.out == ""
    assert "Traceback" not in done.err


def test_debug_shows_the_traceback(contrapose: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("contrapose.objectives.catalogue.describe", fail)
    assert "Traceback" in contrapose("--debug", "methods").err
    monkeypatch.setenv("CONTRAPOSE_DEBUG", "1")
    assert "Traceback" in contrapose("methods").err


def test_messages_cannot_steer_the_terminal(contrapose: Command, tmp_path: Path) -> None:
    done = contrapose(
        "encode", "minilm", "\x1b[31mred\x1b]0;title\x07[bold]x[/bold].txt", "-o", tmp_path / "a.npy"
    )
    assert done.code == 1
    assert "\x1b" not in done.err
    assert "\x07" not in done.err
    assert "[bold]x[/bold]" in done.err


def test_of_several_processes_the_first_tells_a_wrong_option(
    contrapose: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert contrapose("train", "a.txt").err
    monkeypatch.setenv("RANK", "1")
    assert contrapose("train", "a.txt").err, "a RANK that nobody's WORLD_SIZE speaks of silences nothing"
    for name, value in (("WORLD_SIZE", "2"), ("MASTER_ADDR", "localhost"), ("MASTER_PORT", "29500")):
        monkeypatch.setenv(name, value)
    waited: list[float] = []
    monkeypatch.setattr("contrapose.cli.main.time.sleep", waited.append)
    assert contrapose("train", "a.txt").code == 2
    assert waited == [2.0], "torchrun ends it meanwhile, where the first process says the same"


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_ends_any_verb_with_one_line(
    contrapose: Command, monkeypatch: pytest.MonkeyPatch, number: int, code: int, word: str
) -> None:
    # Imported while the function is replaced, these modules would keep the replacement.
    importlib.import_module("contrapose.data.build")

    before = signal.getsignal(number)
    monkeypatch.setattr("contrapose.data.sources.find_sources", lambda *_: os.kill(os.getpid(), number))
    assert contrapose("encode", "model", "a.txt", "--output", "x.npy") == (code, "", f"{word}\n")
    assert signal.getsignal(number) is before


def test_sigterm_while_a_real_process_reads_its_corpus_says_one_line_and_leaves_no_folder(
    tiny: Path, tmp_path: Path
) -> None:
    command = [
        sys.executable,
        "-m",
        "contrapose",
        "train",
        "-",
        "--model",
        str(tiny),
        "--out",
        str(tmp_path / "run"),
    ]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, text=True, **pipes) as process:
        assert process.stderr is not None
        while not list(tmp_path.glob("run/cache/.contrapose-*")):  # rows are being written
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        told = process.stderr.read()
        assert process.wait(60) == 143
    assert told.splitlines()[-1] == f"stopped before the first step; {tmp_path / 'run'} is gone again"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("argument", ["--version", "--help"])
def test_a_reader_that_leaves_is_no_error_worth_words(argument: str) -> None:
    """`contrapose --version | true`"""
    read, write = os.pipe()
    os.close(read)
    done = shell(argument, capture_output=False, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_standard_output_is_told_in_one_line() -> None:
    with open("/dev/full", "w") as full:
        done = shell("--version", capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"PYTHONIOENCODING": "ascii"}])
def test_poor_terminals_get_plain_words(env: Mapping[str, str]) -> None:
    done = shell("train", "na\u00efve.txt", env=env)
    assert done.returncode == 2
    assert "\x1b" not in done.stderr + done.stdout
    assert "--out" in done.stderr


def test_every_verb_is_one_file_that_holds_its_examples() -> None:
    assert methods_verb.EXAMPLES.startswith("Examples:")
    assert callable(main_module.main)


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_streams_that_the_caller_closed_lead_nowhere(tmp_path: Path, closed: str) -> None:
    """And the number of a closed stream is not given to the next file that is opened."""
    code = (
        "import os, sys\n"
        "from contrapose.cli.main import main\n"
        "code = main(['methods', '--json'])\n"
        "os.write(1, b'nobody reads this')\n"
        "file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)\n"
        "os.write(file, f'{code} {file > 2}'.encode())\n"
    )
    command = f'"$0" -c "$1" "$2" {closed}'
    subprocess.run(["sh", "-c", command, sys.executable, code, tmp_path / "told"], check=True, timeout=120)
    assert (tmp_path / "told").read_text() == "0 True"
