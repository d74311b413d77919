"""The page about a task of one's own: its code is run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from contrapose.evaluate import dataset_sources
from contrapose.evaluate.groups import GROUPS
from contrapose.evaluate.suite import evaluate
from tests.cli.conftest import Command, contrapose
from tests.evaluate.fakes import FakeEncoder

__all__ = ["contrapose"]
PAGE = Path(__file__).parents[2] / "docs/adding-a-task.md"
ROWS = ["cat\tcats\tstone", "dog\tdogs\triver", "sun\tmoon\tsuns"]


@pytest.fixture
def triplets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder with the page's file, and the package with the page's task in its two tables."""
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    module = ModuleType("contrapose.evaluate.triplets")
    monkeypatch.setitem(__import__("sys").modules, module.__name__, module)  # dataclasses look it up
    exec(compile(code[1], str(PAGE), "exec"), module.__dict__)
    monkeypatch.setattr(dataset_sources, "LAYOUTS", (*dataset_sources.LAYOUTS, module.sources))
    monkeypatch.setitem(GROUPS, "triplets", "is the positive nearer than the negative?")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/triplets.tsv").write_text("\n".join(ROWS) + "\n")
    return tmp_path


def by_first_letter(text: str) -> np.ndarray:
    return np.eye(26)[ord(text[0]) - ord("a")] + 0.01


def test_the_task_of_the_page_is_measured_with_an_interval(triplets: Path) -> None:
    evaluation = evaluate(FakeEncoder(by_first_letter), ["triplets"], triplets)
    assert not evaluation.problems
    (result,) = evaluation.results
    assert (result.task, result.metric, result.rows) == ("mine", "accuracy", 3)
    assert result.value == pytest.approx(100 * 2 / 3)
    low, high = result.details["interval"]
    assert low < result.value < high


def test_a_bad_line_of_its_file_is_a_problem_with_its_line(triplets: Path) -> None:
    (triplets / "mine/triplets.tsv").write_text(ROWS[0] + "\none\ttwo\n")
    evaluation = evaluate(FakeEncoder(by_first_letter), ["mine"], triplets)
    assert [problem.task for problem in evaluation.problems] == ["mine"]
    assert "triplets.tsv:2: expected three texts" in evaluation.problems[0].message


def test_the_command_line_lists_it_without_another_edit(triplets: Path, contrapose: Command) -> None:
    said = contrapose("evaluate", "--list", "--data", str(triplets))
    assert "mine" in said.out
    assert "is the positive nearer than the negative?" in said.out
