"""What makes a start for contrastive methods is measured on any model; the verdict names what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import start
from tests.tiny import SENTENCES
from tests.train.runs import plain_bert, texts


def test_all_numbers_of_a_model_are_measured(tmp_path: Path) -> None:
    measured = start.measure(str(plain_bert(tmp_path / "bert")), texts(128), senteval=None)
    assert measured.similarity is None
    assert measured.loss > 0
    assert -1 <= measured.mean_cosine <= 1
    assert 0 <= measured.mixed <= 1
    again = start.measure(str(tmp_path / "bert"), texts(128), senteval=None)
    assert again == measured, "no number may depend on a global random stream"


def test_the_sentences_are_drawn_by_a_fixed_shuffle(tmp_path: Path) -> None:
    corpus = tmp_path / "text.txt"
    corpus.write_text("".join(f"{sentence}\n" for sentence in SENTENCES))
    some = start.sentences(str(corpus), 5)
    assert len(some) == 5
    assert set(some) < set(SENTENCES)
    assert some == start.sentences(str(corpus), 5)


def test_a_start_lacks_what_it_has_not() -> None:
    assert start.Start(similarity=57.0, mean_cosine=0.55, loss=0.3, mixed=0.2).lacks() == []
    assert len(start.Start(similarity=78.6, mean_cosine=0.02, loss=0.00002, mixed=0.0).lacks()) == 4


def test_without_a_model_the_command_says_what_it_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["start"])
    with pytest.raises(SystemExit):
        start.main()
    assert "model" in capsys.readouterr().err
