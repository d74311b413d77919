"""The Flower app: what it does without Flower is run, what needs Flower is read; its environment is its own."""

from __future__ import annotations

import ast
import importlib
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import torch

from contrapose.objectives.catalogue import all_methods
from tests.tiny import SENTENCES, tiny_bert

APP = Path(__file__).parent.parent / "examples" / "federated_flower"


@pytest.fixture(scope="module")
def local_training() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(APP))
        module = importlib.import_module("contrapose_flower.local_training")
        for name in [name for name in sys.modules if name.startswith("contrapose_flower")]:
            patch.delitem(sys.modules, name)
    return module


def test_a_round_of_two_clients_moves_the_weights_and_its_average_is_a_model(
    local_training: ModuleType, tmp_path: Path
) -> None:
    model, text = str(tiny_bert(tmp_path / "tiny")), tmp_path / "lines.txt"
    lines = [f"{sentence} number {number}" for sentence in SENTENCES for number in range(4)]
    text.write_text("\n".join(lines) + "\n\n")
    parts = [local_training.lines_of(str(text), client, 2) for client in range(2)]
    assert sorted(parts[0] + parts[1]) == sorted(lines)
    server = local_training.weights_of(model)
    options = {"model": model, "method": "fedrcl", "steps": 2, "batch_size": 8}
    trained = [local_training.train_locally(server, part, seed=1, **options) for part in parts]
    assert sum(each.rows for each in trained) == len(set(lines))
    assert all(each.weights.keys() == server.keys() for each in trained)
    moved = [name for name in server if not torch.equal(trained[0].weights[name], server[name])]
    assert moved, "a client's training changed nothing"
    assert any(not torch.equal(trained[0].weights[name], trained[1].weights[name]) for name in moved)
    average = {name: (trained[0].weights[name] + trained[1].weights[name]) / 2 for name in moved}
    local_training.save_model(model, {**server, **average}, tmp_path / "averaged")
    saved = local_training.weights_of(str(tmp_path / "averaged"))
    for name in moved:
        torch.testing.assert_close(saved[name], average[name])


def test_the_parts_that_need_flower_are_python_and_are_named_in_its_configuration() -> None:
    project = tomllib.loads((APP / "pyproject.toml").read_text())
    app = project["tool"]["flwr"]["app"]
    for where in app["components"].values():
        module, _, name = where.partition(":")
        tree = ast.parse((APP / (module.replace(".", "/") + ".py")).read_text())
        assigned = {target.id for node in tree.body if isinstance(node, ast.Assign) for target in node.targets
                    if isinstance(target, ast.Name)}  # fmt: skip
        assert name in assigned
        read = {
            node.slice.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Subscript)
            and isinstance(node.slice, ast.Constant)
            and isinstance(node.value, ast.Name)
            and node.value.id == "config"
        }
        assert read <= app["config"].keys()
    assert app["config"]["method"] in all_methods()


def test_every_version_that_was_recorded_is_pinned() -> None:
    pins = (APP / "requirements.txt").read_text().splitlines()
    assert {"torch==2.13.0", "flwr[simulation]==1.41.0"} <= set(pins)
    record = (APP / "README.md").read_text().partition("## Recorded")[2]
    assert all(words in record for words in ("torch 2.13.0", "flwr 1.41.0"))
