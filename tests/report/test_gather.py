from __future__ import annotations

import json
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from contrapose.data.corpus import Corpus
from contrapose.encoder.encoder import Encoder
from contrapose.errors import CorruptFile, UsageError
from contrapose.ledger import Ledger
from contrapose.report.gather import gather
from contrapose.report.own_text import sample_of, split_of
from contrapose.report.wording import settings_of
from contrapose.train.run_folder import open_run
from tests.report.conftest import World
from tests.train.runs import Witness, run_tiny, texts


def test_scores_are_those_of_the_ledger_and_no_others(world: World) -> None:
    for run in world.report.runs:
        assert {score.task for score in run.scores} == {"geometry", "paraphrases"}
        for score in run.scores:
            for side, model in ((score.before, run.start_fingerprint), (score.after, run.fingerprint)):
                assert side is not None
                entry = world.ledger.find(side.entry)
                assert entry.body["fingerprint"] == model
                results = [
                    r for r in entry.body["results"] if (r["task"], r["metric"]) == (score.task, score.metric)
                ]
                assert side.value == results[0]["value"]


def test_a_report_says_how_many_processes_trained(world: World) -> None:
    for run in world.report.runs:
        assert run.processes == 1
        assert ("processes", "2") in settings_of(replace(run, processes=2))
        assert "processes" not in dict(settings_of(replace(run, processes=None))), "of an older run"


def test_differences_are_paired_and_corrected_for_all_runs_together(world: World) -> None:
    found = [s.difference for run in world.report.runs for s in run.scores if s.difference is not None]
    assert len(found) == world.report.comparisons == 2
    for difference in found:
        assert difference.low <= difference.value <= difference.high
        assert difference.p_corrected >= difference.p_value
    for run in world.report.runs:
        (paired,) = [score for score in run.scores if score.difference is not None]
        assert paired.difference is not None
        assert paired.before is not None
        assert paired.after is not None
        assert paired.difference.value == pytest.approx(paired.after.value - paired.before.value, abs=1e-6)


def test_an_evaluation_of_another_model_is_not_in_the_table(world: World, tmp_path: Path) -> None:
    other = Ledger(tmp_path / "ledger")
    for entry in world.ledger.entries("evaluation"):
        if entry.body["fingerprint"] == world.report.runs[1].fingerprint:
            other.append("evaluation", entry.body)
    run = gather([world.first], other, sample=0).runs[0]
    assert run.scores == ()
    assert "No evaluation of the pretrained model and of the trained model is in the ledger" in run.notes
    assert [shlex.split(command)[2] for command in run.commands] == [str(world.place.model), str(world.first)]
    assert run.verdict.source.startswith("the run's own measure (")
    assert run.verdict.labelled == ""


def test_malformed_entries_of_the_ledger_are_passed_over(world: World, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    for body in ({"results": 3}, {"results": [{"task": "x"}]}, {"results": [None]}, {}):
        ledger.append("evaluation", {**body, "fingerprint": world.report.runs[0].fingerprint})
    assert gather([world.first], ledger, sample=0).runs[0].scores == ()


def test_without_a_ledger_the_table_is_empty_and_says_why(world: World) -> None:
    run = gather([world.first], None, sample=0).runs[0]
    assert run.scores == ()
    assert any("switched off" in note for note in run.notes)


def test_the_sample_is_of_the_rows_that_training_held_out(world: World) -> None:
    run = open_run(world.first)
    corpus = Corpus.open(world.first / "cache" / "corpus")
    trained, held_out = split_of(run, corpus)
    assert len(held_out) == len(corpus) // 10 > 20
    assert len(trained) == run.summary["rows"]
    sample = sample_of(run)
    assert set(sample.texts) == set(corpus.take(held_out)["text"])
    assert len(sample.first) == len(sample.second) > 10


def test_own_text_is_seen_with_both_models(world: World) -> None:
    run = world.report.runs[0]
    own = run.own
    assert own is not None
    assert {each.kind for each in own.after} == {"positives", "random negatives", "hardest negatives"}
    assert [sum(each.shares) for each in (*own.before, *own.after)] == pytest.approx([1.0] * 6)
    assert [plane.method for plane in own.planes] == ["PCA", "t-SNE"]
    for plane in own.planes:
        assert plane.before is not None
        assert len(plane.before) == len(plane.after) == len(own.texts) == len(own.group_of)
    assert own.kept_share is not None
    assert 0 < own.kept_share < 1
    assert own.changes


def test_suspects_have_the_cosine_that_the_trained_model_gives(world: World) -> None:
    own = world.report.runs[0].own
    assert own is not None
    assert own.suspects
    sample = sample_of(open_run(world.first))
    suspect = own.suspects[0]
    vectors = Encoder.load(world.first / "model").encode(
        [sample.texts[suspect.first], sample.texts[suspect.second]], normalize=True
    )
    assert suspect.after == pytest.approx(float(vectors[0] @ vectors[1]), abs=1e-5)
    assert [each.after for each in own.suspects] == sorted(
        (each.after for each in own.suspects), reverse=True
    )


def test_curves_and_path_are_those_of_the_metrics(world: World) -> None:
    rows = [json.loads(line) for line in (world.first / "metrics.jsonl").read_text().splitlines()]
    run = world.report.runs[0]
    curves = {curve.name: curve for curve in run.curves}
    assert list(curves["loss"].values) == [row["loss"] for row in rows if "loss" in row]
    assert [point.step for point in run.path] == [0, 4, 8, 12]
    assert [point.alignment for point in run.path] == [
        r["evaluation"]["alignment"] for r in rows if "evaluation" in r
    ]


def test_a_start_model_that_is_gone_leaves_out_the_before_parts(world: World, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(world.first, run)
    config = (run / "config.toml").read_text()
    (run / "config.toml").write_text(config.replace(str(world.place.model), str(tmp_path / "gone")))
    found = gather([run], world.ledger).runs[0]
    assert any("cannot be loaded" in note and "gone" in note for note in found.notes)
    assert found.own is not None
    assert found.own.before == ()
    assert found.own.after
    assert found.own.kept_share is None
    assert found.own.changes == ()
    assert all(plane.before is None for plane in found.own.planes)
    assert any(score.before is not None for score in found.scores)  # run.json still knows who it was


def test_a_start_model_that_changed_is_not_taken_for_the_old_one(world: World, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(world.first, run)
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, "model": "0" * 64}))
    found = gather([run], world.ledger).runs[0]
    assert any("no longer the one" in note for note in found.notes)
    assert found.own is not None
    assert found.own.before == ()


