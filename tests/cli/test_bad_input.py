"""What people get wrong, and what they are told: one clear block, the right exit code, nothing half-written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: Path) -> Path:
    """A folder of things that are almost right; it is the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.txt").write_text("one good line of text\nanother good line of text\n" * 3)
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "blank.txt").write_text("\n\n  \n")
    (tmp_path / "latin.txt").write_bytes("caf\xe9 au lait\n".encode("latin-1") * 5)
    (tmp_path / "table.csv").write_text("title,body\na b,c d\ne f,g h\n")
    (tmp_path / "broken.jsonl").write_text('{"text": \n' * 4)
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no PAR1")
    (tmp_path / "broken.txt.gz").write_bytes(b"\x1f\x8b\x08\x00 not gzip")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    (tmp_path / "bad.toml").write_text("[training\n")
    (tmp_path / "deep.toml").write_text("a = " + "[" * 50_000)
    (tmp_path / "unknown.toml").write_text("[training]\nstepz = 3\n")
    (tmp_path / "flat.toml").write_text("training = 3\n")
    (tmp_path / "nowhere").mkdir()
    (tmp_path / "used.npy").write_bytes(b"mine")
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "config.json").write_text((tiny / "config.json").read_text())
    (pickled / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    coded = tmp_path / "coded"
    coded.mkdir()
    (coded / "config.json").write_text(
        json.dumps({"model_type": "bert", "auto_map": {"AutoModel": "evil.Model"}})
    )
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.toml").write_text("my own")
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    (unfinished / "metrics.jsonl").write_text("")
    return tmp_path


#: arguments, exit code, words that the message must have
BAD = [
    ("train", 2, "--out"),
    ("train good.txt", 2, "--out"),
    ("train --out run", 2, "corpus"),
    ("train missing.txt --out run", 1, "no such file"),
    ("train missing*.txt --out run", 1, "no such file"),
    ("train picture.png --out run", 1, ".jsonl"),
    ("train nowhere --out run", 1, "no file of a known kind"),
    ("train good.txt --out good.txt", 2, "is a file"),
    ("train good.txt --out run --steps 0", 2, "steps"),
    ("train good.txt --out run --steps 3 --epochs 1", 2, "not both"),
    ("train good.txt --out run --batch-size 1", 2, "'--batch-size'"),
    ("train good.txt --out run --learning-rate -1", 2, "'--learning-rate'"),
    ("train good.txt --out run --learning-rate nan", 2, "'--learning-rate'"),
    ("train good.txt --out run --seed -1", 2, "seed"),
    ("train good.txt --out run --max-length 1", 2, "'--max-length'"),
    ("train good.txt --out run --dropout 1.5", 2, "dropout"),
    ("train good.txt --out run --views sideways", 2, "views"),
    ("train good.txt --out run --pooling max", 2, "pooling"),
    ("train good.txt --out run --head big", 2, "head"),
    ("train good.txt --out run --precision fp8", 2, "precision"),
    ("train good.txt --out run --criterion best", 2, "criterion"),
    ("train good.txt --out run --criterion stsb-dev", 2, "dev_data"),
    ("train good.txt --out run --criterion none --patience 2", 2, "patience"),
    ("train good.txt --out run --method simcsee", 2, "Did you mean 'simcse'"),
    ("train good.txt --out run --with mixed-negativ", 2, "mixed-negatives"),
    ("train good.txt --out run --with mixed-negatives", 2, "already has this part"),
    ("train good.txt --out run --set margine=0.3", 2, "margine"),
    ("train good.txt --out run --set k=many", 2, "k"),
    ("train good.txt --out run --set temperature=0", 2, "temperature"),
    ("train good.txt --out run --set k", 2, "key=value"),
    ("train good.txt --out run --set =3", 2, "key=value"),
    ("train good.txt --out run --set trainig.steps=3", 2, "Did you mean 'training'"),
    ("train good.txt --out run --set training.stepz=3", 2, "Did you mean 'steps'"),
    ("train good.txt --out run --set data.columns=a --set data.columns.b=c", 2, "contradict"),
    ("train good.txt --out run --config missing.toml", 2, "not found"),
    ("train good.txt --out run --config nowhere", 2, "is a folder"),
    ("train good.txt --out run --config bad.toml", 2, "not valid TOML"),
    ("train good.txt --out run --config deep.toml", 2, "nested too deeply"),
    ("train good.txt --out run --config /dev/zero", 2, "has more than"),
    ("train table.csv --out run --columns ²", 2, "no column"),
    ("train good.txt --out run --config latin.txt", 2, "not UTF-8"),
    ("train good.txt --out run --config unknown.toml", 2, "Did you mean 'steps'"),
    ("train good.txt --out run --config flat.toml", 2, "[training]"),
    ("train good.txt --out run --device gpu", 2, "gpu"),
    ("train good.txt --out run --device cuda:99", 2, "cuda"),
    ("train good.txt --out run --model missing-model", 2, "no such model"),
    ("train good.txt --out run --model good.txt", 2, "this is a file"),
    ("train good.txt --out run --model nowhere", 1, "nowhere"),
    ("train good.txt --out run --model pickled", 1, "pytorch_model.bin"),
    ("train good.txt --out run --model coded", 1, "code"),
    ("train good.txt --out run --model https://example.org/x", 2, "address"),
    ("evaluate TINY --tasks sts", 2, "--data"),
    ("evaluate TINY --tasks stz --data nowhere", 2, "Did you mean"),
    ("evaluate TINY --data missing", 2, "missing"),
    ("evaluate TINY --data nowhere --protocol mean", 2, "protocol"),
    ("evaluate TINY --data nowhere --split trial", 2, "split"),
    ("evaluate TINY --text missing.txt", 1, "no such file"),
    ("evaluate TINY --text good.txt --tasks sts", 2, "geometry"),
    ("evaluate unfinished --text good.txt", 2, "--resume"),
    ("evaluate TINY --text good.txt --precision fp16", 2, "fp32"),
    ("evaluate missing-model --text good.txt", 2, "no such model"),
    ("encode TINY good.txt", 2, "--output"),
    ("encode TINY good.txt -o v.txt", 2, ".npy"),
    ("encode TINY good.txt -o used.npy", 2, "--force"),
    ("encode TINY good.txt -o nowhere/missing/v.npy", 2, "mkdir"),
    ("encode TINY missing.txt -o v.npy", 1, "no such file"),
    ("encode TINY empty.txt -o v.npy", 1, "nothing to encode"),
    ("encode TINY latin.txt -o v.npy", 1, "UTF-8"),
    ("encode TINY broken.parquet -o v.npy", 1, "broken.parquet"),
    ("encode TINY table.csv -o v.npy --columns price", 2, "price"),
    ("encode TINY table.csv -o v.npy", 1, "--columns"),
    ("encode missing-model good.txt -o v.npy", 2, "no such model"),
    ("encode pickled good.txt -o v.npy", 1, "pytorch_model.bin"),
    ("similarity TINY one", 2, "B"),
    ("search TINY good.txt q --top 0", 2, "--top"),
    ("search TINY good.txt q --columns ,", 2, "names nothing"),
    ("train good.txt --out run --with ,", 2, "names nothing"),
    ("search TINY blank.txt q", 1, "nothing to search"),
    ("search TINY missing.txt q", 1, "no such file"),
    ("search TINY broken.jsonl q", 1, "JSON"),
    ("search TINY broken.txt.gz q", 1, "broken.txt.gz"),
    ("methods simcsee", 2, "Did you mean 'simcse'"),
    ("harvest python no_such_package_here -o a.parquet", 2, "no_such_package_here"),
    ("harvest python nowhere -o a.parquet", 1, "no documented"),
    ("harvest python json -o a.csv", 2, ".parquet"),
    ("harvest python json -o nowhere", 2, ".parquet"),
    ("harvest python json -o a.parquet --kind poems", 2, "sentences"),
    ("compare good.txt --data nowhere --set parts=3", 2, "names of parts"),
    ("compare good.txt --data nowhere --set parts=[1]", 2, "names of parts"),
    (f"sweep good.txt --method simcse --over batch_size=2..{'9' * 400}", 2, "no range of numbers"),
    ("train good.txt --out NUL", 2, "NUL character"),
    ("train good.txt --model TINY --out mine", 2, "config.toml that is no run's"),
    ("train good.txt --out run --config NUL", 2, "NUL character"),
    ("evaluate TINY --pairs NUL", 2, "NUL character"),
    ("sweep good.txt --method simcse --over temperature=0.1..0.5 --model TINY --out NUL", 2, "NUL character"),
    ("report NUL", 2, "NUL character"),
    ("demo --out NUL", 2, "NUL character"),
    ("search TINY good.txt missing.txt q", 1, "no such file or folder: missing.txt"),
    ("search TINY good.txt q good.txt", 2, "stands behind a query"),
    ("search TINY good.txt", 2, "what to look for"),
    ("harvest python json -o used.npy/a.parquet", 1, "used.npy"),
    ("demo --steps 0", 2, "steps"),
    ("demo --out good.txt", 2, "good.txt"),
]


@pytest.mark.parametrize(("command", "code", "words"), BAD, ids=[row[0] for row in BAD])
def test_one_clear_message_the_right_code_and_nothing_left(
    contrapose: Command, place: Path, tiny: Path, command: str, code: int, words: str
) -> None:
    before = sorted(path.name for path in place.rglob("*"))
    stands_for = {"TINY": str(tiny), "NUL": "a\0b"}
    done = contrapose(*(stands_for.get(word, word) for word in command.split()))
    assert words.lower() in done.err.lower(), done.err
    assert done.code == code, done.err
    assert done.out == ""
    assert sum(line.startswith("error: ") for line in done.err.splitlines()) == 1
    assert "Traceback" not in done.err
    assert "internal error" not in done.err
    assert sorted(path.name for path in place.rglob("*")) == before
    assert (place / "used.npy").read_bytes() == b"mine"


@pytest.mark.parametrize("query", ["", "  "])
def test_an_empty_text_is_refused(contrapose: Command, place: Path, tiny: Path, query: str) -> None:
    assert contrapose("search", tiny, "good.txt", query).code == 2
    assert contrapose("similarity", tiny, query, "something").code == 2


@pytest.mark.parametrize(("corpus", "words"), [("empty.txt", "no row"), ("blank.txt", "no row"), ("latin.txt", "UTF-8"),
                                               ("broken.jsonl", "JSON")])  # fmt: skip
def test_training_on_nothing_is_refused_and_leaves_no_run(
    contrapose: Command, place: Path, tiny: Path, corpus: str, words: str
) -> None:
    done = contrapose("train", corpus, "--model", tiny, "--out", "run", "--steps", 1)
    assert done.code == 1, done.err
    assert words.lower() in done.err.lower()
    assert "Traceback" not in done.err
    assert not (place / "run" / "model").exists()
