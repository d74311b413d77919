"""What each verb imports: names, since times are the machine's. Help answers without anything heavy, and a verb's own
code imports no package that this verb does not use. (transformers brings scipy, torch._dynamo and others by itself.)"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny import SENTENCES, tiny_bert
from tests.waiting import PATIENCE

#: Packages and parts of packages that take long to import, or that only some verbs need.
HEAVY = (
    "accelerate", "bm25s", "datasets", "faiss", "jinja2", "matplotlib", "mteb", "numpy", "onnxruntime", "openvino",
    "optuna", "pandas", "pyarrow", "pydantic", "ray", "scipy", "sentence_transformers", "sklearn", "tensorboard",
    "torch", "torch._dynamo", "torch._inductor", "torch.distributed", "torch.onnx", "transformers",
)  # fmt: skip
WATCHED = """
import builtins, json, sys
heavy, arguments = json.loads(sys.argv[1]), sys.argv[2:]
own, importing = set(), builtins.__import__

def watched(name, globals=None, locals=None, fromlist=(), level=0):
    importer = (globals or {}).get("__name__", "")
    if not level and importer.partition(".")[0] == "contrapose":
        names = [name, *(f"{name}.{each}" for each in fromlist or ())]
        own.update(each for each in heavy if any(f"{full}.".startswith(f"{each}.") for full in names))
    return importing(name, globals, locals, fromlist, level)

builtins.__import__ = watched
from contrapose.cli.main import main
code = main(arguments)
loaded = [each for each in heavy if each in sys.modules]
print(json.dumps({"code": code, "own": sorted(own), "loaded": loaded}), file=sys.stderr)
"""


def imports_of(*arguments: str) -> tuple[set[str], set[str]]:
    """(what of HEAVY contrapose's own code imported, what of it is loaded at the end) by one command."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, json.dumps(HEAVY), *arguments],
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    told = json.loads(done.stderr.splitlines()[-1])
    assert told["code"] == 0, done.stderr
    return set(told["own"]), set(told["loaded"])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("imports")
    tiny_bert(folder / "model")
    (folder / "text.txt").write_text("\n".join(f"{line} {n}" for line in SENTENCES for n in range(3)) + "\n")
    scored = [f"{number % 5},{first},{SENTENCES[-number - 1]}" for number, first in enumerate(SENTENCES)]
    (folder / "pairs.csv").write_text("\n".join(["score,first,second", *scored]) + "\n")
    return folder


#: typer brings pydantic to read an option, where it is installed.
TYPER = {"pydantic"}


def test_help_loads_nothing_heavy_not_even_the_settings() -> None:
    assert imports_of("--help") == (set(), set())


@pytest.mark.parametrize("arguments", [["--version"], ["encode", "--help"], ["evaluate", "--help"]])
def test_help_of_a_verb_without_settings_imports_nothing_heavy(arguments: list[str]) -> None:
    own, loaded = imports_of(*arguments)
    assert own == set()
    assert loaded <= TYPER


@pytest.mark.parametrize("verb", ["train", "pretrain", "adapt"])
def test_help_of_a_training_verb_needs_its_settings_and_no_more(verb: str) -> None:
    assert imports_of(verb, "--help")[1] <= {"pydantic"}


#: Verb -> the rest of its command, and what of HEAVY its own code may import. {} is the folder of the fixture.
VERBS: dict[str, tuple[list[str], set[str]]] = {
    "encode": (["{}/model", "{}/text.txt", "-o", "{}/vectors.npy", "--force"], set()),
    "similarity": (["{}/model", "a cat", "a dog"], set()),
    "search": (["{}/model", "{}/text.txt", "a cat on a mat"], set()),
    "evaluate": (["{}/model", "--pairs", "{}/pairs.csv"], set()),
    "train": (
        ["{}/text.txt", "--model", "{}/model", "--out", "{}/run", "--steps", "1", "--batch-size", "8",
         "--criterion", "none", "--method", "simcse", "-q"],
        # pyarrow imports pandas by itself, where it is installed.
        {"pandas", "pyarrow", "torch.distributed"},
    ),
}  # fmt: skip
#: What every verb with an encoder needs; pydantic because the contracts that it is checked by are models of it.
ENCODER = {"numpy", "pydantic", "torch", "transformers"}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_imports_no_package_that_it_does_not_use(verb: str, place: Path) -> None:
    arguments, more = VERBS[verb]
    own, loaded = imports_of(verb, *(argument.format(place) for argument in arguments))
    assert own - ENCODER - more == set()
    assert "torch" in own  # the watching sees something
    never = {"bm25s", "datasets", "faiss", "matplotlib", "mteb", "onnxruntime", "openvino", "optuna", "ray",
             "sentence_transformers", "sklearn", "tensorboard"}  # fmt: skip
    assert loaded & never == set()
    if "pyarrow" not in more:
        assert "pyarrow" not in loaded


def test_a_process_of_its_own_searches_for_cycles_rarely_and_a_caller_keeps_its_ways() -> None:
    code = """
import gc, sys
from contrapose.cli.main import main
before = gc.get_threshold()
main(["--version"])
assert gc.get_threshold() == before
sys.argv = ["contrapose", "--version"]
main()
assert gc.get_threshold() == (10_000, *before[1:])
class Ring:
    def __init__(self):
        self.own = self
    def __del__(self):
        print("collected")
Ring()
gc.collect()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "collected"
