"""Benchmarks run where there is no data folder: on text that every machine has."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks.data import WIKIPEDIA, data_folder, own_corpus

import benchmarks
from benchmarks import speed
from tests.train.runs import plain_bert


def test_without_a_data_folder_text_is_harvested(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from contrapose.data.quarantine import Quarantine
    from contrapose.data.readers import read_rows

    monkeypatch.delenv("CONTRAPOSE_DATA", raising=False)
    assert data_folder() is None
    source = tmp_path / "a.py"
    source.write_text('def double(number):\n    """Return twice the number that is given."""\n')
    corpus = own_corpus(None, tmp_path, [str(source)])
    assert [row.texts for row in read_rows(corpus, quarantine=Quarantine())] == [
        ("Return twice the number that is given.",)
    ]


def test_the_data_folder_is_the_users_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CONTRAPOSE_DATA", str(tmp_path))
    (tmp_path / WIKIPEDIA).parent.mkdir(parents=True)
    (tmp_path / WIKIPEDIA).write_bytes(b"")
    assert own_corpus(data_folder(), tmp_path) == str(tmp_path / WIKIPEDIA)


def test_speed_measures_harvested_text_and_leaves_evaluation_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CONTRAPOSE_DATA", raising=False)
    monkeypatch.setattr("sys.argv", ["speed"])
    seen: list[str] = []
    monkeypatch.setattr(speed, "own_corpus", lambda data, place: str(tmp_path))
    monkeypatch.setattr(speed, "training", lambda corpus, steps: seen.append(corpus) or {"rate": 1})
    monkeypatch.setattr(speed, "evaluation", lambda _: pytest.fail("there are no data to evaluate on"))
    speed.main()
    assert seen == [str(tmp_path)]
    assert f"text: {tmp_path.name}" in capsys.readouterr().out


def test_only_named_folders_are_looked_in() -> None:
    """A folder beside the checkout is the developers' own; tests may look there, the product may not."""
    root = Path(__file__).resolve().parent.parent
    named = [
        path.name
        for folder in ("src", "benchmarks", "examples")
        for path in (root / folder).rglob("*.py")
        if "shared/data" in path.read_text("utf-8")
    ]
    assert named == []


def test_every_rival_of_the_training_benchmark_runs(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n".join(f"Sentence {number} says {number * 7} things." for number in range(200)))
    assert all(second > 0 for second in speed.our_steps(str(corpus), 1, "simcse"))
    batches = speed.text_batches(str(corpus), 1, speed.BATCH_SIZE)
    assert [len(batch) for batch in batches] == [speed.BATCH_SIZE]
    assert len(set(batches[0])) == speed.BATCH_SIZE
    speed.plain_step(batches)(0)


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(benchmarks.__path__)])
def test_every_benchmark_can_be_imported(name: str) -> None:
    importlib.import_module(f"benchmarks.{name}")


def test_the_rival_of_the_transfer_benchmark_trains_as_the_protocol_says() -> None:
    from benchmarks.transfer import PROTOCOL, OneAfterTheOther

    from contrapose.evaluate.senteval_transfer import LabelledTexts
    from contrapose.evaluate.transfer import TransferTask

    labels_N = np.arange(60) % 2
    texts = tuple(f"text {number}" for number in range(60))
    data = LabelledTexts(
        task="CR", first=texts, labels_N=labels_N, split=np.full(60, "all"), class_names=("0", "1"), text="",
        folder="", fingerprint="",
    )  # fmt: skip
    # So wide that what it learns in its fewest steps is more than what its random beginning says.
    x_ND = np.repeat(np.stack([labels_N, 1 - labels_N], axis=1), 256, axis=1).astype(np.float32)
    rival = OneAfterTheOther(x_ND, TransferTask(data=data, protocol=PROTOCOL), outer=1)
    predict = rival._train(np.arange(40), np.arange(40, 50), 1e-4)
    assert rival.trainings == 1
    assert rival._right(predict, np.arange(50, 60)).all()


def test_every_method_has_a_loss_whose_cost_can_be_measured() -> None:
    from benchmarks.overhead import loss_of

    from contrapose.objectives.catalogue import all_methods

    for name in all_methods():
        loss_of(name)()


def test_overhead_is_a_ratio_to_simcse_and_names_what_a_model_cannot_serve(tmp_path: Path) -> None:
    from benchmarks.overhead import loss_ratios, step_ratios

    from studies.methods_page import page

    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n".join(f"sentence number {number} of the text" for number in range(200)) + "\n")
    losses = loss_ratios(["simcse", "hncse"], rounds=1)
    assert losses["simcse"] == 1.0
    assert losses["hncse"] > 0
    steps, reasons = step_ratios(
        ["simcse", "diffcse"], str(plain_bert(tmp_path / "model")), str(corpus), rounds=1
    )
    assert set(steps) == {"simcse"}
    assert "generator" in reasons["diffcse"]
    report = {"machine": {}, "model": "tiny", "loss": losses, "step": steps}
    assert "| [`hncse`](methods/hncse.md) | " in page(None, report)


def test_losses_are_measured_in_turns_with_simcse_and_the_products_that_any_loss_has() -> None:
    from benchmarks import losses

    rows = losses.measure(quick=True)
    assert len(rows) == 2 * len(losses.GOALS)
    for row in rows:
        assert set(row) == {"name", "predicted", "measured", "floor", "times_floor", "rival", "note"}
        assert row["predicted"] in losses.GOALS.values()
        assert row["measured"] > 0 < row["floor"]
    (own,) = {row["measured"] for row in losses.measure(quick=True, methods=["simcse"])}
    assert own == 1.0


def test_the_gpu_benchmark_measures_nothing_without_a_device_and_everything_at_a_tiny_size() -> None:
    from benchmarks import gpu

    if not torch.cuda.is_available():
        (row,) = gpu.measure(quick=True)
        assert row["measured"] is None
        assert row["note"] == gpu.NO_DEVICE
    rows = {row["name"]: row for row in gpu.measure(quick=True, device="cpu")}
    checked = [row for name, row in rows.items() if name.startswith("check: ")]
    assert len(checked) == 4
    assert {row["note"] for row in checked} <= {"right", "nothing to check here"}
    timed = [name for name, row in rows.items() if row["measured"] and not name.startswith("check: ")]
    assert len(timed) == 6
    assert all("CPU, to test the program" in rows[name]["note"] for name in timed if name.endswith("TFLOP/s"))


def test_nothing_is_timed_where_a_check_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.gpu_checks import Check

    from benchmarks import gpu

    monkeypatch.setattr(gpu, "checks", lambda *_: [Check("a kernel", 0.5, 0.25)])
    (row,) = gpu.measure(quick=True, device="cpu")
    assert (row["measured"], row["note"]) == (0.5, "NOT RIGHT")


def test_large_batches_are_measured_in_memory_and_time() -> None:
    from benchmarks import large_batches

    rows = large_batches.measure(quick=True)
    assert len(rows) == 3
    for row in rows:
        assert list(row) == ["name", "predicted", "measured", "floor", "times_floor", "rival", "note"]
        assert row["measured"] > 0
        assert row["times_floor"] == pytest.approx(row["measured"] / row["floor"])
