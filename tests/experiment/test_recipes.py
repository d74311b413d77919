from __future__ import annotations

from dataclasses import replace

import pytest

from contrapose.errors import UsageError
from contrapose.experiment.checking import check_methods
from contrapose.experiment.measuring import Setting
from contrapose.experiment.published_recipe import PublishedRecipe
from contrapose.experiment.recipes import RECIPES, recipe_named


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_every_recipe_is_one_that_train_takes(recipe: PublishedRecipe) -> None:
    setting = Setting(corpus=("x",), model=recipe.backbone, dev_data="d")
    assert check_methods(setting, [recipe.method], recipe.options) == []
    assert recipe.name.startswith(f"{recipe.method}/")
    assert recipe.source


def test_printed_averages_are_those_of_their_columns_and_one_that_is_not_is_told() -> None:
    assert [recipe.name for recipe in RECIPES if recipe.contradiction] == []
    assert sum(recipe.recomputed is not None for recipe in RECIPES) >= 8
    wrong = replace(recipe_named("simcse/bert-base"), average=77.0)
    assert wrong.contradiction == "the printed average 77.00 is not that of its columns, 76.25"


def test_names_are_unique_and_a_misspelt_one_is_helped() -> None:
    assert len({recipe.name for recipe in RECIPES}) == len(RECIPES)
    with pytest.raises(UsageError, match="Did you mean 'simcse/bert-base'"):
        recipe_named("simcse/bert-bas")
