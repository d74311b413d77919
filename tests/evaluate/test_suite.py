from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

import contrapose.evaluate as package
from contrapose.errors import UsageError
from contrapose.evaluate.dataset_sources import expand_tasks
from contrapose.evaluate.per_example import PerExampleScores
from contrapose.evaluate.senteval import YEARS
from contrapose.evaluate.suite import evaluate
from contrapose.ledger import VARIABLE, Ledger
from contrapose.listening import Listener
from tests.evaluate.fakes import constant, random_directions, write_benchmark, write_sick, write_year
from tests.evaluate.folders import write_beir, write_crosslingual, write_tables, write_transfer


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for year in YEARS:
        write_year(tmp_path, year)
    write_benchmark(tmp_path)
    write_benchmark(tmp_path, "dev")
    write_sick(tmp_path)
    write_sick(tmp_path, "SICK_trial.txt")
    return tmp_path


def test_all_tasks_share_one_encoding_of_distinct_sentences(data: Path) -> None:
    encoder = random_directions()
    found = evaluate(encoder, data=data)
    (texts,) = encoder.calls
    assert len(texts) == len(set(texts)) == found.sentences
    assert [result.task for result in found.results] == [*YEARS, "STS-B", "SICK-R", *["geometry"] * 7]
    assert found.exit_code == 0


def test_json_has_the_fixed_shape(data: Path) -> None:
    plain = json.loads(json.dumps(evaluate(random_directions(), ["sts"], data).to_json(), allow_nan=False))
    assert plain["model"] == "fake"
    assert {"task", "metric", "value", "protocol", "rows"} <= set(plain["results"][0])
    assert [mean["over"] for mean in plain["averages"]] == [list(YEARS), [*YEARS, "STS-B", "SICK-R"]]
    assert {"over", "protocol", "value"} <= set(plain["averages"][0])
    values = {result["task"]: result["value"] for result in plain["results"]}
    assert plain["averages"][0]["value"] == pytest.approx(sum(values[year] for year in YEARS) / 5)


def test_bad_and_missing_tasks_are_reported_and_the_others_run(data: Path) -> None:
    (data / "SICK" / "SICK_test_annotated.txt").unlink()
    (data / "STS" / "STS14-en-test" / "STS.gs.images.txt").write_text("1\n")
    found = evaluate(random_directions(), ["sts"], data)
    assert [problem.task for problem in found.problems] == ["STS14", "SICK-R"]
    assert "STS.gs.images.txt" in found.problems[0].message
    assert [result.task for result in found.results] == ["STS12", "STS13", "STS15", "STS16", "STS-B"]
    assert [mean.over for mean in found.averages] == [("STS12", "STS13", "STS15", "STS16", "STS-B")]
    assert found.exit_code == 3


def test_nothing_to_evaluate_is_a_failure_that_encodes_nothing(tmp_path: Path) -> None:
    encoder = random_directions()
    found = evaluate(encoder, ["sts"], tmp_path)
    assert (len(found.problems), found.results, found.exit_code) == (7, (), 1)
    assert encoder.calls == []


def test_collapsed_encoder_gives_null_everywhere_and_no_crash(data: Path) -> None:
    found = evaluate(constant(), data=data)
    plain = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert {result["value"] for result in plain["results"] if result["metric"] == "spearman"} == {None}
    assert all(mean["value"] is None for mean in plain["averages"])
    assert found.value("geometry", "mean_cosine") == pytest.approx(1.0, abs=1e-5)
    assert found.value("geometry", "effective_rank") == 1.0


def test_dev_split_reads_no_test_file(data: Path, opened: list[str]) -> None:
    opened.clear()  # the folder was just written
    found = evaluate(random_directions(), data=data, split="dev")
    assert set(opened) == {"sts-dev.csv", "SICK_trial.txt"}
    assert {result.split for result in found.results} == {"dev"}
    assert {result.task for result in found.results} == {"STS-B", "SICK-R", "geometry"}


def test_dev_split_opens_no_test_file_of_any_layout(tmp_path: Path, opened: list[str]) -> None:
    """Also none of a table whose kind is read off its rows, and none of whose split says so only by having no other."""
    write_benchmark(write_transfer(tmp_path), "dev")
    write_sick(tmp_path, "SICK_trial.txt")
    write_crosslingual(tmp_path)
    library = write_beir(tmp_path / "library")
    (library / "qrels/dev.tsv").write_text((library / "qrels/test.tsv").read_text())
    write_tables(tmp_path)
    (tmp_path / "topics/dev.tsv").write_text((tmp_path / "topics/test.tsv").read_text())
    groups = ["sts", "crosslingual", "retrieval", "clustering", "geometry"]
    opened.clear()
    found = evaluate(random_directions(), groups, tmp_path, split="dev")
    assert not found.problems
    assert {result.split for result in found.results} == {"dev"}
    assert {"sts-dev.csv", "dev.en-de.tsv", "trial.en-ja.tsv", "dev.tsv"} <= set(opened)
    assert not [name for name in opened if "test" in name or name in ("scored.csv", "track1.ar-ar.tsv")]


