"""``sparsify`` zeroes what scores lowest, writes a whole model or none, and a stopped one loses nothing."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from contrapose.encoder.encoder import Encoder
from contrapose.errors import RunLocked, UsageError
from contrapose.listening import Listener
from contrapose.maths.importance import keep_masks
from contrapose.protocols.masked import scored
from contrapose.pruning import scoring
from contrapose.pruning.sparsify import Sparsified, sparsify
from tests.evaluate.fakes import write_benchmark
from tests.tiny import tiny_bert
from tests.train.processes import LOADED
from tests.train.runs import run_tiny, texts, write_place
from tests.waiting import PATIENCE, wait_until

OPTIONS: dict[str, Any] = {"rate": 0.1, "batch_size": 16, "sentences": 96}


#: So many batches that a kill falls between the first and the last.
LONG = {**OPTIONS, "sentences": 320, "batch_size": 4}


class Counting(Listener):
    """Counts batches; ``kill_at`` ends the work there, as a kill would."""

    def __init__(self, kill_at: int | None = None) -> None:
        self.kill_at, self.batches, self.tasks, self.notices = kill_at, 0, [], []

    def begin(self, what: str, total: int | None = None, unit: str = "") -> None:
        self.tasks.append((what, total))

    def advance(self, count: int = 1) -> None:
        if self.tasks[-1][0] == "scoring the weights":
            self.batches += 1
            if self.batches == self.kill_at:
                raise Killed

    def notice(self, text: str) -> None:
        self.notices.append(text)


class Killed(BaseException):
    pass


def work(out: Path) -> Path:
    return out.with_name(f"{out.name}.scoring")


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.safetensors")}


@pytest.fixture(scope="module")
def made(model: Path, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Sparsified:
    return sparsify(model, corpus, tmp_path_factory.mktemp("made") / "sparse", **OPTIONS)


def test_exactly_the_masked_weights_are_zero_and_all_others_are_as_they_were(
    made: Sparsified, model: Path
) -> None:
    masks = load_file(made.folder / "mask.safetensors")
    before, after = (Encoder.load(folder, head="none").state_dict() for folder in (model, made.folder))
    assert masks
    for name, weight in before.items():
        kept = masks.get(name, torch.ones_like(weight, dtype=torch.bool))
        assert torch.equal(after[name], weight * kept), name
        if name in masks:
            assert int((~kept).sum()) == int(0.1 * kept.numel())
    assert not any("embeddings" in name or "LayerNorm" in name or "bias" in name for name in masks)
    zeroed = sum(int((~mask).sum()) for mask in masks.values())
    assert made.record["zeroed"] == zeroed
    assert made.record["weights"] == sum(mask.numel() for mask in masks.values())


def test_the_mask_is_the_one_that_the_scores_give(
    made: Sparsified, model: Path, corpus: Path, tmp_path: Path
) -> None:
    from contrapose.data.corpus import build_corpus
    from contrapose.pruning.sparsify import _batches

    text = build_corpus(corpus, tmp_path / "corpus")
    encoder = Encoder.load(model, head="none").eval()
    batches, _ = _batches(text, 16, 0)
    plan = scoring.ScoringPlan(num_batches=6)
    sums = scoring.score_weights(encoder, batches, plan, tmp_path, Listener())
    expected = keep_masks(scored(sums, "matrix"), 0.1, "matrix")
    written = load_file(made.folder / "mask.safetensors")
    assert {name.removeprefix("encoder.") for name in expected} == set(written)
    for name, mask in expected.items():
        assert torch.equal(mask, written[name.removeprefix("encoder.")])
    assert not encoder.training
    assert all(weight.grad is None for weight in encoder.parameters())


def test_the_record_says_how_it_was_made_and_what_it_changed(made: Sparsified) -> None:
    record = json.loads((made.folder / "sparsity.json").read_text())
    assert record == made.record
    assert record["scored_on"]["sentences"] == 96
    assert record["start_fingerprint"] != record["fingerprint"]
    assert record["left_out"]["biases, norms and tables"] > 0
    assert record["left_out"]["matrices without a gradient"] == []
    effects = {effect.metric: effect for effect in made.effects}
    assert list(effects) == ["alignment", "spread", "uniformity", "mean_cosine", "effective_rank"]
    for metric in ("alignment", "spread"):
        change = effects[metric].after - effects[metric].before
        assert effects[metric].low <= change <= effects[metric].high
        assert effects[metric].rows == 42
    assert effects["uniformity"].before != effects["uniformity"].after
    card = (made.folder / "README.md").read_text()
    assert made.verdict in card


def test_labelled_tasks_are_compared_pair_by_pair(model: Path, corpus: Path, tmp_path: Path) -> None:
    table = write_benchmark(tmp_path / "data", rows=40)
    lines = table.read_text().splitlines()
    pairs = zip(texts(40, seed=7), texts(40, seed=8), strict=True)
    known = ["\t".join([*line.split("\t")[:5], *pair]) for line, pair in zip(lines, pairs, strict=True)]
    table.write_text("\n".join(known) + "\n")
    made = sparsify(
        model,
        corpus,
        tmp_path / "sparse",
        data=tmp_path / "data",
        tasks=["STS-B"],
        **{**OPTIONS, "rate": 0.6},
    )
    (effect,) = [effect for effect in made.effects if effect.task == "STS-B"]
    assert effect.before != effect.after
    assert effect.low <= effect.after - effect.before <= effect.high
    assert effect.word in ("better", "worse", "no clear change")
    assert made.record["effects"][0]["task"] == "STS-B", "what is labelled comes first"


@pytest.mark.parametrize("kill_at", [3, 5])
def test_a_stopped_scoring_goes_on_and_gives_the_same_bytes(
    made: Sparsified, model: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill_at: int
) -> None:
    monkeypatch.setattr(scoring, "SECONDS_BETWEEN_SAVES", 0.0)
    out = tmp_path / "sparse"
    with pytest.raises(Killed):
        sparsify(model, corpus, out, progress=Counting(kill_at), **OPTIONS)
    assert not out.exists()
    again = Counting()
    sparsify(model, corpus, out, progress=again, **OPTIONS)
    assert again.batches == 6 - (kill_at - 1), "one batch was done again"
    assert any("going on with the scores of" in notice for notice in again.notices)
    assert bytes_of(out) == bytes_of(made.folder)
    assert not work(out).exists()


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"batch_size": 12}, {"reduction": "mean_abs"}, {"sentences": 80}]
)
def test_scores_of_another_scoring_are_not_taken(
    model: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    monkeypatch.setattr(scoring, "SECONDS_BETWEEN_SAVES", 0.0)
    with pytest.raises(Killed):
        sparsify(model, corpus, tmp_path / "sparse", progress=Counting(4), **OPTIONS)
    again = Counting()
    options = {**OPTIONS, **change}
    sparsify(model, corpus, tmp_path / "sparse", progress=again, **options)
    assert again.batches == options["sentences"] // options["batch_size"]


def test_damaged_scores_are_computed_again(
    made: Sparsified, model: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "SECONDS_BETWEEN_SAVES", 0.0)
    out = tmp_path / "sparse"
    with pytest.raises(Killed):
        sparsify(model, corpus, out, progress=Counting(4), **OPTIONS)
    file = work(out) / "sums" / "sums.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    again = Counting()
    sparsify(model, corpus, out, progress=again, **OPTIONS)
    assert again.batches == 6
    assert bytes_of(out) == bytes_of(made.folder)


def _in_process(model: Path, corpus: Path, out: Path) -> None:
    torch.set_num_threads(1)
    scoring.SECONDS_BETWEEN_SAVES = 0.0
    sparsify(model, corpus, out, **LONG)


def test_a_killed_process_leaves_no_model_and_its_scores(model: Path, corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "sparse"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LOADED)
    process = context.Process(target=_in_process, args=(model, corpus, out), daemon=True)
    process.start()
    wait_until((work(out) / "sums" / "state.json").exists, at_work=process.is_alive)
    process.kill()
    process.join(PATIENCE)
    assert process.exitcode == -9
    assert not out.exists()
    again = Counting()
    sparsify(model, corpus, out, progress=again, **LONG)
    assert 0 < again.batches < 80
    assert (out / "mask.safetensors").is_file()


def test_scopes_differ_and_a_pair_corpus_is_scored_on_its_pairs(
    model: Path, corpus: Path, tmp_path: Path
) -> None:
    place = write_place(tmp_path, model)
    pairs = sparsify(model, place.pairs, tmp_path / "pairs", **OPTIONS)
    assert pairs.record["scored_on"]["views"] == ["pairs"]
    overall = sparsify(model, corpus, tmp_path / "global", **OPTIONS, scope="global").record[
        "zeroed_by_matrix"
    ]
    assert len(set(overall.values())) > 3, "matrices lose different shares where all weights are compared"


def test_the_mask_can_be_trained_under(made: Sparsified, model: Path, tmp_path: Path) -> None:
    place = write_place(tmp_path, model)
    run = run_tiny(place, tmp_path / "run", method="sparse-cse", mask_file=str(made.folder), steps=3)
    masks = load_file(made.folder / "mask.safetensors")
    weights = Encoder.load(run.model_folder).state_dict()
    for name, mask in masks.items():
        assert torch.equal(weights[name] == 0, ~mask), name


def test_a_model_of_that_name_is_replaced_only_on_demand(model: Path, corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "sparse"
    sparsify(model, corpus, out, **OPTIONS)
    with pytest.raises(UsageError, match="is there already: give another --out, or --force"):
        sparsify(model, corpus, out, **OPTIONS)
    second = sparsify(model, corpus, out, force=True, **{**OPTIONS, "rate": 0.3})
    assert json.loads((out / "sparsity.json").read_text())["rate"] == second.record["rate"] == 0.3


@pytest.mark.parametrize("rate", [0.0, 1.0, -1.0, float("nan")])
def test_a_rate_that_is_no_share_is_refused_before_anything_is_read(
    model: Path, tmp_path: Path, rate: float
) -> None:
    with pytest.raises(UsageError, match="give a share of the weights between 0 and 1"):
        sparsify(model, tmp_path / "nothing.txt", tmp_path / "sparse", rate=rate)
    assert not list(tmp_path.iterdir())


def test_an_encoder_without_dropout_is_refused_with_the_remedy(corpus: Path, tmp_path: Path) -> None:
    model = tiny_bert(tmp_path / "calm", dropout=0.0)
    with pytest.raises(UsageError, match=r"dropout of 0.*--dropout 0\.1"):
        sparsify(model, corpus, tmp_path / "sparse", **OPTIONS)
    assert sparsify(model, corpus, tmp_path / "sparse", dropout=0.1, **OPTIONS).record["zeroed"]


def test_little_text_is_scored_as_one_batch_and_a_single_line_is_refused(model: Path, tmp_path: Path) -> None:
    (tmp_path / "little.txt").write_text("one line of text\nanother line of text\na third line\n")
    made = sparsify(model, tmp_path / "little.txt", tmp_path / "sparse")
    assert made.record["scored_on"]["sentences"] == 3
    assert made.effects == ()
    assert made.verdict.startswith("Not judged: too little text was held out")
    (tmp_path / "one.txt").write_text("one line of text\n")
    with pytest.raises(UsageError, match="1 rows to score on: uniformity needs two"):
        sparsify(model, tmp_path / "one.txt", tmp_path / "other")


def test_two_at_once_in_one_folder_are_refused(model: Path, corpus: Path, tmp_path: Path) -> None:
    from contrapose.storage.durable import RunLock

    out = tmp_path / "sparse"
    work(out).mkdir()
    with RunLock(work(out)), pytest.raises(RunLocked):
        sparsify(model, corpus, out, **OPTIONS)


def test_a_folder_of_that_name_that_is_somebody_s_own_is_refused_and_left_alone(
    model: Path, corpus: Path, tmp_path: Path
) -> None:
    mine = work(tmp_path / "sparse") / "corpus" / "thesis.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("years of work")
    with pytest.raises(UsageError, match=r"sparse\.scoring is not a folder of scores"):
        sparsify(model, corpus, tmp_path / "sparse", **OPTIONS)
    assert mine.read_text() == "years of work"
    assert [path.name for path in work(tmp_path / "sparse").iterdir()] == ["corpus"]
