"""What a text part must know of the whole corpus is computed once for a run; a protocol acts between its steps."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contrapose.contract import TextPart
from contrapose.data.corpus import Corpus, build_corpus
from contrapose.encoder.encoder import Encoder
from contrapose.errors import UsageError
from contrapose.listening import Listener
from contrapose.maths.nearest import nearest_others
from contrapose.objectives.catalogue import recipe
from contrapose.train import prefetcher
from contrapose.train.checkpoint import load
from contrapose.train.distributed import ProcessGroup
from contrapose.train.prepared_texts import Preparation, attach_prepared
from tests.train.processes import start
from tests.train.runs import Killed, Place, Witness, outcome, run_tiny
from tests.train.whole_corpus import ALL_ROWS_FROM, MASKED_FROM
from tests.waiting import PATIENCE, wait_until

METHOD = Path(__file__).with_name("whole_corpus.py")
OPTIONS: dict[str, Any] = {"method": str(METHOD), "sparsity": 0.4}
PREPARING = "preparing the views 'nearest-other'"
WEIGHT = "backbone.encoder.layer.0.output.dense.weight"


class Tasks(Witness):
    """Remembers the tasks too; ``kill_in`` ends the run where a task of that name begins inside the preparation."""

    def __init__(self, kill_at: int | None = None, kill_in: str = "") -> None:
        super().__init__(kill_at)
        self.tasks: list[str] = []
        self.kill_in = kill_in

    def begin(self, what: str, total: int | None = None, unit: str = "") -> None:
        self.tasks.append(what)
        if what == self.kill_in and PREPARING in self.tasks:
            raise Killed


class Seen:
    """The rows and texts of every batch that was tokenized, by step."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.batches: dict[int, Any] = {}
        tokenize = prefetcher.tokenize

        def note(encoder: Any, batch: Any, plan: Any) -> Any:
            self.batches[batch.step] = batch
            return tokenize(encoder, batch, plan)

        monkeypatch.setattr(prefetcher, "tokenize", note)