def test_what_is_no_run_is_named(world: World, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        gather([tmp_path / "nowhere"])
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(UsageError, match="is a file"):
        gather([tmp_path / "a.txt"])
    with pytest.raises(UsageError, match=r"not the folder of a run.*metrics\.jsonl"):
        gather([tmp_path])
    with pytest.raises(UsageError, match="no folder"):
        gather([])
    with pytest.raises(UsageError, match="at least 3"):
        gather([world.first], sample=2)


def test_an_unfinished_run_is_told_to_go_on(world: World, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(world.first, run)
    (run / "summary.json").unlink()
    with pytest.raises(UsageError, match=r"not finished.*summary\.json.*--resume"):
        gather([run])


@pytest.mark.parametrize("content", ["", "{", "[]", "\0", "[" * 100_000], ids=range(5))
def test_a_damaged_summary_is_named(world: World, tmp_path: Path, content: str) -> None:
    run = tmp_path / "run"
    shutil.copytree(world.first, run)
    (run / "summary.json").write_text(content)
    with pytest.raises(CorruptFile, match=r"summary\.json"):
        gather([run])


def test_damaged_settings_are_named(world: World, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(world.first, run)
    (run / "config.toml").write_text("out = 3\n[[[")
    with pytest.raises(CorruptFile, match=r"config\.toml"):
        gather([run])


def test_damaged_metrics_are_counted_and_the_rest_is_drawn(world: World, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(world.first, run)
    metrics = run / "metrics.jsonl"
    odd = [
        '{"step": 13, "loss": "NaN"}',
        '{"step": 14, "loss": "abc", "evaluation": 3}',
        "garbage",
        "\0\0",
        '{"no": 1}',
    ]
    metrics.write_text(metrics.read_text() + "\n".join(odd) + "\n")
    found = gather([run], None, sample=0).runs[0]
    assert any(note.startswith("3 of ") and "metrics.jsonl" in note for note in found.notes)
    (loss,) = [curve for curve in found.curves if curve.name == "loss"]
    assert (len(loss.values), loss.not_finite) == (12, 1)
    metrics.unlink()
    assert any("missing" in note for note in gather([run], None, sample=0).runs[0].notes)


def test_a_corpus_cache_that_is_gone_leaves_out_the_text(world: World, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(world.first, run)
    shutil.rmtree(run / "cache")
    found = gather([run], world.ledger).runs[0]
    assert found.own is None
    assert any("text cannot be shown" in note for note in found.notes)


def test_sample_0_leaves_the_text_out(world: World) -> None:
    found = gather([world.first], world.ledger, sample=0)
    assert found.runs[0].own is None
    assert all(text not in json.dumps(found.to_json()) for text in world.report.runs[0].own.texts[:5])


def test_rows_of_pairs_are_positives_by_themselves(world: World, tmp_path: Path) -> None:
    corpus = tmp_path / "pairs.jsonl"
    sides = zip(texts(300, seed=5), texts(300, seed=6), strict=True)
    corpus.write_text("".join(json.dumps({"anchor": a, "positive": b}) + "\n" for a, b in sides))
    run = run_tiny(world.place, tmp_path / "run", corpus=corpus, steps=2, listener=Witness())
    own = gather([run.folder], None).runs[0].own
    assert own is not None
    assert own.positives == "anchor and positive of a row"


def test_a_corpus_of_short_rows_has_no_positives_and_says_so(world: World, tmp_path: Path) -> None:
    corpus = tmp_path / "short.txt"
    corpus.write_text("\n".join(texts(300, seed=8, fewest=3, most=6)) + "\n")
    run = run_tiny(world.place, tmp_path / "run", corpus=corpus, steps=2, held_out_rows=0)
    own = gather([run.folder], None, sample=40).runs[0].own
    assert own is not None
    assert own.positives == ""
    assert own.source == "rows that it was trained on"
    assert len(own.texts) == 40
    assert {each.kind for each in own.after} == {"random negatives", "hardest negatives"}
    assert all(suspect.nearer_than is None for suspect in own.suspects)


def test_the_record_is_json_without_nan(world: World) -> None:
    plain = json.loads(json.dumps(world.report.to_json(), allow_nan=False))
    assert [run["name"] for run in plain["runs"]] == ["<i>first", "second"]
    assert np.isfinite(plain["runs"][0]["scores"][0]["before"]["value"])


def test_runs_of_one_name_are_called_by_their_path(world: World, tmp_path: Path) -> None:
    copy = tmp_path / "second"
    shutil.copytree(world.second, copy)
    found = gather([world.second, copy], None, sample=0)
    assert [run.name for run in found.runs] == [str(world.second), str(copy)]
