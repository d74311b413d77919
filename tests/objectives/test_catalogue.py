"""Methods from other packages and from files: used where they can be, and a broken one breaks nothing but itself."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from contrapose.errors import UsageError
from contrapose.objectives import catalogue
from contrapose.objectives.catalogue import all_methods, describe, loss, method_named, recipe
from contrapose.objectives.simcse import simcse

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_method.py"

RECORD = """
from contrapose.contract import Method
from contrapose.objectives.simcse import simcse
METHOD = Method(
    name="{name}", idea="Mine.", paper="Me 2026, Mine", reference="https://example.org", objective=simcse{more}
)
"""


@pytest.fixture
def offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Installs a package that offers a method; the catalogue is read anew, and once more when the test is over."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(name: str, source: str) -> None:
        module = name.replace("-", "_") + "_plugin"
        (tmp_path / f"{module}.py").write_text(source)
        installed = tmp_path / f"{module}-1.0.dist-info"
        installed.mkdir()
        (installed / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (installed / "entry_points.txt").write_text(f"[contrapose.methods]\n{name} = {module}:METHOD\n")
        catalogue._catalogue.cache_clear()

    yield install
    catalogue._catalogue.cache_clear()
    for module in [name for name in sys.modules if name.endswith("_plugin")]:
        del sys.modules[module]


def test_a_packages_method_is_one_of_the_catalogue(offer: Callable[[str, str], None]) -> None:
    offer("mine", RECORD.format(name="mine", more=""))
    assert "mine" in all_methods()
    assert loss("mine", torch.eye(2), torch.eye(2)).total.isfinite()


@pytest.mark.parametrize(
    "source", ["import a_package_that_is_not_there", RECORD.format(name="simcse", more="")]
)
def test_a_package_that_takes_the_name_of_a_method_takes_nothing_from_it(
    source: str, offer: Callable[[str, str], None]
) -> None:
    offer("simcse", source)
    assert method_named("simcse").objective is simcse
    assert loss("simcse", torch.eye(2), torch.eye(2)).total.isfinite()


BROKEN = {
    "its import fails": ("import a_package_that_is_not_there", "ModuleNotFoundError"),
    "it ends the program": ("raise SystemExit(3)", "SystemExit: 3"),
    "it panics": ("raise BaseException('panic')", "BaseException: panic"),
    "it has no METHOD": ("OTHER = 1", "AttributeError"),
    "its METHOD is none": ("METHOD = 'simcse'", "is no Method but a str"),
    "its name is taken": (RECORD.format(name="simcse", more=""), "there is a method 'simcse' already"),
    "a part is not there": (RECORD.format(name="broken", more=", parts=('quue',)"), "'quue'"),
    "a default is for nothing": (RECORD.format(name="broken", more=", defaults={'nothing': 1}"), "nothing"),
    "its equation has no numbers to read": (
        RECORD.format(name="broken", more="").replace("objective=simcse", "objective=3"),
        "cannot be used",
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_package_is_left_out_with_one_warning_that_names_it(
    how: str, offer: Callable[[str, str], None], caplog: pytest.LogCaptureFixture
) -> None:
    source, reason = BROKEN[how]
    offer("broken", source)
    with caplog.at_level(logging.WARNING, "contrapose"):
        assert {"simcse", "hncse"} <= set(all_methods())
        assert {"simcse", "hncse"} <= {method["name"] for method in describe()}
        assert loss("simcse", torch.eye(2), torch.eye(2)).total.isfinite()
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert "'broken' is left out" in told[0]
    assert reason in told[0]
    with pytest.raises(UsageError) as refused:
        recipe("broken")
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_is_a_method_by_its_path() -> None:
    made = recipe(str(EXAMPLE), ["mixed-negatives"], {"margin": 1.5})
    assert made.method.name == "hardest-hinge"
    assert made.file_sha256 is not None
    assert "hardest-hinge" not in all_methods()
    assert describe(str(EXAMPLE))[0]["name"] == "hardest-hinge"
    found = loss(str(EXAMPLE), torch.eye(3), torch.eye(3), parts=["mixed-negatives"], margin=1.5)
    assert float(found.total) == pytest.approx(0.5)


def test_a_changed_file_is_another_method_and_an_unchanged_one_the_same(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(RECORD.format(name="first", more=""))
    first = recipe(str(path))
    assert recipe(str(path)).method is first.method
    path.write_text(RECORD.format(name="second", more=""))
    assert recipe(str(path)).method.name == "second"
    assert recipe(str(path)).file_sha256 != first.file_sha256
    assert [child.name for child in tmp_path.iterdir()] == ["mine.py"], "nothing is written beside the file"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import nothing_of_this_name", "line 1: ModuleNotFoundError"),
        ("x = 1\ny = x.nothing", "line 2: AttributeError"),
        ("def f(:", "line 1: SyntaxError"),
        ("import sys\nsys.exit(2)", "line 2: SystemExit: 2"),
        ("METHOD = 3", "a METHOD that is a int"),
        ("", "no METHOD"),
        ("a = '\x00'", "fails as it is read"),
        (RECORD.format(name="mine", more=", parts=('quue',)"), "'quue'"),
        ("from contrapose.objectives.contract import Method", "written for an earlier version"),
        (
            "def simcse(views, candidates=(), /, *, temperature: float = 0.05): ...\n"
            + RECORD.format(name="mine", more="").replace(
                "from contrapose.objectives.simcse import simcse", ""
            ),
            "takes (views, candidates), and is called with (table, views): write def equation(table, views",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_line(tmp_path: Path, source: str, reason: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(source)
    with pytest.raises(UsageError) as refused:
        recipe(str(path))
    assert reason in str(refused.value)
    assert "mine.py" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_or_is_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.py").mkdir()
    for name, reason in (("nowhere.py", "no such file"), ("folder.py", "cannot be read")):
        with pytest.raises(UsageError, match=reason):
            recipe(str(tmp_path / name))
