"""Federated training on one machine: each client trains on text of its own, and the server averages their weights.

    round r:   draw clients c of this round
               each:  w_c = w_r, then ``local_steps`` steps on rows of c alone, with an optimizer that begins anew
               w_{r+1} = sum_c a_c w_c        a_c = rows of c / rows of all clients of the round; or each the same

In one process the clients of a round train one after the other, in the steps of one run: step -> (round, client, local
step). The weights of the server and the average so far lie in buffers, so a run may be killed and goes on at any step.
Clients that train at the same time in the world have the same learning rates here.

McMahan et al. 2017, "Communication-Efficient Learning of Deep Networks from Decentralized Data", AISTATS,
https://arxiv.org/abs/1602.05629; as in Seo et al. 2024 (FedRCL), https://arxiv.org/abs/2401.04928, whose code averages
the clients of a round uniformly.

Averaged is all that is trained, heads and the weights of parts too. Not averaged are running statistics of a batch
norm, which go on from client to client, and are in no exported model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from contrapose.contract import TextRows, TrainingProtocol
from contrapose.maths.similarity import unit
from contrapose.protocols.clients import clients_of, require_rows, topics_of
from contrapose.seeds import derive


class Moment(NamedTuple):
    """Where a step is: the round, the client's place in it, and the client's step."""

    round: int
    turn: int
    local_step: int


class Federated(TrainingProtocol):
    """Rounds of clients. See the module's docstring for the equation."""

    name = "federated"
    idea = "Clients train on text of their own, in rounds, and their weights are averaged after each."
    excludes: ClassVar[Mapping[str, str]] = {
        "queue": "A queue would hand the vectors of one client's text to the next, which federated training is there "
        "to avoid.",
        "momentum-queue": "The queue would hand the vectors of one client's text to the next.",
        "cluster-filter": "Clusters of all text would need the texts of all clients in one place.",
        "retrieved": "A neighbour among all texts may be another client's text.",
        "propensity-pairs": "A positive or negative sampled from all texts may be another client's text.",
    }

    called_together = "round"
    counted_together = "clients of a round x local_steps"

    def __init__(
        self,
        *,
        clients: Annotated[int, Field(ge=1, le=10_000, description="clients that share the text")] = 10,
        clients_per_round: Annotated[
            int | None, Field(ge=1, description="clients drawn for a round; none: all of them")
        ] = None,
        local_steps: Annotated[
            int, Field(ge=1, description="steps of a client in a round, before the average is taken")
        ] = 10,
        topics: Annotated[
            int,
            Field(ge=1, le=1_000, description="topics of the text, by k-means, that the clients differ in"),
        ] = 10,
        dirichlet_alpha: Annotated[
            float,
            Field(
                gt=0, le=1e6, description="how alike the clients' topics are: 0.1 hardly, 100 nearly the same"
            ),
        ] = 0.3,
        averaging: Annotated[
            Literal["rows", "uniform"],
            Field(description="a client's share in the average: by its rows, or the same for each"),
        ] = "rows",
    ) -> None:
        super().__init__()
        if clients_per_round is not None and clients_per_round > clients:
            raise ValueError(
                f"clients_per_round={clients_per_round} is more than there are clients ({clients})"
            )
        self.clients, self.per_round = clients, clients_per_round or clients
        self.local_steps, self.topics = local_steps, topics
        self.alpha, self.averaging = dirichlet_alpha, averaging

    @property
    def steps_together(self) -> int:
        """Those of a round."""
        return self.per_round * self.local_steps

    @property
    def fewest_rows(self) -> int:
        """Of a client: a batch."""
        return max(2, self.run.batch_size)

    def check_rows(self, num_rows: int) -> None:
        require_rows(num_rows, self.clients, self.fewest_rows)

    def prepare(
        self, corpus: TextRows, rows_N: np.ndarray, encode: Callable[[Sequence[str]], Tensor], *, seed: int
    ) -> Mapping[str, np.ndarray]:
        """``client`` and ``topic`` of each ``row`` that may be trained on."""

        def vectors_of(numbers: np.ndarray) -> np.ndarray:
            first, *_ = corpus.take(rows_N[numbers]).values()
            vectors_ND: np.ndarray = unit(encode(first)).numpy()
            return vectors_ND

        topic_N = topics_of(len(rows_N), vectors_of, self.topics, seed)
        client_N = clients_of(topic_N, self.clients, self.alpha, fewest=self.fewest_rows, seed=seed)
        return {"client": client_N, "topic": topic_N, "row": rows_N}

    def take(self, prepared: Mapping[str, np.ndarray]) -> None:
        self.client_of_row = np.asarray(prepared["client"])

    def attach(self, weights: Mapping[str, Tensor], rows: Tensor, *, seed: int) -> None:
        self.seed = seed
        self.rows_of = [
            rows[torch.from_numpy(self.client_of_row == client)] for client in range(self.clients)
        ]
        for number, weight in enumerate(weights.values()):
            self.register_buffer(f"server_{number}", weight.detach().clone())
            self.register_buffer(f"average_{number}", torch.zeros_like(weight))

    def moment(self, step: int) -> Moment:
        """
        >>> Federated(clients=4, clients_per_round=2, local_steps=3).moment(10)
        Moment(round=1, turn=1, local_step=1)
        """
        number, within = divmod(step, self.steps_together)
        return Moment(number, *divmod(within, self.local_steps))

    def clients_in(self, number: int) -> list[int]:
        """The clients of a round, in the order of their turns: a draw without replacement."""
        random = np.random.default_rng(derive(self.seed, "federated", "round", number))
        return [int(client) for client in random.permutation(self.clients)[: self.per_round]]

    def shares_in(self, number: int) -> list[float]:
        """Each one's share in the average of its round; they add up to 1."""
        if self.averaging == "uniform":
            return [1 / self.per_round] * self.per_round
        sizes = [len(self.rows_of[client]) for client in self.clients_in(number)]
        return [size / sum(sizes) for size in sizes]

    def rows(self, step: int) -> Tensor:
        """Of the client whose turn it is."""
        at = self.moment(step)
        return self.rows_of[self.clients_in(at.round)[at.turn]]

    def rate_step(self, step: int) -> int:
        """All clients of a round have the same learning rates, which fall from step to step and from round to round."""
        at = self.moment(step)
        return at.round * self.steps_together + at.local_step * self.per_round

    def restarts_optimizer_at(self, step: int) -> bool:
        return self.moment(step).local_step == 0

    def before(self, step: int, weights: Mapping[str, Tensor]) -> None:
        """A client's first step begins with the server's weights."""
        if self.moment(step).local_step == 0:
            for number, weight in enumerate(weights.values()):
                weight.copy_(self.get_buffer(f"server_{number}"))

    def settle(self, step: int, weights: Mapping[str, Tensor]) -> None:
        """A client's last step ends in the average; the last client's, in new weights of the server."""
        at = self.moment(step)
        if at.local_step < self.local_steps - 1:
            return
        share, ends_round = self.shares_in(at.round)[at.turn], at.turn == self.per_round - 1
        for number, weight in enumerate(weights.values()):
            average = self.get_buffer(f"average_{number}")
            average.add_(weight, alpha=share)
            if ends_round:
                weight.copy_(average)
                self.get_buffer(f"server_{number}").copy_(average)
                average.zero_()


PROTOCOL = Federated
