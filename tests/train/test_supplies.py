"""What a method needs beside the vectors of its texts: supplied, saved, loaded again, or refused before training."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from contrapose.data.corpus import Corpus
from contrapose.encoder.encoder import Encoder
from contrapose.encoder.frozen import FrozenNetwork
from contrapose.encoder.token_networks import ConditionedEncoder, MaskedLanguageModel
from contrapose.errors import ContraposeError, ResumeRefused, UsageError
from contrapose.train.checkpoint import load, steps_saved
from contrapose.train.vectors_file import read_vectors
from tests.train.needy import MOMENTUM
from tests.train.runs import Killed, Place, Witness, outcome, plain_bert, run_tiny, step_rows

NEEDY = str(Path(__file__).with_name("needy.py"))


@pytest.fixture(scope="module")
def whole(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the needy method with every checkpoint kept."""
    out = tmp_path_factory.mktemp("needy") / "whole"
    return run_tiny(place, out, method=NEEDY, save_every=1, keep=20).folder


def state(folder: Path, step: int, module: str) -> dict[str, torch.Tensor]:
    return load(folder / "checkpoints", step).of(module)


def test_what_is_needed_enters_the_loss(whole: Path) -> None:
    for row in step_rows(whole):
        terms = {name: row[f"loss_{name}"] for name in ("contrast", "slow", "still", "tokens")}
        assert row["loss"] == pytest.approx(sum(terms.values()), rel=1e-5)
        assert all(terms.values()), terms


def test_the_weights_of_a_part_are_trained_and_saved(whole: Path) -> None:
    heads = [state(whole, step, "objective")["parts.needy.head.weight"] for step in (1, 6, 12)]
    assert not torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[1], heads[2])
    assert "objective.parts.needy.head.weight/exp_avg" in load(whole / "checkpoints", 6).optimizer


def test_a_companion_with_momentum_follows_the_trained_weights(whole: Path) -> None:
    name = "backbone.encoder.layer.1.output.dense.weight"
    for step in (2, 7):
        before, after = (state(whole, at, "companions")[f"changing.slow.{name}"] for at in (step - 1, step))
        trained = state(whole, step, "encoder")[name]
        torch.testing.assert_close(after, MOMENTUM * before + (1 - MOMENTUM) * trained)
        assert not torch.equal(after, before)


def test_a_frozen_companion_is_in_no_checkpoint_and_named_in_the_record(whole: Path, place: Place) -> None:
    saved = state(whole, 12, "companions")
    assert {name.split(".")[1] for name in saved} == {"slow"}
    record = json.loads((whole / "run.json").read_text())
    assert set(record["beside"]) == {"start"}


def test_the_corpus_is_shown_to_the_part_at_its_steps_with_the_weights_of_then(
    whole: Path, place: Place
) -> None:
    assert [int(state(whole, step, "objective")["parts.needy.num_refreshed"]) for step in (1, 4, 5, 8, 9)] == [
        1, 1, 2, 2, 3,
    ]  # fmt: skip
    corpus = Corpus.open(whole / "cache" / "corpus")
    texts = next(iter(corpus.take(np.arange(len(corpus))).values()))
    expected = Encoder.load(place.model).encode(texts).mean(0)
    first = state(whole, 1, "objective")["parts.needy.first_mean_D"].numpy()
    assert np.corrcoef(first, expected)[0, 1] > 0.95, "not the vectors of the corpus"
    assert not list((whole / "cache").glob("vectors*"))


def test_a_checkpoint_is_written_before_the_corpus_is_encoded(place: Place, tmp_path: Path) -> None:
    run_tiny(place, tmp_path / "run", method=NEEDY, save_every=1000, keep=20)
    assert steps_saved(tmp_path / "run" / "checkpoints") == [4, 8, 12]


@pytest.mark.parametrize("kill_at", [7, 8, 9])
def test_a_run_with_everything_goes_on_to_the_same_bytes(
    whole: Path, place: Place, tmp_path: Path, kill_at: int
) -> None:
    options: dict[str, Any] = {"method": NEEDY, "save_every": 3}
    with pytest.raises(Killed):
        run_tiny(place, tmp_path / "cut", listener=Witness(kill_at=kill_at), **options)
    witness = Witness()
    run_tiny(place, tmp_path / "cut", resume=True, listener=witness, **options)
    assert 1 < witness.steps[0] <= kill_at
    assert outcome(tmp_path / "cut") == outcome(whole)