@pytest.fixture(scope="module")
def whole(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared") / "whole"
    return run_tiny(place, out, save_every=1, keep=20, **OPTIONS).folder


def prepared(folder: Path) -> Path:
    return folder / "cache" / "text" / "nearest-other"


def test_positives_are_the_nearest_other_texts_and_none_is_held_out(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, tasks = Seen(monkeypatch), Tasks()
    run = run_tiny(place, tmp_path / "run", listener=tasks, steps=4, nearness=2, **OPTIONS)
    assert tasks.tasks.count(PREPARING) == 1
    corpus = Corpus.open(run.folder / "cache" / "corpus")
    (every,) = corpus.take(np.arange(len(corpus))).values()
    rows = np.flatnonzero(np.lib.format.open_memmap(prepared(run.folder) / "other.npy") >= 0)
    assert len(rows) == 108, "twelve rows are held out"
    near = nearest_others(Encoder.load(place.model).encode([every[row] for row in rows]), 2).rows_QK[:, 1]
    expected = {every[row]: every[rows[other]] for row, other in zip(rows, near, strict=True)}
    for batch in seen.batches.values():
        assert [expected[text] for text in batch.texts["anchor"]] == batch.texts["positive"]


def test_the_rows_of_a_step_are_those_that_the_protocol_says(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Seen(monkeypatch)
    run = run_tiny(place, tmp_path / "run", **OPTIONS)
    rows = np.flatnonzero(np.lib.format.open_memmap(prepared(run.folder) / "other.npy") >= 0)
    half = set(rows[: len(rows) // 2].tolist())
    of_half = {step: set(batch.row_ids.tolist()) <= half for step, batch in seen.batches.items()}
    assert all(of_half[step] for step in range(ALL_ROWS_FROM))
    assert not any(of_half[step] for step in range(ALL_ROWS_FROM, 12))


def test_masked_weights_stay_at_zero_and_the_mask_is_saved(whole: Path) -> None:
    for step in (MASKED_FROM, MASKED_FROM + 1, 12):
        saved = load(whole / "checkpoints", step)
        mask, weight = saved.of("protocol")["mask"], saved.of("encoder")[WEIGHT]
        assert ((weight != 0) == mask).all()
        assert mask.float().mean().item() == pytest.approx(1.0 if step == MASKED_FROM else 0.6, abs=0.01)


@pytest.mark.parametrize("kill_at", [2, 8])
def test_a_resumed_run_leaves_the_same_bytes_and_prepares_nothing_again(
    whole: Path, place: Place, tmp_path: Path, kill_at: int
) -> None:
    with pytest.raises(Killed):
        run_tiny(place, tmp_path / "cut", listener=Tasks(kill_at), save_every=2, **OPTIONS)
    before = prepared(tmp_path / "cut").stat().st_mtime_ns
    resumed = Tasks()
    run_tiny(place, tmp_path / "cut", resume=True, listener=resumed, save_every=2, **OPTIONS)
    assert resumed.tasks
    assert PREPARING not in resumed.tasks
    assert prepared(tmp_path / "cut").stat().st_mtime_ns == before
    assert outcome(tmp_path / "cut") == outcome(whole)


@pytest.mark.parametrize("moment", ["encoding", "writing"])
def test_a_kill_while_preparing_leaves_nothing_half_and_loses_nothing(
    whole: Path, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    def killed(file: Any, array: np.ndarray) -> None:
        file.write(b"half of it")
        raise Killed

    listener = Tasks(kill_in="encoding" if moment == "encoding" else "")
    with monkeypatch.context() as patched:
        if moment == "writing":
            patched.setattr(np.lib.format, "write_array", killed)
        with pytest.raises(Killed):
            run_tiny(place, tmp_path / "cut", listener=listener, **OPTIONS)
    assert not prepared(tmp_path / "cut").exists()
    again = Tasks()
    run_tiny(place, tmp_path / "cut", resume=True, listener=again, **OPTIONS)
    assert again.tasks.count(PREPARING) == 1
    assert outcome(tmp_path / "cut") == outcome(whole)


def test_a_process_that_is_killed_while_preparing_loses_nothing(
    whole: Path, place: Place, tmp_path: Path
) -> None:
    """The part says when it prepares, and does not end while the file ``hold`` is there."""
    waiting = """        import pathlib, time
        beside = pathlib.Path(__file__).parent
        (beside / "preparing").touch()
        while (beside / "hold").exists():
            time.sleep(0.01)
"""
    first_line = "        (texts,) = corpus.take(rows_N).values()\n"
    code = METHOD.read_text()
    assert first_line in code
    (tmp_path / "mine.py").write_text(code.replace(first_line, waiting + first_line))
    (tmp_path / "hold").touch()
    options = {**OPTIONS, "method": str(tmp_path / "mine.py")}
    process = start(place, tmp_path / "cut", **options)
    wait_until((tmp_path / "preparing").exists, at_work=process.is_alive)
    process.kill()
    process.join(PATIENCE)
    assert process.exitcode == -9
    assert not prepared(tmp_path / "cut").exists()
    (tmp_path / "hold").unlink()
    run_tiny(place, tmp_path / "cut", resume=True, **options)
    assert outcome(tmp_path / "cut") == outcome(whole)


def test_damaged_arrays_are_computed_again(whole: Path, place: Place, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run_tiny(place, tmp_path / "cut", listener=Tasks(8), **OPTIONS)
    path = prepared(tmp_path / "cut") / "other.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    again = Tasks()
    run_tiny(place, tmp_path / "cut", resume=True, listener=again, **OPTIONS)
    assert again.tasks.count(PREPARING) == 1
    assert outcome(tmp_path / "cut") == outcome(whole)


class Part(TextPart):
    name = "mine"
    idea = "A text part for tests."

    def texts(self, rows: Any, columns: Any, *, seed: int, step: int) -> Any:
        raise AssertionError("no step is made")


@pytest.fixture
def attach(place: Place, tmp_path: Path) -> Any:
    corpus, encoder = build_corpus(place.sentences, tmp_path / "corpus"), Encoder.load(place.model)

    def run(rows: int, part: TextPart, listener: Listener, **hyperparameters: Any) -> None:
        preparation = Preparation(
            folder=tmp_path,
            corpus=corpus,
            rows_N=np.arange(rows),
            encoder=encoder,
            precision="fp32",
            method=recipe("simcse", (), hyperparameters),
            processes=ProcessGroup(),
            listener=listener,
        )
        attach_prepared([part], preparation)

    return run


def test_arrays_of_other_rows_or_hyperparameters_are_not_taken_for_those_of_this_run(attach: Any) -> None:
    class Counting(Part):
        def prepare(self, corpus: Any, rows_N: np.ndarray, encode: Any) -> Any:
            return {"rows": rows_N}

        def attach(self, corpus: Any, rows_N: np.ndarray, prepared: Any) -> None:
            assert np.array_equal(prepared["rows"], rows_N)
            assert not prepared["rows"].flags.writeable

    listener = Tasks()
    for rows, hyperparameters in ((50, {}), (50, {}), (60, {}), (60, {"temperature": 0.1}), (50, {})):
        attach(rows, Counting(), listener, **hyperparameters)
    assert listener.tasks.count("preparing the views 'mine'") == 4


@pytest.mark.parametrize(
    "given", [np.arange(3), {"": np.arange(3)}, {"rows": [1, 2]}, {"rows": np.array([{}])}]
)
def test_what_is_no_mapping_of_arrays_is_refused_with_the_name_of_the_part(attach: Any, given: Any) -> None:
    class Wrong(Part):
        def prepare(self, corpus: Any, rows_N: np.ndarray, encode: Any) -> Any:
            return given

    with pytest.raises(UsageError, match="prepare of the text part 'mine' gave"):
        attach(50, Wrong(), Tasks())


def test_a_text_part_that_prepares_nothing_costs_nothing(attach: Any, tmp_path: Path) -> None:
    listener = Tasks()
    attach(50, recipe("simcse", views="crop").text_parts(["text"], max_words=8)[0], listener)
    assert not listener.tasks
    assert not (tmp_path / "cache").exists()


DOCUMENTED = """
from typing import Annotated
import numpy as np
from pydantic import Field
from contrapose.contract import Method, TextPart, TrainingProtocol
from contrapose.maths.nearest import nearest_others
from contrapose.objectives.simcse import simcse

{classes}

METHOD = Method(
    name="documented", idea="Mine.", paper="Me 2026, Mine", reference="https://example.org", objective=simcse,
    text_parts=(NearestOther,), protocol=Masked,
)
"""


def test_the_examples_of_the_page_train_as_they_stand(place: Place, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "adding-a-method.md").read_text()
    classes = re.findall(r"```python\n(class .*?)```", page, re.DOTALL)
    assert len(classes) == 2
    (tmp_path / "mine.py").write_text(DOCUMENTED.format(classes="\n\n".join(classes)))
    run = run_tiny(place, tmp_path / "run", method=str(tmp_path / "mine.py"), sparsity=0.3, steps=3)
    assert prepared(run.folder).is_dir()
    mask = load(run.folder / "checkpoints", 3).of("protocol")["mask"]
    assert mask.float().mean().item() == pytest.approx(0.7, abs=0.01)


def test_a_protocol_that_is_no_class_and_one_that_leaves_too_few_rows_are_refused(
    place: Place, tmp_path: Path
) -> None:
    code = METHOD.read_text()
    file = tmp_path / "mine.py"
    file.write_text(code.replace("protocol=Masked", "protocol='hidden'"))
    with pytest.raises(UsageError, match="names the protocol 'hidden': give a class of TrainingProtocol"):
        recipe(str(file))
    file.write_text(code.replace("rows[: len(rows) // 2]", "rows[:5]"))
    with pytest.raises(UsageError, match="leaves 5 rows for a step, and batch_size is 8"):
        run_tiny(place, tmp_path / "run", method=str(file))
    assert "sparsity" in json.dumps(recipe(str(METHOD), (), {"sparsity": 0.25}).hyperparameters.model_dump())
