"""A run that was stopped anywhere and continued leaves the bytes of one that never stopped, or is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from contrapose.errors import CorruptCheckpoint, CorruptFile, ResumeRefused, UsageError
from contrapose.train.checkpoint import folder_of, load, steps_saved
from contrapose.train.progress import Progress
from contrapose.train.track import read_rows
from tests.train.runs import Killed, Place, Witness, outcome, plain_bert, run_tiny, texts

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
    return options


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
        saved = load(whole.folder / "checkpoints", 12).objective
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
        ({"steps": 13}, r"training.steps was 12 and is 13"),
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
    newest = folder_of(folder / "checkpoints", 6) / "weights.safetensors"
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
