from __future__ import annotations

from pathlib import Path

import pytest

from contrapose.evaluate.senteval_transfer import TRANSFER_TASKS
from contrapose.experiment.published_recipe import CORPUS, ROUNDING, TASKS, TRANSFER
from contrapose.experiment.recipes import RECIPES, recipe_named
from contrapose.experiment.reproduce import Reproduction, against_paper, reported_by


@pytest.mark.parametrize(
    ("reported", "words"),
    [
        (70.0, "above the paper"),
        (75.0, "the paper's number lies inside"),
        (80.0, "below the paper"),
        (None, "not reported"),
    ],
)
def test_a_row_says_where_the_papers_number_lies(reported: float | None, words: str) -> None:
    assert against_paper(reported, (73.0, 77.0)) == words
    assert against_paper(70.0, None) == "undefined"


def test_only_what_changes_the_result_is_a_departure() -> None:
    recipe = recipe_named("simcse/bert-base")
    exact = Reproduction(recipe=recipe, data=("d",), model="copies/bert-base-uncased", corpus=f"text/{CORPUS}",
                         options={"chunk_size": 8})  # fmt: skip
    assert exact.departures == []
    assert (
        Reproduction(
            recipe=recipe, data=("d",), model=exact.model, corpus=exact.corpus, tasks=TASKS
        ).departures
        == []
    )
    some = Reproduction(
        recipe=recipe, data=("d",), model=exact.model, corpus=exact.corpus, tasks=("STS12", *TRANSFER)
    )
    assert len(some.departures) == 1
    assert exact.train_options["epochs"] == 1.0
    changed = Reproduction(
        recipe=recipe, data=("d",), model="minilm", corpus="notes.txt", steps=9, batch_size=8
    )
    assert len(changed.departures) == 4
    assert "epochs" not in changed.train_options
    assert (changed.train_options["steps"], changed.train_options["batch_size"]) == (9, 8)


def test_the_development_set_that_chooses_is_part_of_what_a_trial_is(tmp_path: Path) -> None:
    (tmp_path / "STS" / "STSBenchmark").mkdir(parents=True)
    (tmp_path / "c.txt").write_text("a\n")
    wanted = Reproduction(
        recipe=recipe_named("simcse/bert-base"),
        data=(str(tmp_path),),
        corpus=str(tmp_path / "c.txt"),
        seeds=2,
    )
    assert wanted.setting.dev_data == str(tmp_path)
    options = [trial.options for trial in wanted.trials()]
    assert [each["seed"] for each in options] == [0, 1]
    assert options[0]["chosen_by"] == "stsb-dev"
    assert str(tmp_path) not in str(options)


def test_transfer_tasks_are_those_that_the_folders_hold(tmp_path: Path) -> None:
    (tmp_path / "CR").mkdir()
    for name in ("custrev.pos", "custrev.neg"):
        (tmp_path / "CR" / name).write_text("fine\n")
    wanted = Reproduction(recipe=recipe_named("simcse/bert-base"), data=(str(tmp_path),), corpus="c.txt")
    assert wanted.not_here == tuple(task for task in TRANSFER if task != "CR")
    assert wanted.setting.tasks == (*TASKS, "CR")


def test_reported_means_of_transfer_tasks_are_those_of_their_columns() -> None:
    reported = [recipe for recipe in RECIPES if recipe.reported_transfer]
    assert len(reported) == 3
    for recipe in reported:
        assert tuple(recipe.reported_transfer) == TRANSFER == TRANSFER_TASKS
        assert recipe.transfer_average == pytest.approx(
            sum(recipe.reported_transfer.values()) / 7, abs=ROUNDING
        )
        assert reported_by(recipe, TRANSFER) == recipe.transfer_average
        assert reported_by(recipe, TASKS) == recipe.average
        assert reported_by(recipe, TRANSFER[:6]) is None
        assert reported_by(recipe, ["TREC"]) == recipe.reported_transfer["TREC"]
