"""Oracle, constant and random vectors on every task: 100, a defined "collapsed", and chance."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from contrapose.evaluate.suite import Evaluation, evaluate
from tests.evaluate.fakes import constant, random_directions
from tests.evaluate.folders import (
    by_class,
    one_hot,
    write_beir,
    write_crosslingual,
    write_tables,
    write_transfer,
)

GROUPS = ["transfer", "crosslingual", "retrieval", "pairs", "clustering"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("data")
    return [
        write_transfer(root / "senteval"),
        write_crosslingual(root / "sts-crosslingual"),
        write_beir(root / "corpora" / "library").parent,
        write_tables(root / "tables"),
    ]


def values(found: Evaluation) -> dict[str, float]:
    return {f"{result.task} {result.metric}": result.value for result in found.results}


@pytest.fixture(scope="module")
def of_oracle(folders: list[Path]) -> Evaluation:
    by_angle, by_direction = (
        evaluate(encoder, groups, folders)
        for encoder, groups in ((by_class(), GROUPS[1:]), (one_hot(), GROUPS[:1]))
    )
    return replace(
        by_angle,
        results=by_direction.results + by_angle.results,
        averages=by_direction.averages + by_angle.averages,
        problems=by_direction.problems + by_angle.problems,
    )


def test_the_oracle_gets_100_everywhere(of_oracle: Evaluation) -> None:
    assert not of_oracle.problems
    found = values(of_oracle)
    # Here a higher score means another class: the cosine falls as the score rises.
    across = {name: value for name, value in found.items() if name.startswith(("STSB", "SICK", "STS17"))}
    assert list(across.values()) == pytest.approx([-100.0] * 2)
    rest = {name: value for name, value in found.items() if name not in across}
    assert rest == pytest.approx(dict.fromkeys(rest, 100.0))
    assert {result.task for result in of_oracle.results} == {
        *("MR", "CR", "SUBJ", "MPQA", "SST2", "TREC", "MRPC"),
        *("STSB.en-de", "STS17.track1.ar-ar", "library", "questions", "scored", "topics"),
    }


def test_a_constant_encoder_is_called_collapsed_everywhere(folders: list[Path]) -> None:
    found = evaluate(constant(), GROUPS, folders)
    assert all(math.isnan(result.value) for result in found.results)
    assert all(result.details.get("collapsed") for result in found.results)


def test_random_vectors_get_chance(folders: list[Path]) -> None:
    found = evaluate(random_directions(), GROUPS, folders)
    for result in found.results:
        low, high = result.details["interval"]
        if result.metric == "accuracy":
            assert low - 15 < 50 < high + 15 or result.task == "TREC"
        elif result.metric == "spearman":
            assert abs(result.value) < 80
        elif result.metric == "average_precision":
            assert abs(result.value - result.details["chance"]) < 25
        elif result.metric == "v_measure":
            assert result.value < 40
        else:
            assert result.value < 60 or result.metric == "recall@100"


def test_every_number_has_what_is_needed_to_compare_it(of_oracle: Evaluation) -> None:
    for result in of_oracle.results:
        assert result.rows > 0
        assert result.protocol
        assert len(result.details["data_fingerprint"]) == 64
        low, high = result.details["interval"]
        assert low <= result.value + 1e-9
        assert result.value <= high + 1e-9


def test_averages_never_mix_protocols(of_oracle: Evaluation) -> None:
    assert [(mean.protocol, len(mean.over)) for mean in of_oracle.averages] == [("senteval-transfer", 7)]


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


@pytest.mark.parametrize("protocol", ["senteval-transfer", "senteval-transfer-fast"])
def test_transfer_is_repeatable(tmp_path: Path, protocol: str) -> None:
    root = write_transfer(tmp_path)
    first, again = (
        evaluate(random_directions(), ["CR"], root, transfer_protocol=protocol).results[0] for _ in range(2)
    )
    assert first == again
    assert first.protocol == protocol
    assert np.isfinite(first.value)
