"""Every wrong configuration is refused in one line, before anything is loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from contrapose.config import read_toml, to_toml
from contrapose.errors import UsageError
from contrapose.objectives.catalogue import recipe
from contrapose.train.configuration import nested, parse_assignments, resolve, section_of
from contrapose.train.settings import SECTIONS, RunSettings, run_folder, steps_of
from tests.waiting import PATIENCE

BASE: dict[str, Any] = {"corpus": ("a.txt",), "out": "run"}

WRONG: list[dict[str, Any]] = [
    *({"steps": value} for value in (0, -1, 1.5, "many", "")),
    *({"epochs": value} for value in (0, -1, 1001, float("nan"), "all")),
    {"steps": 5, "epochs": 1},
    {"steps": 5, "warmup_steps": 5},
    *({"batch_size": value} for value in (1, 0, -8, 2.5, "big")),
    *({"chunk_size": value} for value in (0, -1, "x")),
    *({"learning_rate": value} for value in (0, -1e-5, 1, 3, float("inf"), float("nan"), "fast")),
    *({"max_length": value} for value in (2, 0, -1, 100_001)),
    {"warmup_steps": -1},
    *({"weight_decay": value} for value in (-0.1, 1)),
    *({"max_grad_norm": value} for value in (0, -1, float("inf"))),
    *({"seed": value} for value in (-1, 2**63, 0.5)),
    {"precision": "fp8"},
    *({"length_groups": value} for value in (0, 65)),
    {"mask_repeats": "perhaps"},
    {"max_skipped": 0},
    *({"views": value} for value in ("drop-out", "none", 2)),
    *({"min_words": value} for value in (0, -1)),
    {"max_characters": 0},
    *({"max_bad_share": value} for value in (-0.1, 1.1)),
    {"held_out_rows": -1},
    {"model": ""},
    {"pooling": "mean"},
    {"head": "deep"},
    *({"dropout": value} for value in (-0.1, 1, "some")),
    {"criterion": "loss"},
    {"criterion": "stsb-dev"},
    {"criterion": "label-free", "dev_data": "x"},
    {"criterion": "none", "dev_data": "x"},
    {"criterion": "none", "patience": 2},
    *({"eval_every": value} for value in (0, -5)),
    {"patience": 0},
    {"save_every": 0},
    *({"keep": value} for value in (0, 1)),
    {"views": "pairs", "columns": ("text",)},
    {"views": "dropout", "columns": ("a", "b")},
    {"out": ""},
    {"out": "a\0b"},
    {"training.batchsize": 8},
    {"trainning.batch_size": 8},
    {"data.text": 1},
    {"encoder.trust_remote_code": True},
]
WRONG_METHODS: list[dict[str, Any]] = [
    {"method": "simsce"},
    {"method": "simcse", "parts": ("queues",)},
    {"method": "hncse-hnm", "parts": ("mixed-negatives",)},
    {"method": "simcse", "margin": 0.3},
    {"method": "simcse", "temperature": 0},
    {"method": "simcse", "temperature": "hot"},
    {"method": "simcse", "learning_rte": 1e-5},
    {"method": "focal-infonce", "negative_map": "other"},
    {"method": "hncse-hnm", "k": 1},
    {"method": "hncse-hnm", "num_mixtures": 0},
    {"method": "hncse-hnm", "pool": "queue"},
    {"method": "hncse-hnm", "pool_queue_size": 10},
]


@pytest.mark.parametrize("options", WRONG, ids=str)
def test_a_wrong_value_is_refused_in_one_line_that_names_it(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as refused:
        resolve(nested({**BASE, **options}))
    message = str(refused.value)
    assert "\n" not in message
    assert any(str(name).split(".")[-1] in message for name in options)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("options", WRONG_METHODS, ids=str)
def test_a_wrong_method_part_or_number_is_refused_in_one_line(options: dict[str, Any]) -> None:
    settings = resolve(nested({**BASE, **options}))
    with pytest.raises(UsageError) as refused:
        recipe(settings.method.name, settings.method.parts, settings.method.hyperparameters)
    assert "\n" not in str(refused.value)


def test_there_are_enough_wrong_configurations() -> None:
    assert len(WRONG) + len(WRONG_METHODS) >= 60


def test_what_is_missing_is_named() -> None:
    with pytest.raises(UsageError, match="no run folder: give --out"):
        resolve(nested({"corpus": ("a",)}))
    for corpus in ((), None):
        with pytest.raises(UsageError, match="no corpus"):
            resolve(nested({"out": "x", "corpus": corpus}))


def test_bare_names_go_to_their_section_and_unknown_ones_to_the_method() -> None:
    made = nested({"batch_size": 8, "model": "m", "method": "simcse", "with": ("queue",), "k": 5, "out": "o"})
    assert made == {
        "training": {"batch_size": 8},
        "encoder": {"model": "m"},
        "method": {"name": "simcse", "parts": ("queue",), "hyperparameters": {"k": 5}},
        "out": "o",
    }


def test_no_bare_name_is_in_two_sections() -> None:
    names = [name for model in SECTIONS.values() for name in model.model_fields]
    assert len(names) == len(set(names))
    for section, model in SECTIONS.items():
        for name in model.model_fields:
            if (section, name) != ("method", "name"):
                assert section_of(name) == (section, name)


def test_none_means_not_given() -> None:
    assert nested({"steps": None, "seed": 0}) == {"training": {"seed": 0}}


def test_dotted_names_reach_into_tables() -> None:
    assert nested({"method.hyperparameters.k": 5}) == {"method": {"hyperparameters": {"k": 5}}}
    with pytest.raises(UsageError, match=r"unknown section 'trainin' in 'trainin.steps'.*'training'"):
        nested({"trainin.steps": 5})


def test_assignments_are_typed_and_malformed_ones_refused() -> None:
    assert parse_assignments(["k=5", "a.b=0.5", "pool=batch", "x=true", "y= [1, 2]", "z=a=b"]) == {
        "k": 5,
        "a.b": 0.5,
        "pool": "batch",
        "x": True,
        "y": [1, 2],
        "z": "a=b",
    }
    for wrong in ("k", "=5", " =5", ""):
        with pytest.raises(UsageError, match="--set takes key=value"):
            parse_assignments([wrong])


def test_later_layers_win() -> None:
    settings = resolve(
        nested({**BASE, "steps": 5, "seed": 1}), nested({"steps": 7}), nested({"training.seed": 2})
    )
    assert (settings.training.steps, settings.training.seed) == (7, 2)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"method": "hncse-hnm", "k": 5, "parts": ("queue",), "columns": ("a", "b"), "epochs": 0.5, "keep": 4},
    ],
)
def test_the_resolved_configuration_can_be_fed_back(tmp_path: Path, options: dict[str, Any]) -> None:
    settings = resolve(nested({**BASE, **options}))
    (tmp_path / "config.toml").write_text(to_toml(settings))
    assert resolve(read_toml(tmp_path / "config.toml")) == settings


def of(**options: Any) -> RunSettings:
    return resolve(nested({**BASE, **options}))


def test_the_number_of_steps_covers_the_epochs() -> None:
    assert steps_of(of(batch_size=8), 120) == 15
    assert steps_of(of(batch_size=8), 121) == 16
    assert steps_of(of(batch_size=8, epochs=0.1), 120) == 2
    assert steps_of(of(batch_size=8, epochs=2), 60) == 15
    assert steps_of(of(batch_size=100, epochs=0.001), 120) == 1
    assert steps_of(of(batch_size=8, steps=3), 120) == 3


def test_evaluations_are_four_in_a_short_run_and_regular_in_a_long_one() -> None:
    assert of().selection.evaluation_interval(100) == 25
    assert of().selection.evaluation_interval(3) == 1
    assert of().selection.evaluation_interval(6) == 2
    assert of().selection.evaluation_interval(10) == 3
    assert of().selection.evaluation_interval(10_000) == 125
    assert of(eval_every=7).selection.evaluation_interval(100) == 7


def test_the_run_folder_may_be_in_the_home() -> None:
    assert run_folder(of(out="~/x")) == Path.home() / "x"


def test_settings_are_checked_without_torch() -> None:
    code = (
        "import sys, contrapose.train.settings; print('torch' in sys.modules, 'transformers' in sys.modules)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert shown.stdout.split() == ["False", "False"]
