"""MTEB's tasks with the real mteb package, on folders made here, without a network."""

from __future__ import annotations

import itertools
import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contrapose.encoder.encoder import Encoder
from contrapose.errors import MissingExtra, ModelError, StorageError, UsageError
from contrapose.evaluate.results import average
from contrapose.evaluate.suite import Evaluation, averages_of, evaluate
from contrapose.interop.mteb import evaluate_mteb, task_names
from contrapose.ledger import VARIABLE, Ledger
from tests.cli.conftest import Command, contrapose  # noqa: F401 -- a fixture
from tests.evaluate.fakes import constant, oracle, random_directions, write_benchmark, write_sick, write_year
from tests.evaluate.folders import write_beir, write_crosslingual
from tests.tiny import SENTENCES, tiny_bert

pytest.importorskip("mteb", reason="needs the extra 'mteb'")
pytestmark = pytest.mark.usefixtures("no_network")


@pytest.fixture
def no_network(socket_disabled: None) -> None:
    """Any socket is an error."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    write_benchmark(root)
    write_year(root, "STS12")
    for file in ("SICK_train.txt", "SICK_trial.txt", "SICK_test_annotated.txt"):
        write_sick(root, file)
    write_crosslingual(root)
    write_beir(root / "scifact")
    return root


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs of the same name, with other weights."""
    root = tmp_path_factory.mktemp("runs")
    return tiny_bert(root / "a" / "notes" / "model", seed=1), tiny_bert(
        root / "b" / "notes" / "model", seed=2
    )


def compare_last_two(folder: Path) -> list[Any]:
    from contrapose.experiment.paired_evaluations import compare_evaluations

    ledger = Ledger(folder)
    return compare_evaluations(ledger, *ledger.entries("evaluation")[-2:])


def worded(root: Path) -> Path:
    """A small STS-B in words that the tiny model knows."""
    rows = enumerate(itertools.combinations(SENTENCES, 2))
    pairs = "".join(f"g\tf\ty\t{i}\t{i * 7 % 51 / 10}\t{a}\t{b}\n" for i, (a, b) in rows)
    path = root / "STS/STSBenchmark/sts-test.csv"
    path.parent.mkdir(parents=True)
    path.write_text(pairs)
    return root


def run(encoder: Any, tasks: list[str], data: Any, tmp_path: Path, **options: Any) -> Evaluation:
    return evaluate_mteb(encoder, tasks, data, results=tmp_path / "out", **options)


def files(tmp_path: Path) -> list[Path]:
    """Result files, without mteb's own description of the model."""
    found = (tmp_path / "out" / "results").rglob("*.json")
    return sorted(path for path in found if path.name != "model_meta.json")


def test_here_no_socket_can_be_opened() -> None:
    import socket

    from pytest_socket import SocketBlockedError

    with pytest.raises(SocketBlockedError), pytest.warns(UserWarning, match="socket"):
        socket.socket()


def test_a_perfect_encoder_reaches_100_and_agrees_with_the_suite(data: Path, tmp_path: Path) -> None:
    encoder = oracle(data)
    found = run(encoder, ["STSBenchmark"], data, tmp_path)
    (result,) = found.results
    ours = evaluate(encoder, ["STS-B"], data)
    assert result.value == pytest.approx(ours.value("STS-B"), abs=1e-4) == pytest.approx(100)
    assert (result.protocol, result.metric, result.rows, result.text) == (
        "mteb",
        "cosine_spearman",
        12,
        "raw",
    )
    assert result.per_example is not None
    assert result.details["interval"][0] > 90


def test_results_lie_where_mteb_finds_them(tmp_path: Path, models: tuple[Path, Path]) -> None:
    from mteb.cache import ResultCache

    data = worded(tmp_path / "words")
    encoder = Encoder.load(models[0])
    found = run(encoder, ["STSBenchmark"], data, tmp_path)
    (path,) = files(tmp_path)
    revision = encoder.fingerprint()
    assert path.relative_to(tmp_path / "out") == Path(
        f"results/contrapose__notes/{revision}/STSBenchmark.json"
    )
    loaded = ResultCache(tmp_path / "out").load_task_result("STSBenchmark", "contrapose/notes", revision)
    assert loaded is not None
    assert loaded.get_score() == pytest.approx(found.results[0].value / 100, abs=1e-6)
    assert json.loads(path.read_text())["dataset_revision"].startswith("local-")
    described = json.loads((path.parent / "model_meta.json").read_text())
    assert (described["name"], described["revision"]) == ("contrapose/notes", revision)