def test_diffcse_goes_on_to_the_same_bytes_with_its_discriminator(place: Place, tmp_path: Path) -> None:
    options: dict[str, Any] = {"method": "diffcse", "generator": str(place.masked_lm), "decode": "sample"}
    one = run_tiny(place, tmp_path / "one", **options)
    with pytest.raises(Killed):
        run_tiny(place, tmp_path / "cut", listener=Witness(kill_at=8), **options)
    run_tiny(place, tmp_path / "cut", resume=True, **options)
    assert outcome(tmp_path / "cut") == outcome(one.folder)
    saved = state(one.folder, 12, "objective")
    assert {name.split(".")[2] for name in saved} == {"discriminator", "head"}, "the generator is frozen"
    before = Encoder.load(place.model).backbone.state_dict()
    trained = saved["parts.replaced-tokens.discriminator.body.encoder.layer.0.output.dense.weight"]
    assert not torch.equal(trained, before["encoder.layer.0.output.dense.weight"])
    assert any(key.startswith("head.4.") for key in state(one.folder, 12, "encoder")), "the head is mlp-bn"
    assert not any("discriminator" in path.name for path in one.model_folder.rglob("*"))


def test_networks_compute_in_the_precision_of_the_run(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed_in: set[torch.dtype] = set()
    calls = {MaskedLanguageModel: MaskedLanguageModel.forward, ConditionedEncoder: ConditionedEncoder.forward}
    for kind, forward in calls.items():

        def watched(network: Any, *inputs: Any, forward: Any = forward) -> torch.Tensor:
            linear = next(each for each in _modules(network) if isinstance(each, torch.nn.Linear))
            hook = linear.register_forward_hook(lambda *seen: computed_in.add(seen[-1].dtype))
            given: torch.Tensor = forward(network, *inputs)
            hook.remove()
            return given

        monkeypatch.setattr(kind, "forward", watched)
    options: dict[str, Any] = {"method": "diffcse", "generator": str(place.masked_lm), "steps": 2}
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        computed_in.clear()
        run = run_tiny(place, tmp_path / precision, precision=precision, **options)
        assert computed_in == {dtype}
        assert all(np.isfinite(row["loss_replaced_tokens"]) for row in step_rows(run.folder))


def _modules(network: torch.nn.Module) -> Iterator[torch.nn.Module]:
    """With those of a frozen network, which torch does not count."""
    for each in network.modules():
        yield from each.network.modules() if isinstance(each, FrozenNetwork) else (each,)


def test_a_head_that_is_asked_for_goes_before_the_method_s(place: Place, tmp_path: Path) -> None:
    options: dict[str, Any] = {"method": "diffcse", "generator": str(place.masked_lm), "head": "none"}
    run = run_tiny(place, tmp_path / "run", steps=2, **options)
    assert not any(key.startswith("head") for key in state(run.folder, 2, "encoder"))


def test_a_companion_or_generator_that_changed_is_refused_when_a_run_goes_on(
    place: Place, tmp_path: Path
) -> None:
    teacher, generator = tmp_path / "teacher", tmp_path / "generator"
    for folder, options, name in (
        (teacher, {"method": NEEDY, "teacher": str(teacher)}, "teacher"),
        (generator, {"method": "diffcse", "generator": str(generator)}, "generator"),
    ):
        plain_bert(folder, seed=1, masked_lm=name == "generator")
        out = tmp_path / f"run-{name}"
        with pytest.raises(Killed):
            run_tiny(place, out, listener=Witness(kill_at=7), **options)
        shutil.rmtree(folder)
        plain_bert(folder, seed=2, masked_lm=name == "generator")
        with pytest.raises(ResumeRefused, match=f"'{name}'.*is not what the run was begun with"):
            run_tiny(place, out, resume=True, **options)


@pytest.fixture
def refused(place: Place, tmp_path: Path) -> Any:
    """Starts a run that must be refused; gives the words, and nothing is left of the run."""

    def run(kind: type[ContraposeError], **options: Any) -> str:
        with pytest.raises(kind) as error:
            run_tiny(place, tmp_path / "refused", **options)
        assert not (tmp_path / "refused").exists()
        return str(error.value)

    return run


def test_networks_that_cannot_be_used_are_refused_before_training(
    refused: Any, place: Place, tmp_path: Path
) -> None:
    few = plain_bert(tmp_path / "few", masked_lm=True, words=9)
    said = refused(UsageError, method="diffcse", generator=str(place.model))
    assert "no masked-language-model head" in said
    assert "--set generator=FOLDER" in said
    assert "another vocabulary" in refused(UsageError, method="diffcse", generator=str(few))
    assert "no such model" in refused(UsageError, method="diffcse", generator=str(tmp_path / "nowhere"))


def test_layers_and_companions_that_are_not_there_are_refused_before_training(
    refused: Any, tmp_path: Path
) -> None:
    assert refused(UsageError, method=NEEDY, layer=-4).startswith(
        "layer=-4 asks for a layer 3 below the last"
    )
    said = refused(UsageError, method="sscl", num_layers=9)
    assert said.startswith("num_layers=9 asks for a layer 9 below the last, and '")
    assert "has 2 layers in all" in said
    said = refused(UsageError, method="fedrcl", relaxation_layers=(-2, -5))
    assert said.startswith("relaxation_layers=(-2, -5) asks for a layer 4 below the last")
    nowhere = str(tmp_path / "nowhere")
    said = refused(UsageError, method=NEEDY, teacher=nowhere)
    assert said.startswith(f"the model given by --set teacher={nowhere} cannot be loaded: no such model")


def test_a_method_of_labels_is_refused_before_training(refused: Any, tmp_path: Path) -> None:
    code = Path(NEEDY).read_text().replace("Needs(layers", "Needs(labels=True, layers")
    (tmp_path / "mine.py").write_text(code)
    assert "needs a label for every row" in refused(UsageError, method=str(tmp_path / "mine.py"))


def vectors(rows: int = 120) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(rows, 3)).astype(np.float32)


