"""Every method has an example; it runs, is short, and its loss falls. One interpreter runs all: torch loads once."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from contrapose.objectives.catalogue import all_methods
from tests.waiting import PATIENCE

EXAMPLES = Path(__file__).parent.parent / "examples"
NAMES = [*(name.replace("-", "_") for name in all_methods()), "own_method"]

RUN_ALL = """
import contextlib, io, json, runpy, sys, traceback
results = {}
for path in sys.argv[1:]:
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            runpy.run_path(path, run_name="__main__")
        error = ""
    except BaseException:
        error = traceback.format_exc()
    results[path] = {"said": said.getvalue(), "error": error}
from contrapose.objectives.catalogue import all_methods, loss
import torch
results["registered"] = [name for name in all_methods()]
results["loss"] = float(loss("hardest-hinge", torch.eye(3), torch.eye(3), parts=["mixed-negatives"], margin=1.5).total)
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """What the examples said; ``own_method`` is installed as a package that offers its method by an entry point."""
    site = tmp_path_factory.mktemp("site")
    (site / "own_method.py").write_text((EXAMPLES / "own_method.py").read_text())
    installed = site / "own_method-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: own-method\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[contrapose.methods]\nhardest-hinge = own_method:METHOD\n")
    paths = [str(EXAMPLES / f"{name}.py") for name in NAMES]
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL, *paths],
        capture_output=True,
        text=True,
        env=environment,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {Path(name).stem: result for name, result in json.loads(done.stdout).items()}


@pytest.mark.parametrize("name", NAMES)
def test_example_runs_and_its_loss_falls(results: dict[str, dict[str, str]], name: str) -> None:
    assert results[name]["error"] == ""
    losses = [
        float(number) for number in re.findall(r"^step +\d+ +loss ([\d.]+)", results[name]["said"], re.M)
    ]
    assert len(losses) >= 4
    assert losses[-1] < 0.6 * losses[0]


@pytest.mark.parametrize("name", NAMES)
def test_example_is_short(name: str) -> None:
    assert len((EXAMPLES / f"{name}.py").read_text().splitlines()) <= 60


def test_method_of_another_package_is_in_the_catalogue_and_takes_parts(results: dict[str, object]) -> None:
    assert results["registered"] == sorted([*all_methods(), "hardest-hinge"])
    assert results["loss"] == pytest.approx(0.5)
