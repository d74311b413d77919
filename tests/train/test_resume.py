"""A run that was stopped anywhere and continued leaves the bytes of one that never stopped, or is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contrapose.config import read_toml
from contrapose.errors import CorruptCheckpoint, CorruptFile, ResumeRefused, UsageError
from contrapose.selection.budget import EvaluationPlan
from contrapose.selection.cost_of_looks import evaluations_of_run
from contrapose.storage.durable import MANIFEST_NAME, write_tree
from contrapose.train.checkpoint import folder_of, load, steps_saved
from contrapose.train.precision import Choice
from contrapose.train.progress import Progress
from contrapose.train.run_folder import read_record, read_rows
from tests.train.runs import Killed, Place, Witness, outcome, plain_bert, run_tiny, step_rows, texts

QUEUE_POOL = {"pool": "batch+queue", "pool_queue_size": 20}
CASES: dict[str, dict[str, Any]] = {
    "simcse": {},
    "simcse, chunked": {"chunk_size": 5},
    "simcse with queue": {"parts": ("queue",), "queue_size": 20},
    "simcse, batch norm": {"head": "mlp-bn"},
    "simcse, evaluated": {"criterion": "label-free", "eval_every": 2, "corpus": "many"},
    "focal-infonce with queue, crop": {"method": "focal-infonce", "parts": ("queue",), "views": "crop"},
    "hncse-pm, chunked": {"method": "hncse-pm", "chunk_size": 16},
    "hncse-hnm with queue": {"method": "hncse-hnm", "parts": ("queue",), **QUEUE_POOL},
    "hncse, pairs, chunked": {"method": "hncse", "corpus": "pairs", "chunk_size": 6, **QUEUE_POOL},
    "simcse, triplets": {"corpus": "triplets", "mask_repeats": False},
    "sscl with queue, chunked": {"method": "sscl", "parts": ("queue",), "queue_size": 20, "chunk_size": 5},
    "kdmcse": {"method": "kdmcse", "distillation_width": 8},
    "sparse-cse": {"method": "sparse-cse", "sparsity": 0.3, "score_sentences": 16, "score_after": 0.6},
    "hncse-hnm masked, rewound": {
        "method": "hncse-hnm",
        "parts": ("masked",),
        "sparsity": 0.3,
        "rewind": True,
        "score_sentences": 16,
        "score_after": 0.6,
    },
    "kdmcse from a file, chunked": {"method": "kdmcse", "distillation_width": 8, "chunk_size": 5},
}


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("many") / "many.txt"
    path.write_text("\n".join(texts(400, seed=9)))
    return path


def options_of(name: str, place: Place, many: Path) -> dict[str, Any]:
    options = dict(CASES[name])
    corpora = {"many": many, "pairs": place.pairs, "triplets": place.triplets}
    options["corpus"] = corpora.get(options.get("corpus", ""), place.sentences)
    if "from a file" in name:
        options["teacher_vectors"] = str(place.vectors)
    return options


def in_the_layout_of_earlier_versions(folder: Path, step: int) -> None:
    """Write a checkpoint again as the versions did that kept encoder and queues apart."""
    from safetensors.torch import save

    saved = load(folder / "checkpoints", step)
    optimizer = {name.removeprefix("encoder."): value for name, value in saved.optimizer.items()}
    assert len(optimizer) == len(saved.optimizer)
    tensors = {
        "weights": saved.of("encoder"),
        "optimizer": optimizer,
        "objective": {
            name.replace("parts.queue.", "sources.0."): value for name, value in saved.of("objective").items()
        },
    }
    files: dict[str, Any] = {f"{kind}.safetensors": save(dict(given)) for kind, given in tensors.items()}
    files["state.json"] = json.dumps({"step": step, **saved.state}).encode()
    shutil.rmtree(folder_of(folder / "checkpoints", step))
    write_tree(folder_of(folder / "checkpoints", step), files)


def test_a_checkpoint_of_an_earlier_version_is_continued(place: Place, tmp_path: Path) -> None:
    options: dict[str, Any] = CASES["simcse with queue"]
    whole = run_tiny(place, tmp_path / "whole", **options)
    with pytest.raises(Killed):
        run_tiny(place, tmp_path / "cut", listener=Witness(kill_at=8), **options)
    in_the_layout_of_earlier_versions(tmp_path / "cut", 5)
    witness = Witness()
    run_tiny(place, tmp_path / "cut", resume=True, listener=witness, **options)
    assert witness.steps[0] == 6
    assert outcome(tmp_path / "cut") == outcome(whole.folder)


@pytest.mark.parametrize("name", CASES)
def test_a_killed_and_resumed_run_leaves_the_bytes_of_one_that_never_stopped(
    place: Place, tmp_path: Path, many: Path, name: str
) -> None:
    options = options_of(name, place, many)
    whole = run_tiny(place, tmp_path / "whole", **options)
    cut = tmp_path / "cut"
    killed = Witness(kill_at=8)  # the checkpoint is of step 5, or of an evaluation after it
    with pytest.raises(Killed):
        run_tiny(place, cut, listener=killed, **options)
    assert not (cut / "model").exists()
    resumed = Witness()
    run_tiny(place, cut, listener=resumed, resume=True, **options)
    assert 1 < resumed.steps[0] <= 8, "nothing was resumed"
    assert resumed.steps[-1] == 12
    assert outcome(cut) == outcome(whole.folder)
    if "queue" in name:
        saved = load(whole.folder / "checkpoints", 12).of("objective")
        assert any(int(tensor) == 96 for key, tensor in saved.items() if key.endswith("num_seen"))


def test_many_kills_in_one_run_change_nothing(place: Place, tmp_path: Path) -> None:
    options: dict[str, Any] = {"method": "hncse-hnm", "save_every": 2, **QUEUE_POOL}
    whole = run_tiny(place, tmp_path / "whole", **options)
    cut = tmp_path / "cut"
    for kill_at in (1, 3, 4, 8, 11):  # the first one before any checkpoint
        with pytest.raises(Killed):
            run_tiny(place, cut, listener=Witness(kill_at), resume=kill_at > 1, **options)
    run_tiny(place, cut, resume=True, **options)
    assert outcome(cut) == outcome(whole.folder)


def begin(place: Place, folder: Path, **options: Any) -> Path:
    with pytest.raises(Killed):
        run_tiny(place, folder, listener=Witness(kill_at=7), **options)
    return folder


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"learning_rate": 2e-3}, r"training.learning_rate was 0.001 and is 0.002"),
        (
            {"steps": 11},
            r"training.steps was 12 and is 11: 11 steps instead of 12 \(a run can be made longer, not",
        ),
        ({"steps": 13, "seed": 1}, r"training.seed was 0 and is 1\. Give"),
        ({"seed": 1, "batch_size": 9}, r"batch_size was 8 and is 9; training.seed was 0 and is 1"),
        ({"method": "focal-infonce"}, r"method.name was 'simcse' and is 'focal-infonce'"),
        ({"temperature": 0.1}, r"method.hyperparameters.temperature was 0.05 and is 0.1"),
        ({"parts": ("queue",)}, r"method.parts was \[\] and is \['queue'\]"),
        ({"min_words": 2}, r"data.min_words was 1 and is 2"),
        ({"dropout": 0.2}, r"encoder.dropout was None and is 0.2"),
    ],
)
def test_other_settings_are_refused_by_name(
    place: Place, tmp_path: Path, changed: dict[str, Any], named: str
) -> None:
    folder = begin(place, tmp_path / "run")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(ResumeRefused, match=named) as refused:
        run_tiny(place, folder, resume=True, **changed)
    assert refused.value.exit_code == 2
    assert str(folder) in str(refused.value)
    assert {path: path.read_bytes() for path in before} == before


def test_a_changed_corpus_file_is_refused(place: Place, tmp_path: Path) -> None:
    corpus = Path(shutil.copy(place.sentences, tmp_path / "mine.txt"))
    folder = begin(place, tmp_path / "run", corpus=corpus)
    corpus.write_text(corpus.read_text() + "one more sentence for the corpus of this run\n")
    with pytest.raises(ResumeRefused, match="the corpus files changed"):
        run_tiny(place, folder, corpus=corpus, resume=True)


def test_the_same_corpus_under_another_name_is_accepted(place: Place, tmp_path: Path) -> None:
    folder = begin(place, tmp_path / "run")
    moved = tmp_path / "elsewhere" / place.sentences.name
    moved.parent.mkdir()
    shutil.copy2(place.sentences, moved)
    run_tiny(place, folder, corpus=moved, resume=True)


def damaged(folder: Path, how: str) -> None:
    copy = folder / "cache" / "corpus"
    if how == "gone":
        shutil.rmtree(folder / "cache")
    elif how == "without its manifest":
        (copy / MANIFEST_NAME).unlink()
    elif how == "its rows":
        rows = copy / "corpus.arrow"
        data = bytearray(rows.read_bytes())
        data[len(data) // 2] ^= 1
        rows.write_bytes(data)
    else:
        (copy / "corpus.json").write_text("{")


DAMAGE = ["gone", "without its manifest", "its rows", "its record"]


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_copy_of_the_corpus_is_built_again_from_the_files(
    place: Place, tmp_path: Path, how: str
) -> None:
    whole = run_tiny(place, tmp_path / "whole")
    folder = begin(place, tmp_path / "run")
    damaged(folder, how)
    witness = Witness()
    run_tiny(place, folder, resume=True, listener=witness)
    assert sum("it is built again from the files" in notice for notice in witness.notices) == 1
    assert outcome(folder) == outcome(whole.folder)


def test_a_run_whose_corpus_files_are_gone_goes_on_with_its_copy(place: Place, tmp_path: Path) -> None:
    whole = run_tiny(place, tmp_path / "whole")
    mine = Path(shutil.copy(place.sentences, tmp_path / "mine.txt"))
    folder = begin(place, tmp_path / "run", corpus=mine)
    mine.unlink()
    witness = Witness()
    run_tiny(place, folder, corpus=mine, resume=True, listener=witness)
    assert [notice for notice in witness.notices if "no such file" in notice and "own copy" in notice]
    assert outcome(folder) == outcome(whole.folder)


@pytest.mark.parametrize("how", DAMAGE)
def test_neither_copy_nor_files_is_one_clear_error(place: Place, tmp_path: Path, how: str) -> None:
    mine = Path(shutil.copy(place.sentences, tmp_path / "mine.txt"))
    folder = begin(place, tmp_path / "run", corpus=mine)
    damaged(folder, how)
    mine.unlink()
    with pytest.raises(
        ResumeRefused, match=r"damaged .* cannot be built again: no such file .*mine\.txt.*Restore"
    ):
        run_tiny(place, folder, corpus=mine, resume=True)
    shutil.copy(place.documents, mine)
    with pytest.raises(ResumeRefused, match=r"corpus files changed .* \(and the run's own copy is damaged"):
        run_tiny(place, folder, corpus=mine, resume=True)
    shutil.copy(place.sentences, mine)
    run_tiny(place, folder, corpus=mine, resume=True)


def test_a_copy_that_a_start_left_before_its_record_is_not_taken_for_another_corpus(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run_tiny(place, tmp_path / "whole")
    (tmp_path / "run").mkdir()

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("contrapose.train.records.write_record", die)
        with pytest.raises(Killed):
            run_tiny(place, tmp_path / "run", corpus=place.documents)
    assert (tmp_path / "run" / "cache" / "corpus" / "corpus.json").exists()
    run_tiny(place, tmp_path / "run", resume=True)
    assert outcome(tmp_path / "run") == outcome(whole.folder)


@pytest.mark.parametrize("how", ["its rows", "gone"])
def test_a_damaged_copy_that_a_start_left_is_not_used_by_the_next(
    place: Place, tmp_path: Path, how: str
) -> None:
    whole = run_tiny(place, tmp_path / "whole")
    folder = begin(place, tmp_path / "run")
    damaged(folder, how)
    for name in ("metrics.jsonl", "run.json"):
        (folder / name).unlink()
    shutil.rmtree(folder / "checkpoints")
    run_tiny(place, folder)
    assert outcome(folder) == outcome(whole.folder)


@pytest.mark.parametrize("search", [".", "**/*.*", "**"])
def test_a_run_inside_the_folder_that_it_reads_is_resumed_to_the_bit(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, search: str
) -> None:
    (tmp_path / "sub").mkdir()
    shutil.copy(place.sentences, tmp_path / "sub" / "mine.txt")
    monkeypatch.chdir(tmp_path)
    whole = run_tiny(place, Path("whole"), corpus=search)
    assert whole.summary["rows"] == 108
    begin(place, Path("run"), corpus=search)
    assert (Path("run") / "metrics.jsonl").exists()
    run_tiny(place, Path("run"), corpus=search, resume=True)
    assert outcome(Path("run")) == outcome(whole.folder)


def test_a_run_into_the_folder_that_it_reads_is_refused_before_it_writes(
    place: Place, tmp_path: Path
) -> None:
    shutil.copy(place.sentences, tmp_path / "mine.txt")
    with pytest.raises(UsageError, match="is the folder that the text is read from"):
        run_tiny(place, tmp_path, corpus=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


LONGER: dict[str, Any] = {"method": "hncse-hnm", "parts": ("queue",), **QUEUE_POOL}


@pytest.mark.parametrize("finished", [True, False])
def test_a_run_is_lengthened_and_says_at_which_rates(place: Place, tmp_path: Path, finished: bool) -> None:
    folder = tmp_path / "run"
    if finished:
        run_tiny(place, folder, **LONGER)
    else:
        begin(place, folder, **LONGER)
    done = steps_saved(folder / "checkpoints")[-1]
    witness = Witness()
    run = run_tiny(place, folder, resume=True, listener=witness, **LONGER, steps=24)
    assert witness.steps == list(range(done + 1, 25))
    (told,) = [notice for notice in witness.notices if "to step 24; it was to have 12" in notice]
    rates = {row["step"]: row["learning_rate"] for row in step_rows(folder)}
    assert rates[done] == pytest.approx(1e-3 * (12 - done + 1) / 12)
    assert rates[done + 1] == pytest.approx(1e-3 * (24 - done) / 24)
    assert f"{rates[done + 1]:.3g} at the next step" in told
    assert run.summary["steps"] == 24
    record = read_record(folder)
    assert record["lengthened"] == [{"after": done, "from": 12, "to": 24}]
    assert read_toml(folder / "config.toml")["training"]["steps"] == 24
    with pytest.raises(ResumeRefused, match="longer, not shorter"):
        run_tiny(place, folder, resume=True, **LONGER)


def test_a_lengthened_run_that_is_killed_and_resumed_leaves_the_bytes_of_one_that_was_not(
    place: Place, tmp_path: Path
) -> None:
    for name in ("whole", "cut"):
        run_tiny(place, tmp_path / name, **LONGER)
    run_tiny(place, tmp_path / "whole", resume=True, **LONGER, steps=24)
    for kill_at in (13, 17, 22):
        with pytest.raises(Killed):
            run_tiny(place, tmp_path / "cut", resume=True, listener=Witness(kill_at), **LONGER, steps=24)
    run_tiny(place, tmp_path / "cut", resume=True, **LONGER, steps=24)
    assert outcome(tmp_path / "cut") == outcome(tmp_path / "whole")
    assert len(read_record(tmp_path / "cut")["lengthened"]) == 1


def test_a_lengthened_run_is_scored_on_the_held_out_rows_that_it_began_with(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n".join(texts(600, seed=9)))
    planned: list[int] = []

    def more_rows_for_longer_runs(*given: Any, num_steps: int, **named: Any) -> EvaluationPlan:
        planned.append(40 + num_steps)
        return replace(evaluations_of_run(*given, num_steps=num_steps, **named), rows=40 + num_steps)

    monkeypatch.setattr("contrapose.train.prepare.evaluations_of_run", more_rows_for_longer_runs)
    options: dict[str, Any] = {"corpus": corpus, "criterion": "label-free"}
    run = run_tiny(place, tmp_path / "run", steps=6, **options)
    assert "on 46 held-out texts" in run.summary["criterion_about"]
    run = run_tiny(place, tmp_path / "run", resume=True, steps=12, **options)
    assert planned == [46, 52]
    assert "on 46 held-out texts" in run.summary["criterion_about"]


def test_epochs_can_be_more_too_and_the_same_length_in_other_words_is_the_same_run(
    place: Place, tmp_path: Path
) -> None:
    run = run_tiny(place, tmp_path / "run", steps=None)  # one epoch of 108 rows
    assert run.summary["steps"] == 14
    before = outcome(run.folder)
    for same in ({"epochs": 1.0}, {"steps": 14}):
        run_tiny(place, run.folder, resume=True, **{"steps": None, **same})
        assert outcome(run.folder) == before
    for shorter in ({"epochs": 0.5}, {"steps": 13}):
        with pytest.raises(ResumeRefused, match="longer, not shorter"):
            run_tiny(place, run.folder, resume=True, **{"steps": None, **shorter})
    assert run_tiny(place, run.folder, resume=True, steps=None, epochs=2).summary["steps"] == 27


def test_a_run_that_stopped_early_is_not_lengthened(place: Place, tmp_path: Path, many: Path) -> None:
    options: dict[str, Any] = {
        "corpus": many, "criterion": "label-free", "eval_every": 1, "patience": 1, "learning_rate": 0.5, "steps": 40,
    }  # fmt: skip
    run = run_tiny(place, tmp_path / "run", **options)
    assert run.summary["stopped_early"]
    with pytest.raises(ResumeRefused, match=r"stopped early after step \d+.*--model"):
        run_tiny(place, run.folder, resume=True, **{**options, "steps": 50})
    assert read_record(run.folder)["length"]["steps"] == 40


def test_another_model_is_refused(place: Place, tmp_path: Path) -> None:
    folder = begin(place, tmp_path / "run")
    other = plain_bert(tmp_path / "other", seed=1)
    with pytest.raises(ResumeRefused, match=r"encoder.model was '.*bert' and is '.*other'"):
        run_tiny(place, folder, model=other, resume=True)


def test_other_weights_under_the_same_name_are_refused(place: Place, tmp_path: Path) -> None:
    model = plain_bert(tmp_path / "mine")
    folder = begin(place, tmp_path / "run", model=model)
    plain_bert(model, seed=1)
    with pytest.raises(ResumeRefused, match="is not the one the run was begun with"):
        run_tiny(place, folder, model=model, resume=True)


def test_what_decides_no_result_may_change(place: Place, tmp_path: Path) -> None:
    whole = run_tiny(place, tmp_path / "whole")
    folder = begin(place, tmp_path / "run")
    run_tiny(place, folder, resume=True, save_every=2, keep=3)
    assert outcome(folder) == outcome(whole.folder)


def test_another_environment_is_told_and_accepted(place: Place, tmp_path: Path) -> None:
    folder = begin(place, tmp_path / "run")
    environment = json.loads((folder / "env.json").read_text())
    (folder / "env.json").write_text(json.dumps(environment | {"threads": 64}))
    witness = Witness()
    run_tiny(place, folder, resume=True, listener=witness)
    assert any("environment changed" in notice and "threads" in notice for notice in witness.notices)


@pytest.mark.parametrize("name", ["run.json", "env.json"])
@pytest.mark.parametrize("content", ["", "[1]", '{"settings": '])
def test_a_damaged_record_is_named(place: Place, tmp_path: Path, name: str, content: str) -> None:
    folder = begin(place, tmp_path / "run")
    (folder / name).write_text(content)
    with pytest.raises(CorruptFile, match=name):
        run_tiny(place, folder, resume=True)


def test_resuming_a_finished_run_is_harmless(place: Place, tmp_path: Path) -> None:
    run = run_tiny(place, tmp_path / "run")
    before = outcome(run.folder)
    witness = Witness()
    again = run_tiny(place, run.folder, resume=True, listener=witness)
    assert witness.steps == []
    assert outcome(again.folder) == before


def test_a_run_is_not_begun_over_another(place: Place, tmp_path: Path) -> None:
    folder = begin(place, tmp_path / "run")
    with pytest.raises(UsageError, match=r"holds a run already: continue it with --resume"):
        run_tiny(place, folder)


def test_without_a_checkpoint_the_run_starts_over_and_says_so(place: Place, tmp_path: Path) -> None:
    whole = run_tiny(place, tmp_path / "whole")
    folder = tmp_path / "run"
    with pytest.raises(Killed):
        run_tiny(place, folder, listener=Witness(kill_at=3))
    assert steps_saved(folder / "checkpoints") == []
    assert len(read_rows(folder / "metrics.jsonl")) == 3
    witness = Witness()
    run_tiny(place, folder, resume=True, listener=witness)
    assert any("no checkpoint yet" in notice for notice in witness.notices)
    assert outcome(folder) == outcome(whole.folder)


def test_resuming_a_folder_without_a_run_begins_one(place: Place, tmp_path: Path) -> None:
    witness = Witness()
    run = run_tiny(place, tmp_path / "new", resume=True, listener=witness)
    assert witness.steps == list(range(1, 13))
    assert run.model_folder.is_dir()


def test_a_damaged_newest_checkpoint_costs_steps_and_no_more(place: Place, tmp_path: Path) -> None:
    whole = run_tiny(place, tmp_path / "whole", save_every=3)
    folder = begin(place, tmp_path / "run", save_every=3)
    newest = folder_of(folder / "checkpoints", 6) / "modules.safetensors"
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    witness = Witness()
    run_tiny(place, folder, save_every=3, resume=True, listener=witness)
    assert witness.steps[0] == 4
    assert any("step 6 is damaged and was passed over" in notice for notice in witness.notices)
    assert outcome(folder) == outcome(whole.folder)


def test_damaged_checkpoints_alone_are_an_error_and_not_a_new_start(place: Place, tmp_path: Path) -> None:
    folder = begin(place, tmp_path / "run")
    (folder_of(folder / "checkpoints", 5) / "optimizer.safetensors").write_bytes(b"")
    with pytest.raises(CorruptCheckpoint, match=r"all 1 checkpoints.*optimizer.safetensors"):
        run_tiny(place, folder, resume=True)
    assert len(read_rows(folder / "metrics.jsonl")) == 7, "the record of the run was cut"


def test_state_of_another_version_is_refused() -> None:
    with pytest.raises(ResumeRefused, match="another version"):
        Progress.from_state(3, {"mood": "good"})


def test_a_method_in_a_file_goes_on_as_it_was_and_not_when_the_file_changed(
    place: Place, tmp_path: Path
) -> None:
    example = Path(__file__).parents[2] / "examples" / "own_method.py"
    method = tmp_path / "mine.py"
    method.write_text(example.read_text())
    whole = run_tiny(place, tmp_path / "whole", method=str(method))
    cut = begin(place, tmp_path / "cut", method=str(method))
    resumed = run_tiny(place, cut, resume=True, method=str(method))
    assert outcome(resumed.folder) == outcome(whole.folder)
    assert len(json.loads((cut / "run.json").read_text())["method_file"]) == 64
    assert whole.summary["method"] == "hardest-hinge"

    cut = begin(place, tmp_path / "changed", method=str(method))
    method.write_text(example.read_text().replace("] = 0.2", "] = 0.3"))
    (cut / "cache" / "corpus" / "corpus.json").unlink()  # refused before anything is loaded
    with pytest.raises(ResumeRefused, match="the file of the method changed"):
        run_tiny(place, cut, resume=True, method=str(method))


def test_a_run_goes_on_in_the_precision_that_auto_meant_when_it_began(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine may be faster in another one: weights of half a run in each would be no run's."""

    def faster(bf16: bool) -> None:
        chosen = Choice(bf16, "said by the test")
        monkeypatch.setattr("contrapose.train.beginning.faster_precision", lambda *_, **__: chosen)

    auto: dict[str, Any] = {"precision": "auto"}
    faster(True)
    whole = run_tiny(place, tmp_path / "whole", **auto)
    record = read_record(whole.folder)
    assert (whole.summary["precision"], record["precision"]) == ("bf16", "bf16")
    assert record["precision_why"] == "bf16 (said by the test)"
    folder = tmp_path / "run"
    with pytest.raises(Killed):
        run_tiny(place, folder, listener=Witness(kill_at=8), **auto)
    faster(False)
    monkeypatch.setattr("contrapose.train.beginning.computes_in_bf16", lambda _device: False)
    with pytest.raises(ResumeRefused, match=r"training\.precision was 'auto' and is 'fp32'"):
        run_tiny(place, folder, resume=True, precision="fp32")
    witness = Witness()
    run_tiny(place, folder, resume=True, listener=witness, **auto)
    assert any("begun in bf16 and goes on in it" in notice for notice in witness.notices)
    assert outcome(folder)["model"] == outcome(whole.folder)["model"]
    assert run_tiny(place, folder, resume=True, precision="bf16").summary["precision"] == "bf16"


def test_a_run_whose_record_does_not_say_its_precision_goes_on_as_before(
    place: Place, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    with pytest.raises(Killed):
        run_tiny(place, folder, listener=Witness(kill_at=8))
    record = read_record(folder)
    assert record.pop("precision") == "fp32"
    (folder / "run.json").write_text(json.dumps(record))
    assert run_tiny(place, folder, resume=True).summary["steps"] == 12
