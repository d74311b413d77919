"""Runs whose model is not all that was trained: a blend with the pretrained model, or that model itself."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from contrapose.encoder.encoder import Encoder
from contrapose.evaluate.judged import PairsTask
from contrapose.evaluate.labelled import read_judged
from contrapose.evaluate.suite import evaluate
from contrapose.ledger import VARIABLE, Ledger
from contrapose.report import markdown, page
from contrapose.report.gather import gather
from contrapose.report.record import Report
from tests.report.conftest import World
from tests.train.runs import run_tiny

OPTIONS = {"criterion": "label-free", "steps": 4, "eval_every": 2}


@pytest.fixture(scope="module")
def pretrained_kept(world: World, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A run with nothing of what it trained, whose start was evaluated."""
    folder = tmp_path_factory.mktemp("kept")
    run = run_tiny(
        world.place, folder / "run", corpus=world.first.parent / "hostile<b>.txt", **OPTIONS, blend=0.0
    )
    ledger = Ledger(folder / "ledger")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(ledger.folder))
        pairs = PairsTask(data=read_judged(world.first.parent / "paraphrases.tsv", pairs=True), split="test")
        evaluate(Encoder.load(world.place.model), [], own=[pairs])
    return gather([run.folder], ledger)


def test_a_model_that_is_the_start_is_called_so_and_compared_with_nothing(pretrained_kept: Report) -> None:
    (run,) = pretrained_kept.runs
    assert run.pretrained_kept
    assert pretrained_kept.comparisons == 0
    (score,) = run.scores
    assert score.difference is None
    assert score.before == score.after
    assert run.commands == ()
    assert run.verdict.word == "unchanged"
    assert run.own is not None
    assert run.own.before == ()
    assert run.own.kept_share is None
    assert [plane.before for plane in run.own.planes] == [None] * len(run.own.planes)


def test_the_page_of_a_start_that_was_kept_says_that_nothing_changed(pretrained_kept: Report) -> None:
    """Once, and first; nothing on it speaks of a before and an after, and each thing is drawn once."""
    for told in (page.render(pretrained_kept), markdown.render(pretrained_kept)):
        words = re.sub(r"<(style|script)>.*?</\1>|<[^>]*>", " ", told, flags=re.DOTALL)
        assert words.count("Your model is unchanged") == 1
        assert (
            words.index("Your model is unchanged") < words.index("What to do") < words.index("was tried on")
        )
        assert "holds nothing of it" in words
        contradicting = ("Before and after", "after training", "a blend", "trained the", " 2 of", "gained")
        assert not [phrase for phrase in contradicting if phrase in words]
    html = page.render(pretrained_kept)
    assert html.count('class="chart map"') == len(pretrained_kept.runs[0].own.planes)
    assert html.count("Cosines the model, unchanged") == 1
    assert 'id="neighbours"' not in html


def test_beside_a_run_that_kept_its_start_the_others_keep_their_before_and_after(
    world: World, pretrained_kept: Report
) -> None:
    both = replace(world.report, runs=(*world.report.runs, *pretrained_kept.runs))
    html = page.render(both)
    assert "Before and after" in html
    assert "Your model is unchanged" in html
    assert (
        f"The model of <bdi>{pretrained_kept.runs[0].name}</bdi> is this pretrained model, unchanged." in html
    )


def test_the_share_of_the_trained_weights_is_said(world: World, tmp_path: Path) -> None:
    made = run_tiny(
        world.place, tmp_path / "run", corpus=world.first.parent / "hostile<b>.txt", **OPTIONS, blend="auto"
    )
    (run,) = gather([made.folder], None, sample=0).runs
    assert [share for share, _ in run.blend_scores] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert run.blend == made.summary["blend"]
    half = page.render(replace(world.report, runs=(replace(world.report.runs[0], blend=0.5),)))
    assert "The model is a blend: 50% of the trained weights, 50% of the pretrained" in half
    assert "holds 50%" in half
    whole = page.render(replace(world.report, runs=(replace(world.report.runs[0], blend=1.0),)))
    assert "is a blend" not in whole
    assert "of its weights the model" not in whole


def test_the_user_s_names_of_columns_are_kept(world: World, tmp_path: Path) -> None:
    corpus = tmp_path / "pairs.tsv"
    rows = world.place.sentences.read_text().splitlines()
    corpus.write_text("heading\tbody\n" + "".join(f"{a}\t{b}\n" for a, b in pairwise(rows)))
    made = run_tiny(world.place, tmp_path / "run", corpus=corpus, columns=("heading", "body"), steps=2)
    own = gather([made.folder], None).runs[0].own
    assert own is not None
    assert own.positives == "heading and body of a row"
