"""Rounds of clients: averages are those of the loops, and a run that is killed anywhere ends with the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from contrapose.errors import UsageError
from contrapose.objectives.catalogue import recipe
from contrapose.protocols.federated import Federated
from contrapose.train.checkpoint import load
from tests.train.runs import (
    Killed,
    Place,
    Witness,
    outcome,
    plain_bert,
    run_tiny,
    step_rows,
    texts,
    write_place,
)

ROWS = 24
#: Two rounds of two of three clients, three steps each.
FEDERATED: dict[str, Any] = {
    "method": "simcse", "parts": ["federated"], "clients": 3, "clients_per_round": 2, "local_steps": 3, "topics": 2,
    "dirichlet_alpha": 5.0,
}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("federated")
    return write_place(folder, plain_bert(folder / "bert"))


def weights() -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(0)
    shapes = {"matrix": (3, 2), "bias": (4,)}
    return {name: torch.randn(shape, generator=random, dtype=torch.float64) for name, shape in shapes.items()}


def attached(given: dict[str, Tensor], **options: Any) -> Federated:
    protocol = Federated(**options)
    client_N = np.random.default_rng(3).integers(protocol.clients, size=ROWS)
    protocol.take({"client": client_N})
    protocol.attach(given, torch.arange(ROWS) + 100, seed=7)
    return protocol


def trained(weight: Tensor, client_rows: list[int], local_step: int) -> Tensor:
    """What stands for a step of a client: it depends on the weights, on whose rows they are, and on the step."""
    return weight * 0.9 + sum(client_rows) / 1000 + local_step / 7


@pytest.mark.parametrize("averaging", ["rows", "uniform"])
@pytest.mark.parametrize("skipped", [(), (2,), (3, 8), (5, 11)], ids=str)
def test_two_rounds_are_those_of_the_loops(averaging: str, skipped: tuple[int, ...]) -> None:
    """A skipped step changes nothing, also where it is a client's last."""
    given = weights()
    protocol = attached(given, clients=4, clients_per_round=2, local_steps=3, averaging=averaging)
    server = {name: weight.clone() for name, weight in given.items()}
    rows_of = {
        client: [100 + row for row in range(ROWS) if protocol.client_of_row[row] == client]
        for client in range(4)
    }

    for step in range(12):
        assert protocol.restarts_optimizer_at(step) == (step % 3 == 0)
        protocol.before(step, given)
        rows = protocol.rows(step).tolist()
        if step not in skipped:
            for weight in given.values():
                weight.copy_(trained(weight, rows, step % 3))
            protocol.after(step, given)
        protocol.settle(step, given)

    step = 0
    for number in range(2):
        drawn = protocol.clients_in(number)
        assert len(set(drawn)) == 2
        total = sum(len(rows_of[client]) for client in drawn)
        average = {name: torch.zeros_like(weight) for name, weight in server.items()}
        for client in drawn:
            own = {name: weight.clone() for name, weight in server.items()}
            for local_step in range(3):
                if step not in skipped:
                    own = {name: trained(weight, rows_of[client], local_step) for name, weight in own.items()}
                step += 1
            share = len(rows_of[client]) / total if averaging == "rows" else 0.5
            for name, weight in own.items():
                average[name] += share * weight
        server = average
    for name, weight in given.items():
        torch.testing.assert_close(weight, server[name], rtol=1e-12, atol=1e-12)


def test_rounds_draw_clients_anew_and_without_replacement() -> None:
    protocol = attached(weights(), clients=8, clients_per_round=3)
    drawn = [tuple(protocol.clients_in(number)) for number in range(30)]
    assert len(set(drawn)) > 10
    assert {client for clients in drawn for client in clients} == set(range(8))
    assert all(len(set(clients)) == 3 for clients in drawn)
    assert sum(protocol.shares_in(4)) == pytest.approx(1)


def test_clients_of_a_round_have_the_same_learning_rates_which_fall_over_the_run() -> None:
    protocol = Federated(clients=4, clients_per_round=2, local_steps=3)
    assert [protocol.rate_step(step) for step in range(12)] == [0, 2, 4, 0, 2, 4, 6, 8, 10, 6, 8, 10]


def test_rows_of_a_step_are_its_clients_alone() -> None:
    protocol = attached(weights(), clients=3, local_steps=2)
    seen = [protocol.rows(step).tolist() for step in range(6)]
    assert seen[0] == seen[1] != seen[2]
    assert sorted(row for rows in seen[::2] for row in rows) == list(range(100, 100 + ROWS))


