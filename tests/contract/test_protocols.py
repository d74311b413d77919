"""A protocol is named in a record or added by ``--with``; a run has one; and what forbids a blend gets none."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import pytest
from pydantic import Field

from contrapose.contract import TrainingProtocol
from contrapose.errors import UsageError
from contrapose.objectives import catalogue, protocol_of_run
from contrapose.objectives.catalogue import all_parts, describe, recipe
from contrapose.objectives.protocol_of_run import all_protocols as every_protocol


class Still(TrainingProtocol):
    name, idea = "still", "Weights are scaled down after every step."

    def __init__(
        self, *, shrink: Annotated[float, Field(ge=0, le=1, description="by how much")] = 0.5
    ) -> None:
        super().__init__()
        if shrink == 1:
            raise ValueError("shrink=1 leaves nothing")
        self.shrink = shrink


class Other(TrainingProtocol):
    name, idea = "other", "Another one."


@pytest.fixture(autouse=True)
def two_protocols(monkeypatch: pytest.MonkeyPatch) -> None:
    def known() -> Any:
        return MappingProxyType({"still": Still, "other": Other})

    monkeypatch.setattr(protocol_of_run, "all_protocols", known)
    monkeypatch.setattr(catalogue, "all_protocols", known)


def test_no_part_has_the_name_of_a_protocol() -> None:
    assert not all_parts().keys() & every_protocol().keys()


@pytest.fixture
def method(tmp_path: Path) -> str:
    """A file whose method has the protocol ``still``."""
    file = tmp_path / "mine.py"
    file.write_text(
        "from contrapose.contract import Method\nfrom contrapose.objectives.simcse import simcse\n"
        'METHOD = Method(name="mine", idea="Mine.", paper="Me 2026, Mine", reference="https://example.org",\n'
        '                objective=simcse, protocol="still")\n'
    )
    return str(file)


def test_with_takes_a_protocol_beside_parts_and_its_hyperparameters() -> None:
    made = recipe("simcse", ["queue", "still"], {"shrink": 0.25, "queue_size": 8})
    assert made.has_protocol
    assert [part.name for part in made.parts] == ["queue"]
    assert isinstance(protocol := made.protocol(), Still)
    assert protocol.shrink == 0.25
    assert not recipe("simcse").has_protocol
    assert type(recipe("simcse").protocol()) is TrainingProtocol


def test_a_record_names_a_protocol_of_the_catalogue(method: str) -> None:
    assert isinstance(recipe(method).protocol(), Still)
    assert describe(method)[0]["parts"] == ["simcse", "still"]


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (["still", "other"], "--with other: a run has one protocol, and here that is 'still'"),
        (["still", "still"], "already has this"),
        (["stil"], "unknown part 'stil'. Did you mean 'still'"),
        (["fedrcl"], "unknown part 'fedrcl': it is a method, made of relaxation. Known: "),
    ],
)
def test_parts_that_cannot_be_added_are_refused_with_the_reason(parts: list[str], words: str) -> None:
    with pytest.raises(UsageError) as refused:
        recipe("simcse", parts)
    assert words in str(refused.value)


@pytest.mark.parametrize(("added", "words"), [("other", "that is 'still'"), ("still", "already has this")])
def test_a_method_with_a_protocol_takes_no_second(method: str, added: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        recipe(method, [added])


@pytest.mark.parametrize("value", [1, -1, "much"])
def test_hyperparameters_of_a_protocol_are_checked_before_anything_is_loaded(value: Any) -> None:
    with pytest.raises(UsageError, match="shrink"):
        recipe("simcse", ["still"], {"shrink": value})
