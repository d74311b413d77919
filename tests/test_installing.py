"""The command that installs an extra is one that works where contrapose came from."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from contrapose import installing
from contrapose.cli.examination import EXTRAS
from contrapose.errors import MissingExtra

ROOT = Path(__file__).resolve().parent.parent


def declared() -> dict[str, list[str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras: dict[str, list[str]] = project["optional-dependencies"]
    return extras


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "my sources"
    folder.mkdir()
    for name in ("pyproject.toml", "constraints.txt"):
        (folder / name).write_text("")
    return folder


class Installed:
    """A distribution that says where it came from, as pip notes it."""

    def __init__(self, told: Any) -> None:
        self.told = told

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return self.told


def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, told: Any) -> None:
    """As if the package's own files lay in site-packages."""
    monkeypatch.setattr(
        installing, "__file__", str(tmp_path / "lib" / "site-packages" / "contrapose" / "x.py")
    )
    monkeypatch.setattr(installing, "distribution", lambda _: Installed(told))


def test_from_a_checkout_it_is_the_checkout() -> None:
    command = installing.install_command("mteb")
    assert command.startswith("cd ")
    assert command.endswith("-c constraints.txt -e '.[mteb]'")


@pytest.mark.parametrize(("editable", "option"), [(True, "-e "), (False, "")])
def test_what_was_installed_from_a_folder_is_installed_from_it_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sources: Path, editable: bool, option: str
) -> None:
    told = {"url": sources.as_uri(), "dir_info": {"editable": editable}}
    elsewhere(monkeypatch, tmp_path, json.dumps(told))
    command = installing.install_command("st")
    assert command.startswith(f"cd '{sources}' && ")
    assert command.endswith(f"pip install -c constraints.txt {option}'.[st]'")


@pytest.mark.parametrize("told", [None, "", "{", "[]", '{"url": 3}', '{"url": "https://host/x.whl"}'])
def test_what_came_from_an_index_is_installed_from_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, told: Any
) -> None:
    elsewhere(monkeypatch, tmp_path, told)
    assert installing.install_command("st").endswith("pip install 'contrapose[st]'")


def test_another_pythons_pip_is_not_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: str(tmp_path / "bin" / "pip"))
    assert f"{sys.executable} -m pip install" in installing.install_command("st")
    monkeypatch.setattr(shutil, "which", lambda _: str(Path(sys.executable).parent / "pip"))
    assert "&& pip install" in installing.install_command("st")


def test_a_missing_extra_says_it() -> None:
    told = str(MissingExtra("a sweep", "sweep", "optuna"))
    assert installing.install_command("sweep") in told


def test_no_message_names_an_index_that_has_no_contrapose_yet() -> None:
    """Until there is a release, every line of installation works from the sources."""
    named = [
        str(path.relative_to(ROOT))
        for folder in ("src", "examples", "benchmarks", "docs")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".md") and path.name != "installing.py"
        if "pip install 'contrapose" in path.read_text("utf-8")
        or "pip install contrapose" in path.read_text("utf-8")
    ]
    assert named == []
    assert "pip install 'contrapose" not in (ROOT / "README.md").read_text("utf-8")


def test_the_doctor_looks_at_every_extra() -> None:
    assert set(EXTRAS) == set(declared()) - {"dev", "all"}


def test_every_extra_is_in_all() -> None:
    (everything,) = declared()["all"]
    assert everything == f"contrapose[{','.join(EXTRAS)}]"


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_takes_torch_from_the_index_that_is_named() -> None:
    def lines(*words: str) -> str:
        # -B: as in a new clone; -n: only say what would be done.
        done = subprocess.run(
            ["make", "-nB", *words, "setup"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        return next(line for line in done.stdout.splitlines() if "torch==" in line)

    assert "--index-url" not in lines()
    cpu = lines("TORCH_INDEX=https://download.pytorch.org/whl/cpu")
    assert "--no-deps --index-url https://download.pytorch.org/whl/cpu torch==2.13.0" in cpu
