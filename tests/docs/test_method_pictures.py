"""Every method has a picture: well-formed, with pulls and pushes, and with what the method alone does."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from contrapose.objectives.catalogue import all_methods

DOCS = Path(__file__).parents[2] / "docs"
sys.path.insert(0, str(DOCS))

import method_pages  # noqa: E402
import method_pictures  # noqa: E402


def drawn(method: str) -> tuple[list[str], list[str]]:
    """The classes of the marks, and the words."""
    tree = ElementTree.fromstring(method_pictures.picture_of(method))
    return [each.get("class", "") for each in tree.iter()], [each.text or "" for each in tree.iter()]


@pytest.mark.parametrize("method", all_methods())
def test_a_picture_shows_pulls_and_pushes_and_the_page_shows_the_picture(method: str) -> None:
    classes, _ = drawn(method)
    assert classes.count("pull") > 8
    assert classes.count("push") > 8
    assert (DOCS / method_pictures.FOLDER / f"{method}.svg").is_file()
    assert f"pictures/{method}.svg" in (DOCS / f"methods/{method}.md").read_text("utf-8")


def test_what_a_method_does_beside_simcse_is_in_its_picture() -> None:
    plain, _ = drawn("simcse")
    assert plain.count("struck") == 2 + 4  # two lines in the legend, and two in each of two cells
    assert drawn("kdmcse")[0].count("struck") > plain.count("struck") + 4
    assert drawn("hncse-pm")[0].count("moved") > plain.count("moved")
    assert "mixtures" in drawn("mixcse")[1]
    assert "what the relaxation term adds" in drawn("fedrcl")[1]


def test_the_legend_names_what_is_there_and_the_note_where_the_method_acts() -> None:
    assert "a mixed positive" in drawn("hncse-pm")[1]
    assert "a mixed positive" not in drawn("dcl")[1]
    assert "The table is SimCSE's: this method acts between the steps." in drawn("sparse-cse")[1]
    assert "The table is SimCSE's: this method acts on the texts." in drawn("promptbert")[1]
    assert not [text for text in drawn("dcl")[1] if text.startswith("The table")]


def test_the_earlier_model_s_own_vector_of_a_text_is_what_the_text_is_pulled_to() -> None:
    from method_effects import ROWS, effects_of

    panel = effects_of("pnr").panels[-1]
    assert panel.blocks == [("previous", 0, ROWS)]
    own_B, all_BB = panel.strength_BC.diagonal(), panel.strength_BC
    assert all(own_B[row] < 0 for row in (0, 1, 2, 3, 6, 7))  # 4 and 5 are one text, found already
    assert own_B.min() == all_BB.min()
    assert own_B.mean() < 0 < (all_BB.sum() - own_B.sum())


@pytest.mark.parametrize("method", all_methods())
def test_no_block_of_a_picture_is_named_as_the_code_names_it(method: str) -> None:
    assert not [text for text in drawn(method)[1] if "_" in text or text in ("previous", "negative 1")]


def test_sections_stand_in_their_order_and_what_is_not_known_is_left_out() -> None:
    from contrapose.objectives.catalogue import describe

    page = method_pages.method_page(describe("sscl")[0])
    headings = [line.removeprefix("## ") for line in page.splitlines() if line.startswith("## ")]
    assert headings[:5] == [
        "The equation",
        "What it does to a batch",
        "When to use it",
        "Hyperparameters",
        "Published results",
    ]
    assert headings[-1] == "Example"
    assert "In plain words" not in headings  # it begins the page, without a heading
    assert page.index("The layers of a language model") < page.index("## The equation")
    assert "Does not go with" not in method_pages.method_page({**describe("sscl")[0], "excludes": {}})


@pytest.mark.parametrize("method", [name for name in all_methods() if name != "sscl"])
def test_every_page_says_what_it_is_in_plain_words_and_when_to_use_it(method: str) -> None:
    notes = method_pages._notes(method)
    assert {method_pages.PLAIN, method_pages.WHEN, method_pages.PUBLISHED} <= set(notes)