@pytest.fixture(scope="module")
def whole(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "whole"
    return run_tiny(place, out, save_every=1, keep=20, **FEDERATED).folder


def test_a_client_begins_with_the_weights_of_the_server_and_an_empty_optimizer(whole: Path) -> None:
    name = "encoder.layer.0.attention.self.query.weight"

    def of(step: int, section: str = "encoder") -> dict[str, Tensor]:
        return load(whole / "checkpoints", step).of(section)

    (trained_name,) = (each for each in of(6) if each.endswith(name))
    after_round = of(6)[trained_name]
    assert not torch.equal(of(3)[trained_name], of(6)[trained_name])
    servers = [tensor for key, tensor in of(6, "protocol").items() if key.startswith("server")]
    assert any(torch.equal(after_round, tensor) for tensor in servers), (
        "after a round the weights are the server's"
    )
    averages = [tensor for key, tensor in of(6, "protocol").items() if key.startswith("average")]
    assert not any(tensor.any() for tensor in averages)
    assert any(tensor.any() for key, tensor in of(3, "protocol").items() if key.startswith("average")), (
        "after a client, its share lies in the average"
    )
    counts = [
        {value.item() for key, value in load(whole / "checkpoints", step).optimizer.items() if "/step" in key}
        for step in (3, 4, 6, 7)
    ]
    assert counts == [{3.0}, {1.0}, {3.0}, {1.0}]


@pytest.mark.parametrize("kill_at", [2, 3, 6])
def test_a_run_that_is_killed_in_a_round_between_clients_or_between_rounds_leaves_the_same_bytes(
    whole: Path, place: Place, tmp_path: Path, kill_at: int
) -> None:
    out = tmp_path / "cut"
    with pytest.raises(Killed):
        run_tiny(place, out, listener=Witness(kill_at), save_every=1, keep=20, **FEDERATED)
    again = Witness()
    run_tiny(place, out, resume=True, listener=again, save_every=1, keep=20, **FEDERATED)
    assert again.steps[0] == kill_at
    assert outcome(out) == outcome(whole)


def test_one_client_in_one_round_is_the_ordinary_run(place: Place, tmp_path: Path) -> None:
    one = {"parts": ["federated"], "clients": 1, "local_steps": 12, "topics": 1}
    plain = run_tiny(place, tmp_path / "plain").folder
    federated = run_tiny(place, tmp_path / "federated", **one).folder
    assert step_rows(federated) == step_rows(plain)
    assert outcome(federated)["model"] == outcome(plain)["model"]


def test_it_is_evaluated_after_whole_rounds(place: Place, tmp_path: Path) -> None:
    corpus = tmp_path / "many.txt"
    corpus.write_text("\n".join(texts(420)) + "\n")
    witness = Witness()
    options = {**FEDERATED, "criterion": "label-free", "corpus": corpus, "steps": 18}
    run = run_tiny(place, tmp_path / "run", listener=witness, **options)
    assert set(witness.evaluations) <= {0, 6, 12, 18}
    assert run.summary["chosen_step"] % 6 == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"steps": 10},
            r"a round of 'federated' is 6 steps \(clients of a round x local_steps\), and the 10 of this run are not a "
            "whole number of rounds: give --steps 6 or 12, or a shorter round",
        ),
        ({"criterion": "label-free", "eval_every": 4}, "eval_every must be a multiple of 6, and is 4"),
        ({"clients": 30, "steps": 2}, "108 rows to train on are too few for 30 clients of at least 8 rows"),
    ],
)
def test_what_cannot_be_is_refused_before_any_step(
    place: Place, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    witness = Witness()
    with pytest.raises(UsageError, match=words):
        run_tiny(place, tmp_path / "run", listener=witness, **{**FEDERATED, **options})
    assert witness.steps == []


def test_more_clients_in_a_round_than_there_are_and_a_queue_are_refused_when_the_options_are_read() -> None:
    with pytest.raises(UsageError, match="clients_per_round=5 is more than there are clients"):
        recipe("simcse", ["federated"], {"clients": 4, "clients_per_round": 5})
    for part, words in (
        ("queue", "to the next"),
        ("momentum-queue", "to the next"),
        ("cluster-filter", "one place"),
    ):
        with pytest.raises(UsageError, match=words):
            recipe("simcse", ["federated", part])
    for method in ("cards", "debcse"):
        with pytest.raises(UsageError, match="may be another client's text"):
            recipe(method, ["federated"])
