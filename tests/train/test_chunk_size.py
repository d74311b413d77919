"""Chunks that fit the free memory: measured exactly, decided once, recorded, kept when the run goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from contrapose.contract import TrainingProtocol
from contrapose.encoder.encoder import Encoder
from contrapose.errors import ResumeRefused, UsageError
from contrapose.listening import Listener
from contrapose.objectives.catalogue import recipe
from contrapose.train import chunk_size
from contrapose.train.beginning import Begun
from contrapose.train.chunk_size import SHARE, Asked, Need, chunks_of_run, decide, estimate, fitting, measure
from contrapose.train.configuration import nested, resolve
from contrapose.train.distributed import ProcessGroup
from contrapose.train.memory import peak_bytes
from contrapose.train.modules import module_tree
from contrapose.train.precision import Choice
from contrapose.train.run_folder import read_record
from contrapose.train.session import Model
from contrapose.train.timings import Timings
from tests.train.runs import Killed, Place, Witness, outcome, run_tiny
from tests.train.steps import batch_of

PLENTY = 2**50


def model_of(encoder: Encoder) -> Model:
    objective = recipe("simcse").build(width=encoder.width)
    modules = module_tree(encoder, objective)
    return Model(encoder=encoder, objective=objective, protocol=TrainingProtocol(), modules=modules)


def asked(size: int | str = "auto", *, texts: int = 64, length: int = 16, **others: Any) -> Asked:
    given: dict[str, Any] = {"vectors": texts, "rows": texts // 2, "bf16": False, **others}
    return Asked(size=size, texts=texts, length=length, **given)


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("rows", [8, 32])
def test_what_is_measured_on_four_rows_is_what_many_take(encoder: Encoder, rows: int, bf16: bool) -> None:
    wanted = asked(bf16=bf16)
    need = measure(wanted, model_of(encoder))
    with chunk_size._ready_to_measure(encoder, wanted):
        counted = peak_bytes(lambda: chunk_size._pass(encoder, [[5] * 16] * rows, wanted), encoder.device)
    assert need.measured
    assert need.fixed + rows * need.per_text == pytest.approx(counted, rel=0.03)


def test_long_rows_are_worked_out_from_shorter_ones(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_of(encoder)
    whole = measure(asked(length=64), model)
    monkeypatch.setattr(chunk_size, "MEASURED_TOKENS", 32)
    from_half = measure(asked(length=64), model)
    assert from_half.per_text == pytest.approx(whole.per_text, rel=0.1)
    assert whole.per_text > 4.2 * measure(asked(length=16), model).per_text, "attention grows with the square"


def test_measuring_leaves_the_encoder_as_it_was(encoder: Encoder) -> None:
    encoder.eval().use_attention("sdpa")
    before, state = encoder.fingerprint(), torch.get_rng_state()
    measure(asked(), model_of(encoder))
    assert encoder.fingerprint() == before
    assert torch.equal(torch.get_rng_state(), state)
    assert encoder.attention == "sdpa"
    assert not encoder.training
    assert all(each.grad is None and each.requires_grad for each in encoder.backbone.parameters())


def test_the_estimate_is_above_what_is_measured(encoder: Encoder) -> None:
    model = model_of(encoder)
    for length in (8, 16, 64):
        generous = estimate(asked(length=length), model)
        assert generous is not None
        assert generous.of(64) > 1.2 * measure(asked(length=length), model).of(64)


def test_a_batch_that_fits_is_not_cut_and_nothing_is_measured(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunk_size, "measure", lambda *_: pytest.fail("it was measured"))
    chosen = decide(asked(), model_of(encoder), PLENTY)
    assert chosen.size is None
    assert chosen.why.startswith("the batch at once: at most ")
    assert decide(asked(16), model_of(encoder), PLENTY).size == 16
    assert decide(asked("all"), model_of(encoder), PLENTY).size is None


@given(
    texts=st.integers(2, 10_000),
    per_text=st.integers(1, 2**24),
    fixed=st.integers(0, 2**28),
    free=st.integers(2**20, 2**38),
)
def test_the_chunks_that_keep_their_graphs_fit(texts: int, per_text: int, fixed: int, free: int) -> None:
    need = Need(beside=0, fixed=fixed, per_text=per_text, measured=True)
    chosen = fitting(need, texts, free)
    assert chosen.size is not None
    assert chosen.size >= 1
    if need.of(1) <= SHARE * free:
        assert need.of(chosen.size * chosen.kept) <= SHARE * free + 1
    else:
        assert (chosen.size, chosen.kept) == (1, 1)
    # Nothing that fits is left unused but for the rest of a chunk, unless the batch ends before.
    used = chosen.size * (chosen.kept + 1)
    assert used >= min(texts, need.texts_in(SHARE * free))


def test_a_chunk_larger_than_the_batch_is_refused_before_anything_is_measured(encoder: Encoder) -> None:
    with pytest.raises(UsageError, match=r"--chunk-size 65 is larger than the batch: a step reads 64 texts"):
        decide(asked(65), model_of(encoder), 0)
    assert decide(asked(64), model_of(encoder), PLENTY).size == 64


def test_a_batch_that_cannot_fit_is_refused_with_its_numbers(encoder: Encoder) -> None:
    model = model_of(encoder)
    need = measure(asked(), model)
    with pytest.raises(UsageError) as refused:
        decide(asked(), model, need.of(1) - 1)
    assert "even one text at a time" in str(refused.value)
    assert "GiB are free" in str(refused.value)
    assert "--batch-size" in str(refused.value)
    assert decide(asked(), model, need.of(1) + 1).size == 1


def test_what_was_asked_for_and_does_not_fit_is_refused_with_what_does(encoder: Encoder) -> None:
    model = model_of(encoder)
    need = measure(asked(), model)
    for size, enough in (("all", need.of(64)), (32, need.of(32))):
        with pytest.raises(UsageError, match=r"does not fit in memory.*Give --chunk-size auto, or [0-9]+"):
            decide(asked(size), model, enough - 1)
        assert decide(asked(size), model, enough + 1).size == (None if size == "all" else size)


class Facts(Witness):
    facts: Mapping[str, Any] = {}

    def started(self, first_step: int, num_steps: int, facts: Mapping[str, Any]) -> None:
        self.facts = facts


@pytest.fixture
def little(place: Place, monkeypatch: pytest.MonkeyPatch) -> int:
    """So little memory that five of the sixteen texts of a tiny run fit."""
    need = measure(asked(texts=16), model_of(Encoder.load(place.model)))
    free = int(need.of(5) / SHARE) + 1024
    monkeypatch.setattr(chunk_size, "free_memory", lambda _device: free)
    return free


def test_a_run_with_little_memory_is_cut_says_so_and_is_the_run_of_these_chunks(
    place: Place, tmp_path: Path, little: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert little > 0
    witness = Facts()
    cut = run_tiny(place, tmp_path / "cut", listener=witness)
    record = read_record(cut.folder)["chunks"]
    assert record["size"] == 4
    assert record["why"] == witness.facts["chunks"]
    assert str(record["why"]).startswith("chunks of 4 texts: 0.00")
    monkeypatch.setattr(chunk_size, "free_memory", lambda _device: PLENTY)
    by_hand = run_tiny(place, tmp_path / "by-hand", chunk_size=4)
    assert outcome(by_hand.folder)["metrics"] == outcome(cut.folder)["metrics"]
    assert outcome(by_hand.folder)["model"] == outcome(cut.folder)["model"]


def test_a_run_goes_on_in_the_chunks_it_was_begun_with(
    place: Place, tmp_path: Path, little: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run_tiny(place, tmp_path / "whole")
    with pytest.raises(Killed):
        run_tiny(place, tmp_path / "cut", listener=Witness(kill_at=8))
    for free in (PLENTY, little):
        monkeypatch.setattr(chunk_size, "free_memory", lambda _device, free=free: free)
        resumed = run_tiny(place, tmp_path / "cut", resume=True)
        assert outcome(resumed.folder)["model"] == outcome(whole.folder)["model"]
    assert run_tiny(place, tmp_path / "cut", resume=True, chunk_size=4).summary["steps"] == 12
    with pytest.raises(ResumeRefused, match=r"training\.chunk_size was 'auto' and is 8"):
        run_tiny(place, tmp_path / "cut", resume=True, chunk_size=8)


def test_a_whole_batch_stays_whole_where_a_run_goes_on_with_less_memory(
    place: Place, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    whole = run_tiny(place, tmp_path / "whole")
    assert read_record(whole.folder)["chunks"]["size"] is None
    with pytest.raises(Killed):
        run_tiny(place, tmp_path / "cut", listener=Witness(kill_at=8))
    request.getfixturevalue("little")
    resumed = run_tiny(place, tmp_path / "cut", resume=True)
    assert outcome(resumed.folder) == outcome(whole.folder)


def test_a_run_of_a_version_without_auto_goes_on(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(Killed):
        run_tiny(place, folder, listener=Witness(kill_at=8))
    record = read_record(folder)
    del record["chunks"]
    record["settings"]["training"]["chunk_size"] = None
    (folder / "run.json").write_text(json.dumps(record))
    assert run_tiny(place, folder, resume=True).summary["steps"] == 12


def test_bad_chunks_stop_a_run_before_its_first_step(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    witness = Facts()
    with pytest.raises(UsageError, match="larger than the batch"):
        run_tiny(place, tmp_path / "large", chunk_size=17, listener=witness)
    monkeypatch.setattr(chunk_size, "free_memory", lambda _device: 1000)
    with pytest.raises(UsageError, match="even one text at a time"):
        run_tiny(place, tmp_path / "small", listener=witness)
    assert witness.steps == []
    assert not witness.facts


class Other(ProcessGroup):
    """Two processes, of which the other has memory for chunks of 8 texts."""

    def most(self, number: int, device: torch.device) -> int:
        return max(number, -8)


@pytest.mark.parametrize(("own", "expected"), [("all", 8), (4, 4), (8, 8)])
def test_all_processes_take_the_chunks_of_the_one_with_the_least_memory(
    encoder: Encoder, own: int | str, expected: int
) -> None:
    settings = resolve(nested({"corpus": ("-",), "out": "unused", "chunk_size": own, "max_length": 16}))
    begun = Begun(
        listener=Listener(),
        timings=cast(Timings, None),
        folder=Path("unused"),
        processes=Other(0, 2),
        goes_on=False,
        device=encoder.device,
        chosen=Choice(False),
    )
    chosen = chunks_of_run(begun, settings, model_of(encoder), batch_of(32))
    assert chosen.size == expected
