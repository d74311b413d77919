"""``--views`` names any text part: of this package, of an installed one, or of the method's own file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contrapose.errors import UsageError
from contrapose.objectives.catalogue import recipe
from contrapose.text.catalogue import advice_for, all_text_parts, text_parts_for, text_parts_named

SHOUT = """
from contrapose.contract import Method, TextPart
from contrapose.objectives.simcse import simcse

class Shout(TextPart):
    name, idea = "shout", "The same text in capitals."

    def __init__(self, *, loudness: int = 1):
        self.loudness = loudness

    def texts(self, rows, columns, *, seed, step):
        (texts,) = columns.values()
        return {"anchor": texts, "positive": [text.upper() + "!" * self.loudness for text in texts]}

METHOD = Method(
    name="shouting", idea="Mine.", paper="Me 2026, Mine", reference="https://example.org", objective=simcse,
    text_parts=(Shout,),
)
"""


def test_a_text_part_that_makes_no_texts_is_refused_as_its_method_is_read(tmp_path: Path) -> None:
    (tmp_path / "silent.py").write_text(SHOUT.replace("def texts", "def text"))
    with pytest.raises(UsageError, match="the text part 'shout' makes no texts: write texts"):
        recipe(str(tmp_path / "silent.py"))


def names(views: str, *columns: str) -> list[str]:
    return [part.name for part in text_parts_for(views, columns)]


def test_views_are_chosen_by_the_columns() -> None:
    assert names("auto", "text") == ["dropout"]
    assert names("auto", "anchor", "positive") == ["pairs"]
    assert names("crop", "text") == ["crop"]
    with pytest.raises(UsageError, match="pairs needs at least 2 text columns"):
        names("pairs", "text")
    for views in ("dropout", "crop"):
        with pytest.raises(UsageError, match=r"anchor, positive.*--columns"):
            names(views, "anchor", "positive")


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match=r"Did you mean 'dropout'.*Known: auto, crop, .*dropout, .*pairs"):
        text_parts_named("drop-out")
    with pytest.raises(UsageError, match="there is no 'sideways'"):
        recipe("simcse", views="crop,sideways")


def test_every_text_part_says_what_it_is_and_what_to_try_next() -> None:
    assert set(all_text_parts()) >= {"crop", "dropout", "pairs"}
    assert all(part.idea.endswith(".") for part in all_text_parts().values())
    assert len({advice_for(name) for name in ("crop", "dropout", "pairs", "of a plugin that is gone")}) == 4


def test_views_of_several_text_parts_are_put_together() -> None:
    made = recipe("simcse", views="crop,retrieved")
    crop, retrieved = made.text_parts(["text"], max_words=16)
    assert [crop.name, retrieved.name] == ["crop", "retrieved"]
    assert getattr(crop, "max_words", None) == 16


def test_where_no_text_part_gives_anchors_the_columns_of_the_data_do() -> None:
    assert names("retrieved", "text") == ["dropout", "retrieved"]
    made = recipe("cards").text_parts(["text"], max_words=8)
    assert [part.name for part in made] == ["switch-case", "retrieved"]


@pytest.mark.parametrize("views", ["crop,dropout", "dropout,crop"])
def test_text_parts_that_would_undo_each_other_are_refused(views: str) -> None:
    reason = r"the views '\w+' does not go with the views '\w+'\. Each of the two gives the view 'anchor'"
    with pytest.raises(UsageError, match=reason):
        recipe("simcse", views=views)


def test_a_method_of_a_file_brings_its_own_and_its_hyperparameters(tmp_path: Path) -> None:
    path = tmp_path / "shouting.py"
    path.write_text(SHOUT)
    (part,) = recipe(str(path), (), {"loudness": 3}).text_parts(["text"], max_words=16)
    assert part.texts([0], {"text": ["hey"]}, seed=0, step=0)["positive"] == ["HEY!!!"]
    assert recipe(str(path), views="shout").hyperparameters.model_dump()["loudness"] == 1
    (chosen,) = recipe(str(path), views="dropout").text_parts(["text"], max_words=16)
    assert chosen.name == "dropout"
    with pytest.raises(UsageError, match="loudness"):
        recipe("simcse", (), {"loudness": 3})


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """A package that offers a text part; the registry is read anew, and once more when the test is over."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def offer(name: str, source: str) -> None:
        (tmp_path / f"{name}_views.py").write_text(source)
        installed = tmp_path / f"{name}_views-1.0.dist-info"
        installed.mkdir()
        (installed / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}_views\nVersion: 1.0\n")
        (installed / "entry_points.txt").write_text(f"[contrapose.text_parts]\n{name} = {name}_views:Shout\n")
        all_text_parts.cache_clear()

    yield offer
    all_text_parts.cache_clear()
    for module in [name for name in sys.modules if name.endswith("_views")]:
        del sys.modules[module]


def test_an_installed_package_offers_one(install: Callable[[str, str], None]) -> None:
    install("shout", SHOUT)
    assert names("shout", "text") == ["shout"]


@pytest.mark.parametrize("source", ["raise SystemExit(3)", "Shout = 3", SHOUT.replace('"shout"', '"crop"')])
def test_a_broken_one_is_left_out_with_a_warning(
    source: str, install: Callable[[str, str], None], caplog: pytest.LogCaptureFixture
) -> None:
    install("broken", source)
    assert {"crop", "dropout", "pairs"} <= set(all_text_parts())
    assert not {"broken", "shout"} & set(all_text_parts())
    assert "'broken' is left out" in caplog.text
    assert all_text_parts()["crop"].__module__ == "contrapose.text.crop"