def test_two_models_of_one_name_do_not_collide(tmp_path: Path, models: tuple[Path, Path]) -> None:
    data = worded(tmp_path / "words")
    first, second = (run(Encoder.load(model), ["STSBenchmark"], data, tmp_path) for model in models)
    assert first.results[0].value != second.results[0].value
    scores = [json.loads(path.read_text())["scores"]["test"][0]["main_score"] for path in files(tmp_path)]
    assert sorted(100 * score for score in scores) == pytest.approx(
        sorted((first.results[0].value, second.results[0].value)), abs=1e-4
    )


def test_a_result_is_taken_from_its_file_only_while_nothing_has_changed(data: Path, tmp_path: Path) -> None:
    first = run(random_directions(), ["STSBenchmark"], data, tmp_path)
    again = random_directions()
    second = run(again, ["STSBenchmark"], data, tmp_path)
    assert again.calls == []
    assert second.results[0].details["taken_from_file"]
    assert second.results[0].value == pytest.approx(first.results[0].value, abs=1e-4)
    assert second.results[0].details["interval"] == first.results[0].details["interval"]

    write_benchmark(data, rows=11)
    third = run(again, ["STSBenchmark"], data, tmp_path)
    assert again.calls
    assert "taken_from_file" not in third.results[0].details
    assert third.results[0].rows == 11
    (path,) = files(tmp_path)
    score = json.loads(path.read_text())["scores"]["test"][0]["main_score"]
    assert 100 * score == pytest.approx(third.results[0].value, abs=1e-4)


def test_a_function_without_fingerprint_is_always_measured(data: Path, tmp_path: Path) -> None:
    encoder = oracle(data)
    for sign in (1, -1):

        def encode(texts: Any, sign: int = sign) -> np.ndarray:
            return np.array([encoder.vector_of(text) * [1, sign] + [sign, 0] for text in texts])

        found = run(encode, ["STSBenchmark"], data, tmp_path)
        assert "taken_from_file" not in found.results[0].details


@pytest.mark.parametrize("content", ["", "{", "[]", '{"scores": 3}'])
def test_a_damaged_file_is_measured_anew(data: Path, tmp_path: Path, content: str) -> None:
    before = run(random_directions(), ["STSBenchmark"], data, tmp_path)
    files(tmp_path)[0].write_text(content)
    encoder = random_directions()
    after = run(encoder, ["STSBenchmark"], data, tmp_path)
    assert encoder.calls
    assert after.results[0].value == before.results[0].value


def test_bf16_does_not_overwrite_fp32(data: Path, tmp_path: Path) -> None:
    for precision in ("fp32", "bf16"):
        encoder = random_directions()
        run(encoder, ["STSBenchmark"], data, tmp_path, precision=precision)
        assert {options["precision"] for options in encoder.options} == {precision}
    first, second = files(tmp_path)
    assert "experiments" in first.parts + second.parts
    assert first.name == second.name


def test_sick_is_all_three_parts_and_sts12_its_scored_pairs(data: Path, tmp_path: Path) -> None:
    found = run(random_directions(), ["SICK-R", "sts12"], data, tmp_path)
    assert {result.task: result.rows for result in found.results} == {"SICK-R": 15, "STS12": 25}
    assert found.results[0].details["mteb_rows"] == 9927
    assert not found.results[0].details["same_as_mteb"]


def test_sts17_has_a_result_for_each_language_pair_at_hand_and_their_mean(data: Path, tmp_path: Path) -> None:
    write = data / "sts17" / "track6.tr-en.tsv"
    write.write_text((data / "sts17" / "track1.ar-ar.tsv").read_text())
    found = run(random_directions(), ["STS17"], data, tmp_path)
    assert sorted(result.task for result in found.results) == ["STS17.ar-ar", "STS17.en-tr"]
    (mean,) = found.averages
    assert mean.value == pytest.approx(np.mean([result.value for result in found.results]))
    assert mean.protocol == "mteb"
    assert found.results[0].details["subsets_here"] == "2 of 11"


def test_splits_of_one_task_are_told_apart(data: Path, tmp_path: Path) -> None:
    folder = data / "stsb-parallel"
    folder.mkdir()
    rows = (data / "stsb" / "test.en-de.tsv").read_text().splitlines()
    for name, count in {"dev.de": 11, "test.de": 9, "dev.fr": 11, "test.fr": 9, "test.ru": 9}.items():
        (folder / f"{name}.tsv").write_text("\n".join(rows[:count]) + "\n")
    found = run(random_directions(), ["STSBenchmarkMultilingualSTS"], data, tmp_path)
    assert {result.task.partition(".")[2]: result.rows for result in found.results} == {
        "de.dev": 11, "de.test": 9, "fr.dev": 11, "fr.test": 9,
    }  # fmt: skip
    assert sorted(mean.split for mean in found.averages) == ["dev", "test"]
    assert all(result.per_example is not None for result in found.results)


