"""What people import: few names, nothing heavy, and packages that can be called."""

from __future__ import annotations

import inspect
import pydoc
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import contrapose
from tests.tiny import SENTENCES, tiny_bert
from tests.waiting import PATIENCE


def test_import_loads_nothing_heavy() -> None:
    code = """
import sys
import contrapose
dir(contrapose), contrapose.__version__, contrapose.ContraposeError
heavy = ("torch", "transformers", "pyarrow", "numpy", "pydantic")
sys.exit(" ".join(name for name in heavy if name in sys.modules) or None)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_list_of_names_is_frozen() -> None:
    assert sorted(contrapose.__all__) == [
        "Adaptation", "ContraposeError", "Encoder", "Run", "__version__", "adapt", "evaluate", "loss", "methods",
        "pretrain", "train",
    ]  # fmt: skip
    assert set(contrapose.__all__) <= set(dir(contrapose))
    assert all(getattr(contrapose, name) is not None for name in contrapose.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = contrapose.trian  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "order", ["contrapose.train", "from contrapose.train import settings", "import contrapose.evaluate.suite"]
)
def test_rooms_stay_callable_whatever_was_imported_first(order: str) -> None:
    code = f"import contrapose; {order}; assert callable(contrapose.train) and callable(contrapose.evaluate)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr


def test_loss_and_methods() -> None:
    total = contrapose.loss("focal-infonce", torch.eye(3), torch.eye(3), temperature=0.05, margin=0.3).total
    assert torch.isfinite(total)
    assert "hncse" in [method["name"] for method in contrapose.methods()]


def test_train_encode_evaluate_from_python(tmp_path: Path) -> None:
    model = tiny_bert(tmp_path / "tiny")
    text = tmp_path / "text.txt"
    text.write_text("".join(f"{line} {place}\n" for line in SENTENCES for place in range(4)))
    run = contrapose.train(text, model=model, method="hncse-hnm", out=tmp_path / "run", steps=2, batch_size=8, k=3,
                           criterion="none", held_out_rows=0)  # fmt: skip
    assert isinstance(run, contrapose.Run)
    assert [row["step"] for row in run.metrics] == [1, 2]
    vectors = contrapose.Encoder.load(run.model_folder).encode(["a cat"], normalize=True)
    assert vectors.shape == (1, 32)
    by_folder = contrapose.evaluate(run.model_folder, tasks=["geometry"], texts=list(SENTENCES))
    by_encoder = contrapose.evaluate(run.encoder, tasks=["geometry"], texts=list(SENTENCES))
    assert by_folder.value("geometry", "uniformity") == pytest.approx(
        by_encoder.value("geometry", "uniformity")
    )


def test_help_shows_the_signature_and_what_each_argument_is() -> None:
    for name, words in {
        "train": (
            "train(corpus: ",
            "steps: 'int | None' = None",
            "learning_rate: ",
            "rows per step",
            "-> 'Run'",
        ),
        "evaluate": ("evaluate(encoder: ", "tasks: ", "split: ", "groups", "-> 'Evaluation'"),
        "loss": ("loss(method: 'str'", "anchor: ", "-> 'Loss'"),
        "methods": ("-> 'list[dict[str, Any]]'",),
        "Encoder": ("class Encoder", "encode(self, ", "load("),
    }.items():
        shown = pydoc.plain(pydoc.render_doc(getattr(contrapose, name)))
        assert not [word for word in words if word not in shown], name
        assert "*args" not in shown.partition("\n\nclass ")[0] or name == "Encoder"


@pytest.mark.parametrize("name", ["train", "evaluate"])
def test_a_room_has_the_signature_of_its_function_and_stays_a_module(name: str) -> None:
    package = getattr(contrapose, name)
    signature = inspect.signature(package)
    assert signature == inspect.signature(getattr(package, name))
    wide = {each.name for each in signature.parameters.values() if each.kind is each.VAR_POSITIONAL}
    assert wide == set()
    assert inspect.ismodule(package)
    assert name in dir(package)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = package.nothing


def test_train_names_every_option_of_the_command_line() -> None:
    from contrapose.cli.settings_options import with_settings
    from contrapose.cli.train import train as verb
    from contrapose.train.configuration import section_of

    flags = set(inspect.signature(with_settings(verb)).parameters) - {"config", "set_", "quiet", "json"}
    flags -= {"recipe"}  # the settings of a paper, which a script names one by one
    flags -= {"engine", "address", "workers"}  # where processes are started; a call is one of them
    named = set(inspect.signature(contrapose.train).parameters)
    assert len(flags & named) > 25
    assert {flag for flag in flags - named if section_of(flag) is None} == set(), "taken as any other key"


def test_the_arguments_of_train_name_every_way_to_make_views() -> None:
    from contrapose.text.catalogue import all_text_parts
    from contrapose.train.api import train

    own = [name for name, part in all_text_parts().items() if part.__module__.startswith("contrapose.")]
    assert len(own) >= 9
    assert [name for name in own if f"``{name}``" not in (train.__doc__ or "")] == []