def write_vectors(path: Path, rows_ND: np.ndarray) -> Path:
    if path.suffix == ".npy":
        np.save(path, rows_ND)
    elif path.suffix == ".safetensors":
        from safetensors.numpy import save_file

        save_file({"vectors": rows_ND}, path)
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"embedding": list(rows_ND)}), path)
    return path


@pytest.mark.parametrize("suffix", [".npy", ".safetensors", ".parquet"])
def test_vectors_of_every_kind_of_file_are_read_row_by_row(tmp_path: Path, suffix: str) -> None:
    path = write_vectors(tmp_path / f"teacher{suffix}", vectors())
    assert np.array_equal(read_vectors(str(path), rows=120).numpy(), vectors())
    with pytest.raises(UsageError, match="holds 120 vectors, and the corpus has 121 rows"):
        read_vectors(str(path), rows=121)
    bad = vectors()
    bad[7, 1] = np.nan
    with pytest.raises(UsageError, match="the vector of row 7 is not finite"):
        read_vectors(str(write_vectors(path, bad)), rows=120)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(UsageError, match="cannot be read"):
        read_vectors(str(path), rows=120)


def test_a_file_of_vectors_that_does_not_fit_is_refused_before_training(refused: Any, tmp_path: Path) -> None:
    given = {"method": NEEDY}
    few = write_vectors(tmp_path / "few.npy", vectors(100))
    assert "100 vectors" in refused(UsageError, teacher_vectors=str(few), **given)
    missing = str(tmp_path / "no.npy")
    assert refused(UsageError, teacher_vectors=missing, **given) == (
        f"--set teacher_vectors={missing}: there is no such file; give a .npy, .safetensors or .parquet with one "
        "vector per row"
    )
    assert "are read from .npy" in refused(UsageError, teacher_vectors=str(tmp_path / "v.txt"), **given)
    whole_numbers = write_vectors(tmp_path / "whole.npy", np.ones((120, 3), dtype=np.int64))
    assert "floating-point" in refused(UsageError, teacher_vectors=str(whole_numbers), **given)


def test_vectors_of_a_file_belong_to_the_rows_of_the_batch(place: Place, tmp_path: Path) -> None:
    from contrapose.contract import Companion
    from contrapose.train.companions import Companions
    from contrapose.train.distributed import ProcessGroup
    from tests.train.steps import batch_of

    path = write_vectors(tmp_path / "teacher.npy", vectors(200))
    one = Companions(
        [Companion(name="file", vectors=str(path))], {}, {"file": read_vectors(str(path), rows=200)}
    )
    batch = batch_of(8)
    views = one.views(batch, one.tokenize(batch, slice(0, 8), 16), 0, ProcessGroup())
    assert np.array_equal(views["positive@file"].numpy(), vectors(200)[batch.row_ids.numpy()])
    assert one.state_dict() == {}