def test_retrieval_from_a_beir_folder_agrees_with_the_suite(
    data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from tests.evaluate.folders import one_hot

    found = run(one_hot(), ["SciFact"], data, tmp_path)
    ours = evaluate(one_hot(), ["scifact"], data)
    (result,) = found.results
    assert capfd.readouterr() == ("", "")  # no bar of mteb's
    assert (result.metric, result.rows) == ("ndcg_at_10", 6)
    assert result.per_example is not None
    assert result.value == pytest.approx(ours.value("scifact", "ndcg@10"), abs=1e-3) == pytest.approx(100)


def test_pairs_and_classes(tmp_path: Path) -> None:
    from tests.evaluate.folders import one_hot

    root = tmp_path / "corpora"
    for name, rows in {
        "twitter-url/test.tsv": [f"{i % 2}\tp {i} of class 1.\tq {i} of class {i % 2}." for i in range(20)],
        "banking77/train.tsv": [f"c{i % 3}\ttrain {i} of class {i % 3}." for i in range(60)],
        "banking77/test.tsv": [f"c{i % 3}\ttest {i} of class {i % 3}." for i in range(12)],
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("\n".join(rows) + "\n")
    found = run(one_hot(), ["TwitterURLCorpus", "Banking77Classification"], root, tmp_path)
    assert not found.problems
    assert [(result.metric, result.value) for result in found.results] == [("max_ap", 100), ("accuracy", 100)]


def test_a_collapsed_encoder_is_undefined_and_leaves_no_file(data: Path, tmp_path: Path) -> None:
    found = run(constant(), ["STSBenchmark", "SciFact"], data, tmp_path)
    assert [np.isnan(result.value) for result in found.results] == [True, True]
    assert all(result.details["collapsed"] for result in found.results)
    assert files(tmp_path) == []


def test_pairs_that_are_all_equally_close_are_undefined(
    data: Path, tmp_path: Path, models: tuple[Path, Path]
) -> None:
    """The tiny model knows no digits: all left texts get one vector, all right texts another."""
    found = run(Encoder.load(models[0]), ["STSBenchmark"], data, tmp_path)
    assert np.isnan(found.results[0].value)
    assert found.results[0].details["collapsed"]
    assert files(tmp_path) == []
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["results"][0]["value"] is None


def test_protocols_are_never_averaged_together(data: Path, tmp_path: Path) -> None:
    encoder = random_directions()
    both = (
        *evaluate(encoder, ["STS-B"], data).results,
        *run(encoder, ["STSBenchmark", "STS12"], data, tmp_path).results,
    )
    assert {result.protocol for result in both} == {"senteval-all", "mteb"}
    assert averages_of(both) == ()
    with pytest.raises(UsageError, match="refusing to average across protocols: mteb, senteval-all"):
        average(both)


def test_a_task_without_data_is_told_and_the_others_run(data: Path, tmp_path: Path) -> None:
    found = run(random_directions(), ["NFCorpus", "STSBenchmark"], data, tmp_path)
    assert [result.task for result in found.results] == ["STSBenchmark"]
    (problem,) = found.problems
    assert problem.task == "NFCorpus"
    for word in ("cannot be fetched", "BEIR's layout", "mteb.get_task('NFCorpus').load_data()", "HF_HOME"):
        assert word in problem.message
    assert found.exit_code == 3


def test_after_one_attempt_the_hub_is_left_alone_until_the_end(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets.config
    import huggingface_hub.constants as constants
    from mteb.abstasks.retrieval import AbsTaskRetrieval

    seen = []

    def unreachable(task: Any, **options: Any) -> None:
        seen.append((constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE))
        raise ConnectionError("no route")

    monkeypatch.setattr(AbsTaskRetrieval, "load_data", unreachable)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    found = run(random_directions(), ["NFCorpus", "ArguAna"], data, tmp_path)
    assert seen == [(False, False), (True, True)]
    assert (constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE) == (False, False)
    assert all("no route" in problem.message for problem in found.problems)
    assert found.exit_code == 1


def test_damaged_data_names_file_and_line(data: Path, tmp_path: Path) -> None:
    with (data / "STS/STSBenchmark/sts-test.csv").open("a") as file:
        file.write("too\tfew\n")
    (data / "SICK/SICK_train.txt").unlink()
    found = run(random_directions(), ["STSBenchmark", "SICK-R", "STS12"], data, tmp_path)
    assert [result.task for result in found.results] == ["STS12"]
    messages = {problem.task: problem.message for problem in found.problems}
    assert "sts-test.csv:13: 2 columns" in messages["STSBenchmark"]
    assert "SICK_train.txt" in messages["SICK-R"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["STSBenchmrk"], "Did you mean 'STSBenchmark'"),
        (["qqqqqq"], "unknown MTEB task 'qqqqqq'"),
        (["CIFAR10"], "reads text only"),
        ([], "no MTEB task named"),
    ],
)
def test_task_names_that_cannot_be_used(names: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        task_names(names)


def test_task_names_are_unified() -> None:
    assert task_names(["stsbenchmark", "sick_r", "STSBenchmark"]) == ("STSBenchmark", "SICK-R")


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mteb", None)
    monkeypatch.setitem(sys.modules, "mteb.get_tasks", None)
    with pytest.raises(MissingExtra, match=r"pip install .*\[mteb\]"):
        task_names(["STS12"])


def test_nan_vectors_and_places_that_cannot_be_written_end_it(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="NaN"):
        run(lambda texts: np.full((len(texts), 2), np.nan), ["STSBenchmark"], data, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot make the results folder"):
        evaluate_mteb(random_directions(), ["STSBenchmark"], data, results=tmp_path / "file")


def test_random_streams_are_left_as_they_were(data: Path, tmp_path: Path) -> None:
    import torch

    random.seed(7), np.random.seed(7), torch.manual_seed(7)  # not what mteb seeds with
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    run(random_directions(), ["STSBenchmark"], data, tmp_path)
    assert (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == before


def test_the_ledger_has_the_evaluation_with_its_rows(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "ledger"))
    found = run(random_directions(), ["STSBenchmark"], data, tmp_path)
    (entry,) = Ledger(tmp_path / "ledger").entries("evaluation")
    assert entry.id == found.entry
    assert entry.body["results"][0]["protocol"] == "mteb"
    assert set(Ledger(tmp_path / "ledger").evidence(entry)) == {
        "STSBenchmark|cosine_spearman|values",
        "STSBenchmark|cosine_spearman|gold",
    }


def test_two_models_are_compared_row_by_row(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "ledger"))
    encoders = oracle(data), random_directions()
    encoders[1].fingerprint = lambda: "another"  # type: ignore[method-assign]
    for encoder in encoders:
        run(encoder, ["STSBenchmark"], data, tmp_path)
    (change,) = compare_last_two(tmp_path / "ledger")
    assert (change.task, change.protocol) == ("STSBenchmark", "mteb test")
    assert change.before == pytest.approx(100)
    assert change.test.difference < 0


def test_rankings_give_intervals_for_imperfect_encoders_too(data: Path, tmp_path: Path) -> None:
    found = run(random_directions(), ["SciFact"], data, tmp_path)
    (result,) = found.results
    ours = evaluate(random_directions(), ["scifact"], data).results[0]
    assert result.value == pytest.approx(ours.value, abs=1e-3)
    assert result.per_example is not None
    assert ours.per_example is not None
    assert sorted(result.per_example.values_N) == pytest.approx(sorted(ours.per_example.values_N))
    assert 0 < result.value < 100


def test_on_the_command_line_alone_and_with_other_tasks(
    contrapose: Command,  # noqa: F811
    models: tuple[Path, Path],
    tmp_path: Path,
) -> None:
    root, out = worded(tmp_path / "words"), tmp_path / "out"
    options = ["--data", root, "--mteb", "stsbenchmark", "--mteb-results", out]
    done = contrapose("evaluate", models[0], *options)
    assert done.code == 0, done.err
    for word in ("cosine_spearman", "encoded in fp32", "in place of MTEB's download", "120 rows here, 1,379"):
        assert word in done.out
    both = contrapose("evaluate", models[0], *options, "--tasks", "STS-B", "--json").json
    assert both["results"][0]["task"] == "STS-B"
    assert both["mteb"]["results"][0]["task"] == "STSBenchmark"
    assert both["mteb"]["results"][0]["details"]["taken_from_file"] is True
    alone = contrapose("evaluate", models[0], *options, "--json").json
    assert [result["task"] for result in alone["results"]] == ["STSBenchmark"]


def test_exit_codes_on_the_command_line(
    contrapose: Command,  # noqa: F811
    models: tuple[Path, Path],
    tmp_path: Path,
) -> None:
    root = worded(tmp_path / "words")
    given = ["evaluate", models[0], "--data", root, "--mteb-results", tmp_path / "out", "--mteb"]
    partial = contrapose(*given, "STSBenchmark,NFCorpus")
    assert partial.code == 3
    assert "NFCorpus was left out: " in partial.out
    assert contrapose(*given, "NFCorpus").code == 1
    unknown = contrapose(*given, "STSBenchmrk")
    assert unknown.code == 2
    assert "Did you mean 'STSBenchmark'" in unknown.err
    assert contrapose(*given, "STSBenchmark", "--split", "dev").code == 2
    assert contrapose("evaluate", models[0], "--mteb-results", tmp_path).code == 2
