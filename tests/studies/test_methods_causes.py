"""A cause is named where the numbers bear it out, and else said to be none."""

from __future__ import annotations

from studies.ingredients import VARIANTS
from studies.methods_causes import CAUSES, causes, section
from tests.studies.test_reading import row


def said(**scores: float) -> str:
    names = {name.replace("_", " ").replace("  ", ", "): value for name, value in scores.items()}
    return "\n".join(causes([row(value, seed=0, variant=name) for name, value in names.items()]))


def test_every_variant_that_is_named_is_run() -> None:
    for method, cause in CAUSES.items():
        for variant in {**(cause.without or {}), **(cause.alone or {})}:
            assert variant in VARIANTS
            assert variant.startswith(f"{method}, ")
        assert cause.begins is None or cause.begins in VARIANTS


def test_a_method_that_is_well_without_its_ingredient_is_explained() -> None:
    words = said(simcse=75.0, debcse=71.0, debcse__its_negatives_alone=75.5)
    assert words.startswith("- `debcse` -4.00: its positives")
    assert words.endswith("(with its negatives alone +0.50).")


def test_an_ingredient_that_does_nothing_is_no_cause() -> None:
    words = said(simcse=75.0, debcse=71.0, debcse__its_negatives_alone=72.0)
    assert words.startswith("- `debcse` -4.00: not found; it is not its positives")


def test_an_ingredient_that_harms_by_itself_is_a_cause() -> None:
    assert "not found" not in said(simcse=75.0, diffcse=68.0, diffcse__its_head_alone=69.0)
    assert "not found" in said(simcse=75.0, diffcse=68.0, diffcse__its_head_alone=74.0)


def test_a_beginning_is_compared_with_the_start_and_not_with_a_trained_model() -> None:
    def told(begins: float) -> str:
        scores = {"simcse": 75.0, "promptbert": 70.0, "promptbert, hardly trained": begins}
        rows = [row(value, seed=0, variant=name) for name, value in scores.items()]
        return "\n".join(causes([row(65.0, method="start"), *rows]))

    assert "not found" in told(64.0), "ten below a trained model, and one below the start"
    assert "before training -20.00 beside the start" in told(45.0)
    assert "not found" not in told(45.0)


def test_what_does_not_harm_or_was_not_run_is_left_out() -> None:
    assert said(simcse=75.0, debcse=75.5) == ""
    assert said(simcse=75.0, debcse=71.0) == "- `debcse` -4.00: not taken apart yet."
    assert section([], "tiny") == []
