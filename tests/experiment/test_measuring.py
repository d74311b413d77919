"""What a trial measures: the encoder as it was trained, whatever a run by itself would hand out."""

from __future__ import annotations

from pathlib import Path

import pytest

from contrapose.experiment.measuring import Setting, encoder_of
from contrapose.selection.blend import SHARES
from tests.experiment.small import write_corpus
from tests.train.runs import plain_bert

OPTIONS = {
    "method": "simcse",
    "steps": 2,
    "batch_size": 8,
    "max_length": 16,
    "criterion": "label-free",
    "seed": 0,
}


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    folder = tmp_path_factory.mktemp("measuring")
    corpus = write_corpus(folder / "text.txt", copies=40)
    return Setting(corpus=(str(corpus),), model=str(plain_bert(folder / "model")), tasks=(), split="dev")


def test_a_trial_is_of_all_that_was_trained(setting: Setting, tmp_path: Path) -> None:
    _, facts = encoder_of(setting, setting.trial({}, OPTIONS), tmp_path)
    assert facts["blend"] == 1.0


def test_a_trial_is_blended_where_its_options_say_so(setting: Setting, tmp_path: Path) -> None:
    _, facts = encoder_of(setting, setting.trial({}, {**OPTIONS, "blend": 0.25}), tmp_path / "quarter")
    assert facts["blend"] == 0.25
    _, facts = encoder_of(setting, setting.trial({}, {**OPTIONS, "blend": "auto"}), tmp_path / "auto")
    assert facts["blend"] in SHARES
