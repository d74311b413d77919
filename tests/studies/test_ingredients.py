"""ingredients compares each part with its whole method, and records as refused only what no repetition would change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from contrapose.errors import ModelError
from contrapose.experiment.measuring import Setting
from contrapose.experiment.trials import Trial
from studies import ingredients, measuring
from studies.measuring import Measuring
from tests.studies.test_reading import row


def test_a_part_is_compared_with_its_whole_method_over_equal_seeds() -> None:
    whole, part = "pnr", "pnr, its targets alone"
    scores = {"simcse": (80.0, 81.0), whole: (70.0, 71.1), part: (79.0, 80.0), "debcse": (75.0, 76.0)}
    rows = [
        row(value, seed=seed, variant=variant)
        for variant, values in scores.items()
        for seed, value in enumerate(values)
    ]
    words = ingredients.answer(rows, {"ingredients": rows}).words
    (said,) = [line for line in words if line.startswith(f"{part} beside {whole}, same seeds: ")]
    assert "higher by 8.95" in said
    assert not any("debcse, its" in line for line in words), "parts that were not run are not compared"


def test_every_variant_belongs_to_a_method_that_is_run_whole() -> None:
    assert set(ingredients.WHOLE_OF.values()) <= set(ingredients.VARIANTS)
    assert ingredients.WHOLE_OF["diffcse, its paper's learning rate"] == "diffcse"


def measuring_with(*, may_refuse: bool) -> Measuring:
    """One that has looked at the pretrained model already."""
    setting = Setting(corpus=("text.txt",), model="/somewhere/tiny")
    made = Measuring(setting, (), may_refuse=may_refuse)
    made.__dict__["pretrained"] = (None, np.zeros((1, 2)))
    return made


def test_only_what_the_model_cannot_serve_is_recorded_as_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = measuring_with(may_refuse=True)
    trial = Trial(factors={}, options={"method": "diffcse"})

    def failing(error: Exception) -> None:
        def run_of(*_: object) -> None:
            raise error

        monkeypatch.setattr(measuring, "run_of", run_of)

    failing(ModelError("/somewhere/tiny has no masked-language head"))
    assert made.measure(trial, tmp_path).facts == {"refused": "tiny has no masked-language head"}
    with pytest.raises(ModelError):
        measuring_with(may_refuse=False).measure(trial, tmp_path)
    passing = ModelError("cannot load: the connection was cut")
    passing.__cause__ = OSError()
    failing(passing)
    with pytest.raises(ModelError):
        made.measure(trial, tmp_path)
    failing(ModelError("in the middle of the training"))
    (tmp_path / "run").mkdir()
    (tmp_path / "run/metrics.jsonl").write_text('{"step": 1, "loss": 0.1}\n')
    with pytest.raises(ModelError):
        made.measure(trial, tmp_path)
