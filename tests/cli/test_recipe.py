"""``train --recipe``: a paper's whole recipe in one word, with what the person says on top; and methods from files."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from contrapose.config import read_toml
from contrapose.experiment.recipes import RECIPES
from contrapose.objectives import catalogue
from tests.cli.conftest import Command
from tests.experiment.small import write_senteval

OWN_METHOD = Path(__file__).parents[2] / "examples" / "own_method.py"
PUBLISHED: dict[str, Any] = {
    "data": {"views": "dropout", "deduplicate": False, "held_out_rows": 0},
    "encoder": {"pooling": "cls", "head": "linear-tanh"},
    "method": {"name": "simcse"},
    "training": {"learning_rate": 3e-5, "batch_size": 64, "max_length": 32, "epochs": 1.0, "mask_repeats": False,
                 "warmup_steps": 0, "weight_decay": 0.0},
    "selection": {"eval_every": 125, "blend": 1.0},
}  # fmt: skip


@pytest.fixture
def at_work(tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the text under the name that the papers' text has."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONTRAPOSE_LEDGER", str(tmp_path / "ledger"))
    Path("wiki1m_for_simcse.txt").write_text(corpus.read_text())
    return tmp_path


def settings_of(run: Path) -> dict[str, Any]:
    return read_toml(run / "config.toml")


def test_the_recipe_of_simcse_is_what_its_script_trains(
    contrapose: Command, tiny: Path, at_work: Path
) -> None:
    done = contrapose("train", "--recipe", "simcse/bert-base", "wiki1m_for_simcse.txt", "--model", tiny, "-q")
    assert done.code == 0, done.err
    settings = settings_of(at_work / "runs/simcse/bert-base")
    for section, table in PUBLISHED.items():
        assert {key: settings[section].get(key) for key in table} == table
    assert settings["method"]["hyperparameters"]["temperature"] == 0.05
    assert settings["selection"]["criterion"] == "none"
    notes = [line for line in done.err.splitlines() if line.startswith("note: ")]
    assert len(notes) == 2, "the stand-in and the last step are said, and nothing else"
    assert "in place of google-bert/bert-base-uncased" in notes[0]
    assert "the last step in place of the best by STS-B" in notes[1]
    again = contrapose("train", "--recipe", "simcse/bert-base", "--model", tiny, "--resume", "-q")
    assert again.code == 0, again.err
    assert [line for line in again.err.splitlines() if line.startswith("note: ")] == notes


def test_options_win_over_the_recipe_and_are_said(contrapose: Command, tiny: Path, at_work: Path) -> None:
    Path("more.toml").write_text("[training]\nlearning_rate = 2e-5\n")
    options = ["--model", tiny, "--steps", 3, "--batch-size", 8, "--set", "temperature=0.1", "--seed", 4]
    done = contrapose("train", "wiki1m_for_simcse.txt", "--recipe", "focal-infonce/bert-base", *options,
                      "--config", "more.toml", "--out", "mine", "-q")  # fmt: skip
    assert done.code == 0, done.err
    settings = settings_of(at_work / "mine")
    assert settings["training"]["steps"] == 3
    assert "epochs" not in settings["training"]
    assert settings["training"]["batch_size"] == 8
    assert settings["training"]["learning_rate"] == 2e-5
    assert (
        settings["method"]["hyperparameters"] | {"temperature": 0.1, "margin": 0.3}
        == (settings["method"]["hyperparameters"])
    )
    for said in (
        "3 steps in place of one epoch",
        "batch_size 8 in place of 64",
        "learning_rate 2e-05 in place of 3e-05",
        "temperature 0.1 in place of 0.05",
    ):
        assert f"note: not the paper's recipe: {said}" in done.err
    assert "seed" not in done.err


def test_an_unknown_recipe_gives_the_nearest_and_the_help_lists_all(
    contrapose: Command, at_work: Path
) -> None:
    done = contrapose("train", "--recipe", "simcse/bert-bas", "wiki1m_for_simcse.txt")
    assert done.code == 2
    assert "Did you mean 'simcse/bert-base'?" in done.err
    assert "\n" not in done.err.strip()
    listed = re.sub(r"[\s│]+", " ", contrapose("train", "--help").out)
    assert all(recipe.name in listed for recipe in RECIPES)


def test_a_method_from_a_file_trains_is_shown_and_is_compared(
    contrapose: Command, tiny: Path, at_work: Path
) -> None:
    senteval = write_senteval(at_work / "senteval")
    Path("mine.py").write_text(OWN_METHOD.read_text())
    shown = contrapose("methods", "mine.py")
    assert shown.code == 0
    assert "hardest-hinge" in shown.out
    options = ["--model", tiny, "--steps", 2, "--batch-size", 8]
    judged = ["--seeds", 1, "--data", senteval, "--split", "dev", "--out", "compared", "--json", "-q"]
    done = contrapose("train", "wiki1m_for_simcse.txt", "--method", "mine.py", "--out", "run", *options,
                      "--criterion", "none", "--set", "margin=0.5", "-q")  # fmt: skip
    assert done.code == 0, done.err
    assert "hardest-hinge: 2 steps" in done.out
    compared = contrapose(
        "compare", "wiki1m_for_simcse.txt", "--methods", "simcse,mine.py", *options, *judged
    )
    assert compared.code == 0, compared.err
    rows = [
        line for line in (at_work / "compared/trials.jsonl").read_text().splitlines() if "mine.py" in line
    ]
    assert len(rows) == 1
    assert "method_file" in rows[0]
    Path("mine.py").write_text(OWN_METHOD.read_text().replace("] = 0.2", "] = 0.4"))
    again = contrapose("compare", "wiki1m_for_simcse.txt", "--methods", "simcse,mine.py", *options, *judged)
    assert again.code == 0, again.err
    rows = [
        line for line in (at_work / "compared/trials.jsonl").read_text().splitlines() if "mine.py" in line
    ]
    assert len(rows) == 2, "a changed file is another method, and is measured"


def test_a_method_file_that_fails_is_one_line(contrapose: Command, at_work: Path) -> None:
    Path("mine.py").write_text("import numpy\n1 / 0\n")
    done = contrapose("train", "wiki1m_for_simcse.txt", "--method", "mine.py", "--out", "run")
    assert done.code == 2
    assert done.err.strip() == (
        "error: method 'mine.py' fails as it is read, line 2: ZeroDivisionError: division by zero"
    )
    assert not Path("run").exists()


def test_a_plugin_that_fails_at_import_leaves_every_command_working(at_work: Path) -> None:
    """A real installed package, real processes."""
    site = at_work / "site"
    installed = site / "broken-1.0.dist-info"
    installed.mkdir(parents=True)
    (site / "broken.py").write_text("import a_package_that_is_not_there\n")
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[contrapose.methods]\nmine = broken:METHOD\n")
    code = """
import sys
sys.path.insert(0, sys.argv[1])
from contrapose.cli.main import main
codes = [main(["methods"]), main(["methods", "simcse"]), main(["train", "wiki1m_for_simcse.txt", "--method", "mine",
                                                               "--out", "run"])]
print(codes)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(site)], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1] == "[0, 0, 2]", done.stderr
    assert done.stderr.count("warning: the method 'mine' is left out") == 1
    assert "the method 'mine' is left out: the package 'broken' fails as it is imported" in done.stderr
    assert "ModuleNotFoundError" in done.stderr
    assert "mine" not in catalogue.all_methods()
