"""contrapose federate with a tiny model: both runs, who the clients are, going on after a kill, and what is refused."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from contrapose.experiment.federation import CLIENT_OPTIONS
from contrapose.protocols.federated import Federated
from contrapose.train import loop
from tests.cli.conftest import Command
from tests.experiment.small import write_senteval
from tests.train.runs import Killed, texts

SMALL = ("--clients", 3, "--clients-per-round", 2, "--rounds", 2, "--local-steps", 2, "--topics", 2, "--alpha", 5,
         "--batch-size", 8, "--max-length", 16, "--set", "precision=fp32")  # fmt: skip


@pytest.fixture(scope="session")
def long_texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts that a label-free score can be taken on, of two kinds of words."""
    path = tmp_path_factory.mktemp("federate") / "long.txt"
    path.write_text("\n".join(texts(420)) + "\n")
    return path


@pytest.fixture
def arguments(tiny: Path, long_texts: Path, tmp_path: Path) -> list[object]:
    return ["federate", tiny, long_texts, "--method", "simcse", "--out", tmp_path / "out", *SMALL]


@pytest.fixture(scope="session")
def finished(tiny: Path, long_texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a federation that nothing interrupted."""
    from contrapose.cli.main import main

    out = tmp_path_factory.mktemp("finished") / "out"
    line = ["federate", tiny, long_texts, "--method", "simcse", "--out", out, *SMALL, "--quiet"]
    assert main([str(word) for word in line]) == 0
    return out


def result(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return read


def test_both_runs_have_as_many_steps_and_are_kept_with_their_models(finished: Path) -> None:
    for name in ("federated", "central"):
        summary = json.loads((finished / name / "summary.json").read_text())
        assert (summary["steps"], summary["chosen_step"] % 4) == (8, 0)
        assert (finished / name / "model" / "model.safetensors").exists()
    models = {model["method"]: model for model in result(finished)["methods"]}
    assert set(models) == {"central", "federated"}
    summary = json.loads((finished / "federated" / "summary.json").read_text())
    assert models["federated"]["gains"] == [summary["score_chosen"] - summary["score_before"]]


def test_the_clients_have_all_rows_and_are_described(finished: Path) -> None:
    told = result(finished)
    clients = told["clients"]
    assert sum(client["rows"] for client in clients) == 378
    assert sum(client["share"] for client in clients) == pytest.approx(1)
    assert sum(client["rounds"] for client in clients) == 2 * 2
    assert all(sum(client["topics"]) == pytest.approx(1) for client in clients)
    assert any(client["words"] for client in clients)
    assert 0 <= told["heterogeneity"] < 1
    page = (finished / "results.md").read_text()
    for words in ("## Clients", "client 2", "2 rounds of 2 clients with 2 steps each", "would send"):
        assert words in page


def test_the_same_command_goes_on_after_a_kill_and_ends_with_the_same_model(
    contrapose: Command,
    arguments: list[object],
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    step, steps = loop._one_step, []

    def killed(session: Any, tokenized: Any) -> None:
        step(session, tokenized)
        steps.append(session.progress.step)
        if len(steps) == 3:
            raise Killed

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(loop, "_one_step", killed)
        with pytest.raises(Killed):
            contrapose(*arguments, "--set", "save_every=1")
    assert steps == [1, 2, 3]
    assert not (out / "trials.jsonl").exists()
    longer = contrapose(*arguments, "--set", "save_every=1", "--rounds", 3)
    assert (longer.code, "rounds: 2 there, 3 now" in longer.err) == (2, True), longer.err
    done = contrapose(*arguments, "--set", "save_every=1", "--json")
    assert (done.code, done.err) == (0, "")
    assert done.json["clients"] == result(finished)["clients"]
    weights = [
        (folder / "federated" / "model" / "model.safetensors").read_bytes() for folder in (out, finished)
    ]
    assert weights[0] == weights[1]


def test_with_labels_the_models_are_compared_by_them_too(
    contrapose: Command, arguments: list[object], tmp_path: Path
) -> None:
    data = write_senteval(tmp_path / "senteval")
    done = contrapose(*arguments, "--data", data, "--tasks", "STS-B")
    assert done.code == 0, done.err
    assert {words for words in ("start", "central", "federated", "Clients") if words in done.out} == {
        "start", "central", "federated", "Clients",
    }  # fmt: skip
    values = {model["method"]: model["values"] for model in result(tmp_path / "out")["methods"]}
    assert set(values) == {"start", "central", "federated"}
    assert all(set(each[0]) == {"STS-B"} for each in values.values())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--clients", 60), "378 rows to train on are too few for 60 clients of at least 8 rows"),
        (("--clients-per-round", 4), "clients_per_round=4 is more than there are clients (3)"),
        (("--alpha", 0), "--alpha 0: give a number above 0"),
        (("--set", "steps=5"), "the steps follow from --rounds"),
        (("--set", "training.steps=5"), "the steps follow from --rounds"),
        (("--set", "clients=9"), "--set clients: there is --clients"),
        (("--set", "dirichlet_alpha=9"), "--set dirichlet_alpha: there is --alpha"),
        (("--set", "local_steps=9"), "there is --local-steps"),
        (("--set", "patience=1"), "--set patience: a run that stops early"),
        (("--set", "eval_every=3"), "eval_every must be a multiple of"),
        (("--set", "parts=queue"), "--set parts: there is --with"),
        (("--set", "margim=1"), "unknown key 'margim'"),
        (("--with", "queue"), "vectors of one client's text to the next"),
        (("--averaging", "median"), "--averaging"),
        (("--method", "simcce"), "unknown method"),
    ],
)
def test_what_cannot_be_is_refused_before_any_training(
    contrapose: Command, arguments: list[object], tmp_path: Path, options: tuple[object, ...], words: str
) -> None:
    done = contrapose(*arguments, *options)
    assert (done.code, words in " ".join(done.err.split())) == (2, True), done.err
    assert not (tmp_path / "out").exists()
    assert not list((tmp_path / "out").glob("*/checkpoints/*"))


def test_every_hyperparameter_of_the_protocol_has_an_option_of_its_own(contrapose: Command) -> None:
    assert set(CLIENT_OPTIONS) == set(inspect.signature(Federated.__init__).parameters) - {"self"}
    shown = contrapose("federate", "--help").out
    assert all(option in shown for option in CLIENT_OPTIONS.values())


def test_runs_that_diverge_are_told_and_the_clients_are_shown_all_the_same(
    contrapose: Command, arguments: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "what_is_not_finite", lambda *_: "the loss is not finite")
    done = contrapose(*arguments, "--set", "max_skipped=1")
    assert done.code == 0, done.err
    told = result(tmp_path / "out")
    assert [(model["seeds"], len(model["failed"])) for model in told["methods"]] == [([], 1), ([], 1)]
    page = (tmp_path / "out" / "results.md").read_text()
    for name in ("federated", "central"):
        assert f"{name} diverged: " in page
    assert "nothing was measured" in page
    assert len(told["clients"]) == 3


def test_the_report_reads_what_it_says(contrapose: Command, finished: Path, tmp_path: Path) -> None:
    done = contrapose("report", finished, "-o", tmp_path / "report.html")
    assert done.code == 0
    assert "give the command again" not in done.err
    assert "the federated run gained" in (tmp_path / "report.html").read_text()
