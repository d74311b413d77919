"""evaluate, encode, similarity, search, methods, harvest, doctor: what they print, and how they end."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Command
from tests.tiny import SENTENCES


@pytest.fixture
def senteval(tmp_path: Path) -> Path:
    """A data folder with a small STS12 of one subset missing nothing, and no other task."""
    from contrapose.evaluate.senteval import files_of

    place = tmp_path / "senteval"
    for name in files_of("STS12", "test"):
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pairs = "a cat sits\tthe dog runs\na man plays\ta man plays the guitar\nthe bank\train is expected\n"
        path.write_text("1.0\n4.5\n0.5\n" if ".gs." in name else pairs)
    return place


def test_evaluate_json_is_the_fixed_interface(contrapose: Command, tiny: Path, senteval: Path) -> None:
    done = contrapose("evaluate", tiny, "--tasks", "STS12", "--data", senteval, "--json")
    assert done.code == 0, done.err
    assert set(done.json) >= {"model", "results", "averages"}
    (result,) = done.json["results"]
    assert (result["task"], result["metric"], result["protocol"], result["rows"]) == (
        "STS12",
        "spearman",
        "senteval-all",
        15,
    )
    assert -100 <= result["value"] <= 100


def test_evaluate_leaves_out_what_is_missing_and_exits_3(
    contrapose: Command, tiny: Path, senteval: Path
) -> None:
    done = contrapose("evaluate", tiny, "--tasks", "STS12,STS13", "--data", senteval)
    assert done.code == 3
    assert "STS12" in done.out
    assert "STS13 was left out: " in done.out
    assert "left out" not in done.err


def test_evaluate_of_nothing_exits_1(contrapose: Command, tiny: Path, tmp_path: Path) -> None:
    assert contrapose("evaluate", tiny, "--tasks", "STS13", "--data", tmp_path).code == 1


def test_geometry_of_own_text_is_defined_where_it_is_printed(
    contrapose: Command, tiny: Path, corpus: Path
) -> None:
    done = contrapose("evaluate", tiny, "--text", corpus)
    assert done.code == 0, done.err
    assert "uniformity: log of the mean" in done.out
    assert "128" in done.out


def test_geometry_of_own_pairs_has_alignment(contrapose: Command, tiny: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("anchor,positive\na cat,the cat\na dog,the dog\n")
    metrics = [
        result["metric"] for result in contrapose("evaluate", tiny, "--text", pairs, "--json").json["results"]
    ]
    assert "alignment" in metrics


def test_encode_writes_unit_rows_and_exits_3_where_rows_were_left_out(
    contrapose: Command, tiny: Path, tmp_path: Path
) -> None:
    text, output = tmp_path / "a.txt", tmp_path / "v.npy"
    text.write_bytes(b"a cat sits\nbad \xff\nthe dog runs\n")
    done = contrapose("encode", tiny, text, "-o", output)
    assert done.code == 3
    assert "1 " in done.out
    vectors = np.load(output)
    assert vectors.shape == (2, 32)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    again = contrapose("encode", tiny, text, "-o", output, "--overwrite", "--no-normalize", "--json")
    assert (again.json["rows"], again.json["quarantined"], again.json["normalize"]) == (2, 1, False)


def test_similarity_of_equal_texts_is_1(contrapose: Command, tiny: Path) -> None:
    assert contrapose("similarity", tiny, "a cat", "a cat").out == "1.0000\n"
    done = contrapose("similarity", tiny, "a cat", "the dog", "--json")
    assert done.json["a"] == "a cat"
    assert -1 <= done.json["cosine"] <= 1


def test_search_shows_hits_in_order_and_data_cannot_steer_the_terminal(
    contrapose: Command, tiny: Path, tmp_path: Path
) -> None:
    text = tmp_path / "a.txt"
    text.write_text(
        "a cat sits on the mat\n[bold]the dog[/bold] \x1b[31mruns\nrain is expected in the north\n"
    )
    done = contrapose("search", tiny, text, "a cat sits on the mat", "-k", 3)
    assert done.code == 0, done.err
    assert done.out.splitlines()[0] == "  1  1.0000  line 1  a cat sits on the mat"
    assert "[bold]the dog[/bold]" in done.out
    assert "\x1b" not in done.out


def test_search_answers_several_queries(contrapose: Command, tiny: Path, corpus: Path) -> None:
    done = contrapose("search", tiny, corpus, "one", "two", "--top", 2, "--json")
    assert [(answer["query"], len(answer["hits"])) for answer in done.json["queries"]] == [
        ("one", 2),
        ("two", 2),
    ]


def test_hybrid_search_finds_the_number_and_says_what_it_ranked_by(
    contrapose: Command, tiny: Path, tmp_path: Path
) -> None:
    text = tmp_path / "a.txt"
    text.write_text("".join(f"the train {number} is late\n" for number in range(400, 430)))
    done = contrapose("search", tiny, text, "where is 417", "--hybrid", "--top", 1, "--json")
    assert done.json["by"] == "cosine and words"
    assert done.json["queries"][0]["hits"][0]["text"] == "the train 417 is late"
    assert contrapose("search", tiny, text, "417", "--json").json["by"] == "cosine"


def test_methods_json_is_the_fixed_interface(contrapose: Command) -> None:
    listed = contrapose("methods", "--json").json
    assert {"simcse", "focal-infonce", "hncse", "hncse-hnm", "hncse-pm"} <= {
        method["name"] for method in listed
    }
    for method in listed:
        assert isinstance(method["paper"], str)
        assert method["parts"]
        assert method["hyperparameters"]["temperature"] > 0


def test_parts_text_parts_and_protocols_are_listed_with_what_they_do(contrapose: Command) -> None:
    listed = {(part["name"], part["role"]): part for part in contrapose("methods", "--parts", "--json").json}
    assert set(listed) >= {("queue", "negative source"), ("crop", "text part"), ("federated", "protocol")}
    retrieved = listed["retrieved", "text part"]
    assert (retrieved["option"], retrieved["gives"]) == ("--views", ["negative_1"])
    assert retrieved["descriptions"].keys() == retrieved["hyperparameters"].keys()
    assert "neighbours" in retrieved["hyperparameters"]
    assert "federated" in retrieved["excludes"]
    table, plain = contrapose("methods", "--parts").out, contrapose("methods").out
    assert all(name in table and name in plain for name, _ in listed)
    in_full = contrapose("methods", "--parts", "deletion").out
    assert "text part: anchor, positive, for --views" in in_full
    assert "probability of each word" in in_full
    assert "no hyperparameters" in contrapose("methods", "--parts", "anchor-negatives").out
    unknown = contrapose("methods", "--parts", "deletoin")
    assert (unknown.code, "Did you mean 'deletion'?" in unknown.err) == (2, True)


def test_a_default_that_is_not_there_is_told_as_none(contrapose: Command) -> None:
    shown = contrapose("methods", "core-tuning").out
    assert re.search(r"contrast_weight +none ", shown)
    assert "None" not in shown


def test_methods_as_a_table_and_in_full(contrapose: Command) -> None:
    table = contrapose("methods").out
    assert "hncse-hnm" in table
    assert "mixed-negatives" in table
    assert "temperature" in contrapose("methods", "simcse").out


def test_harvest_writes_a_corpus_that_training_reads(contrapose: Command, tmp_path: Path) -> None:
    output = tmp_path / "c.parquet"
    done = contrapose("harvest", "python", "json", "-o", output, "--json")
    assert done.code == 0, done.err
    assert done.json["rows"] > 20
    assert contrapose("harvest", "python", "json", "-o", output).code == 2
    pairs = contrapose("harvest", "python", "json", "-o", output, "--overwrite", "--pairs")
    assert pairs.code == 0
    assert "5 files read" in pairs.err
    import pyarrow.parquet as pq

    assert pq.read_table(output).column_names == ["anchor", "positive", "name"]


def test_doctor_measures_the_views_and_finds_the_data(
    contrapose: Command, tiny: Path, senteval: Path
) -> None:
    done = contrapose("doctor", "--model", tiny, "--data", senteval, "--json")
    assert done.code == 0, done.err
    assert 0 < done.json["view_cosine"] < 0.999
    assert done.json["data"][str(senteval)] == ["STS12"]
    assert done.json["ready"]
    assert "torch" in done.json["versions"]


def test_doctor_says_what_is_broken(contrapose: Command, tmp_path: Path) -> None:
    done = contrapose("doctor", "--model", tmp_path / "missing", "--data", tmp_path / "absent")
    assert done.code == 1
    assert "Broken:" in done.out
    assert "absent: no such folder" in done.out
    assert "Ready" not in done.out


def test_search_reads_several_files_before_the_query(
    contrapose: Command, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a shell makes of notes/*.txt: the second and third file are text, and no queries."""
    monkeypatch.chdir(tmp_path)
    for number, text in enumerate(SENTENCES[:3]):
        (tmp_path / f"{number}.txt").write_text(f"{text}\n")
    done = contrapose("search", tiny, "0.txt", "1.txt", "2.txt", SENTENCES[2], "--json")
    assert (done.code, done.json["rows"], done.json["corpus"]) == (0, 3, ["0.txt", "1.txt", "2.txt"])
    assert [query["query"] for query in done.json["queries"]] == [SENTENCES[2]]
    assert done.json["queries"][0]["hits"][0]["file"] == "2.txt"
    told = contrapose("search", tiny, "0.txt", "1.txt", SENTENCES[2])
    assert told.err.startswith("searching 0.txt, 1.txt for 1 query\n")
    wrong = contrapose("search", tiny, "0.txt", "3.txt", SENTENCES[2])
    assert (wrong.code, "no such file or folder: 3.txt" in wrong.err) == (1, True)