def test_the_ledger_says_which_test_splits_were_read(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(data / "ledger"))
    evaluate(random_directions(), ["STS-B", "STS12"], data)
    evaluate(random_directions(), ["STS-B"], data, split="dev")
    final, dev = Ledger(data / "ledger").entries("evaluation")
    assert set(final.body["test_splits_read"]) == {"STS-B", "STS12"}
    assert all(len(fingerprint) == 64 for fingerprint in final.body["test_splits_read"].values())
    assert (dev.body["split"], dev.body["test_splits_read"]) == ("dev", {})


def test_the_per_example_scores_of_a_mean_over_parts_comes_back_from_the_ledger(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(data / "ledger"))
    found = evaluate(random_directions(), ["STS12"], data, protocol="senteval-mean")
    ledger = Ledger(data / "ledger")
    (entry,) = ledger.entries("evaluation")
    arrays = ledger.evidence(entry)
    assert set(arrays) == {f"STS12|spearman|{name}" for name in ("values", "gold", "parts")}
    again = PerExampleScores.from_arrays(arrays, "STS12", "spearman")
    assert again is not None
    assert again.value() == pytest.approx(found.value("STS12"), abs=1e-12)
    assert len(again.by_part()) == len(YEARS["STS12"])


def test_reading_the_test_split_is_logged(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        evaluate(random_directions(), ["STS-B"], data)
    assert "reading test splits: STS-B" in caplog.text


def test_geometry_on_own_texts_needs_no_data_folder() -> None:
    found = evaluate(random_directions(), ["geometry"], texts=["a", "b", "c"], pairs=[("a", "b")])
    assert math.isfinite(found.value("geometry", "alignment"))
    assert found.results[0].details["source"] == "own texts"


class Counted(Listener):
    """Remembers the tasks and what was done of them."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, int | None, str]] = []
        self.done, self.ended = 0, 0

    def begin(self, what: str, total: int | None = None, unit: str = "") -> None:
        self.begun.append((what, total, unit))

    def advance(self, count: int = 1) -> None:
        self.done += count

    def end(self) -> None:
        self.ended += 1


def test_progress_is_announced_and_reaches_the_end(data: Path) -> None:
    encoder, told = random_directions(), Counted()
    found = evaluate(lambda texts: encoder.encode(texts), ["STS-B"], data, progress=told)
    assert told.begun == [("encoding", found.sentences, "text")]
    assert told.done == found.sentences > 0
    assert told.ended == 1
    done: list[int] = []
    evaluate(lambda texts: encoder.encode(texts), ["STS-B"], data, progress=done.append)
    assert sum(done) == found.sentences, "a plain function is told of the sentences too"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tasks": ["sts", "geomtry"]}, "unknown task 'geomtry'. Did you mean 'geometry'"),
        ({"tasks": ["STS-C"]}, "unknown task 'STS-C'. Did you mean"),
        ({"tasks": []}, "tasks must be a list of names"),
        ({"tasks": "sts"}, "tasks must be a list of names"),
        ({"tasks": ["STS12"], "split": "dev"}, "STS12 has no split 'dev'"),
        ({"split": "tset"}, "Did you mean 'test'"),
        ({"protocol": "mteb"}, "unknown protocol 'mteb'"),
        ({"data": None}, "give data=FOLDER"),
        ({"data": "nowhere-at-all"}, "data folder not found: nowhere-at-all"),
        ({"tasks": ["sts"], "texts": ["a", "b"]}, "used by the task 'geometry' only"),
    ],
)
def test_wrong_options_are_refused_before_encoding(data: Path, options: dict, message: str) -> None:
    encoder = random_directions()
    with pytest.raises(UsageError, match=message):
        evaluate(encoder, **{"data": data, **options})
    assert encoder.calls == []


def test_names_are_unified_and_kept_in_order() -> None:
    assert expand_tasks(["geometry", "sick_r", "STS"])[:3] == ("geometry", "SICK-R", "STS12")
    assert len(expand_tasks(["sts", "stsb", "STS-B"])) == 7


def test_room_is_the_function_of_its_name(data: Path) -> None:
    assert package(random_directions(), ["STS-B"], data).value("STS-B") == evaluate(
        random_directions(), ["STS-B"], data
    ).value("STS-B")
