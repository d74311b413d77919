"""Oracle, constant and random vectors on every task: 100, a defined "collapsed", and chance."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from contrapose.evaluate.senteval import STS_TASKS, YEARS
from contrapose.evaluate.senteval_transfer import TRANSFER_TASKS
from contrapose.evaluate.suite import Evaluation, evaluate
from contrapose.evaluate.transfer import PROTOCOLS as TRANSFER_PROTOCOLS
from tests.evaluate.fakes import (
    FakeEncoder,
    constant,
    oracle,
    random_directions,
    write_benchmark,
    write_sick,
    write_year,
)
from tests.evaluate.folders import (
    by_class,
    one_hot,
    write_beir,
    write_crosslingual,
    write_tables,
    write_transfer,
)

GROUPS = ["sts", "transfer", "crosslingual", "retrieval", "pairs", "clustering", "geometry"]
#: Both protocols of the tasks that have two.
PROTOCOLS = [("senteval-all", "senteval-transfer"), ("senteval-mean", "senteval-transfer-fast")]
both_protocols = pytest.mark.parametrize("of", PROTOCOLS, ids=["report", "other"])
#: What the geometry says of vectors that are all one, and of independent directions.
OF_ONE_POINT = {"alignment": 0, "uniformity": 0, "mean_cosine": 1, "effective_rank": 1, "iso_score": 0}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("data")
    for year in YEARS:
        write_year(root / "senteval", year, rows=30)
    write_benchmark(root / "senteval", rows=60)
    write_sick(root / "senteval", rows=60)
    return [
        write_transfer(root / "senteval"),
        write_crosslingual(root / "sts-crosslingual", rows=200),
        write_beir(root / "corpora" / "library", documents=DOCUMENTS, queries=QUERIES).parent,
        write_tables(root / "tables", scored=200),
    ]


def judge(encoder: FakeEncoder, groups: list[str], folders: list[Path], of: tuple[str, str]) -> Evaluation:
    found = evaluate(encoder, groups, folders, protocol=of[0], transfer_protocol=of[1])
    assert not found.problems
    return found


def values(found: Evaluation) -> dict[str, float]:
    return {f"{result.task} {result.metric}": result.value for result in found.results}


def across_languages(rows: int = 200) -> FakeEncoder:
    """The oracle of ``write_crosslingual``: the angle of a pair falls as its score rises."""

    def vector_of(text: str) -> np.ndarray:
        angle = 0.0 if text.startswith("en") else 1 - int(text.rstrip(".").split()[-1]) / rows
        return 5.0 * np.array([np.cos(angle), np.sin(angle)])

    return FakeEncoder(vector_of)


#: Of the library: 150 documents, a twelfth of which are relevant, for 12 queries.
DOCUMENTS, RELEVANT, QUERIES = 150, 1 / 12, 12
#: What a random order gets, and four standard errors. nDCG: all gains are 1, and the ideal has 10 of them.
BY_CHANCE = {
    "ndcg@10": (100 * RELEVANT, 400 * math.sqrt(RELEVANT / 10 / QUERIES)),
    "mrr@10": (
        100 * sum(RELEVANT * (1 - RELEVANT) ** (rank - 1) / rank for rank in range(1, 11)),
        400 * 0.27 / math.sqrt(QUERIES),
    ),
    "recall@100": (100 * 100 / DOCUMENTS, 400 * math.sqrt(2 / 9 / (DOCUMENTS * RELEVANT) / QUERIES)),
}


@both_protocols
def test_the_oracle_gets_100_everywhere(folders: list[Path], of: tuple[str, str]) -> None:
    oracles = {
        "sts": oracle(folders[0], STS_TASKS),
        "transfer": one_hot(),
        "crosslingual": across_languages(),
        "retrieval pairs clustering": by_class(200),
    }
    found: dict[str, float] = {}
    for groups, encoder in oracles.items():
        found |= values(judge(encoder, groups.split(), folders, of))
    assert found == pytest.approx(dict.fromkeys(found, 100.0))
    assert {name.split()[0] for name in found} == {
        *(*STS_TASKS, *TRANSFER_TASKS, "library", "questions", "scored", "topics"),
        *("STS17.track1.ar-ar", "STSB.en-de"),
    }


def test_in_the_oracles_geometry_texts_that_mean_the_same_are_one() -> None:
    twins = [(f"one of class {i}.", f"other of class {i}.") for i in range(12)]
    found = evaluate(one_hot(repeated=2), ["geometry"], pairs=twins)
    assert found.value("geometry", "alignment") == pytest.approx(0, abs=1e-9)
    assert found.value("geometry", "positive_rank") == 1
    assert found.value("geometry", "effective_rank") == pytest.approx(11, abs=1e-3)


@both_protocols
def test_a_constant_encoder_is_called_collapsed_everywhere(folders: list[Path], of: tuple[str, str]) -> None:
    found = judge(constant(), GROUPS, folders, of)
    for result in found.results:
        if result.task == "geometry":
            expected = OF_ONE_POINT.get(result.metric, result.value)
            assert result.value == pytest.approx(expected, abs=1e-3), result.metric
        else:
            assert math.isnan(result.value), result
            assert result.details["collapsed"] is True
            assert "interval" not in result.details
    assert all(math.isnan(mean.value) and mean.interval is None for mean in found.averages)


@both_protocols
def test_random_vectors_get_chance(folders: list[Path], of: tuple[str, str]) -> None:
    for result in judge(random_directions(), GROUPS, folders, of).results:
        if result.metric == "accuracy":
            classes = len(result.details["classes"])
            assert abs(result.value - 100 / classes) < 400 * math.sqrt(0.25 / result.rows), result
        elif result.metric == "spearman":
            assert abs(result.value) < 400 / math.sqrt(result.rows - 1) < 60, result
        elif result.metric == "average_precision":
            assert abs(result.value - result.details["chance"]) < 25
        elif result.metric == "v_measure":
            assert result.value < 30
        elif result.metric == "mean_cosine":
            assert abs(result.value) < 0.05
        elif result.metric == "iso_score":
            assert result.value > 0.7
        elif result.metric in BY_CHANCE:
            expected, luck = BY_CHANCE[result.metric]
            assert abs(result.value - expected) < luck, result


@both_protocols
def test_every_number_has_what_is_needed_to_compare_it(folders: list[Path], of: tuple[str, str]) -> None:
    found = judge(random_directions(), GROUPS, folders, of)
    assert {result.protocol for result in found.results} == {
        *(*of, "crosslingual", "beir", "duplicate-pairs", "scored-pairs", "clustering", "geometry")
    }
    for result in found.results:
        assert result.rows > 0
        assert len(result.details["data_fingerprint"]) == 64
        low, high = result.details["interval"]
        assert low - 1e-9 <= result.value <= high + 1e-9, result
        assert low < high
    for mean in found.averages:
        assert mean.interval is not None
        assert mean.interval[0] < mean.value < mean.interval[1]
        assert mean.rows == sum(result.rows for result in found.results if result.task in mean.over)


def test_chance_of_a_transfer_task_is_the_best_constant_answer_on_its_test_rows(tmp_path: Path) -> None:
    """Not on the rows learnt from: SST2 has far more of those, and other shares of its classes."""
    root = write_transfer(tmp_path)
    test = root / "SST/binary/sentiment-test"
    test.write_text("".join(f"SST {i} of class {int(i < 3)}.\t{int(i < 3)}\n" for i in range(12)))
    for encoder in (one_hot(), constant()):
        sst, mr = evaluate(encoder, ["SST2", "MR"], root).results
        assert (sst.rows, sst.details["chance"]) == (12, 75)
        assert (mr.rows, mr.details["chance"]) == (120, 50)
        assert sst.details["division"].startswith("60 rows to learn from, 30 to choose by, 12 test rows")


def test_averages_never_mix_protocols(folders: list[Path]) -> None:
    found = judge(random_directions(), GROUPS, folders, ("senteval-all", "senteval-transfer-fast"))
    assert [(mean.protocol, len(mean.over)) for mean in found.averages] == [
        ("senteval-all", 5),
        ("senteval-all", 7),
        ("senteval-transfer-fast", 7),
    ]


def test_the_interval_of_clustering_is_not_pushed_up_by_repeated_texts(tmp_path: Path) -> None:
    """Of random vectors the v-measure of resamples is higher than the value: their plain quantiles would miss it."""
    rows = [f"topic {i % 10}\ttitle {i} of class {i % 10}." for i in range(200)]
    (tmp_path / "topics.tsv").write_text("\n".join(rows))
    (result,) = evaluate(random_directions(), ["clustering"], tmp_path).results
    low, high = result.details["interval"]
    assert low < result.value < high
    assert result.value - low == pytest.approx(high - result.value, rel=0.6)


@pytest.mark.filterwarnings("error")
def test_fewer_different_vectors_than_classes_are_clustered_without_a_word(tmp_path: Path) -> None:
    """Three classes, two vectors: the third cluster stays empty."""
    lines = [f"{topic}\ttitle {i} of class {int(topic == 'a')}." for i, topic in enumerate("aabbccaabbcc")]
    (tmp_path / "topics.tsv").write_text("\n".join(lines))
    (result,) = evaluate(by_class(), ["clustering"], tmp_path).results
    of_class, known = math.log(3), math.log(3) - 2 / 3 * math.log(2)
    assert result.value == pytest.approx(100 * 2 * known / of_class / (known / of_class + 1))


def test_test_labels_choose_nothing(tmp_path: Path) -> None:
    """With other labels on the test rows the classifier is the same one: exactly the wrong answers change."""
    root = write_transfer(tmp_path)
    test = root / "SST/binary/sentiment-test"
    right = evaluate(one_hot(), ["SST2"], root).value("SST2")
    flipped = [f"{line[:-1]}{1 - int(line[-1])}" for line in test.read_text().splitlines()]
    test.write_text("\n".join(flipped) + "\n")
    assert right == 100
    assert evaluate(one_hot(), ["SST2"], root).value("SST2") == 0


def test_a_query_that_is_a_document_does_not_find_itself(tmp_path: Path) -> None:
    root = write_beir(tmp_path / "set", documents=6, queries=3)
    with_twin = (root / "queries.jsonl").read_text().replace('"q0"', '"d3"').replace('"q1"', '"d1"')
    (root / "queries.jsonl").write_text(with_twin)
    judged = "query-id\tcorpus-id\tscore\nd3\td0\t1\nd1\td4\t1\n"
    (root / "qrels/test.tsv").write_text(judged)
    found = evaluate(by_class(), ["retrieval"], root)
    assert found.value("set", "mrr@10") == 100


@pytest.mark.parametrize("protocol", list(TRANSFER_PROTOCOLS))
def test_transfer_is_repeatable(tmp_path: Path, protocol: str) -> None:
    root = write_transfer(tmp_path)
    first, again = (
        evaluate(random_directions(), ["CR"], root, transfer_protocol=protocol).results[0] for _ in range(2)
    )
    assert first == again
    assert first.protocol == protocol
    assert np.isfinite(first.value)
