"""Options that are made of settings models: a field is written once, and appears."""

from __future__ import annotations

import inspect
from typing import Annotated, Any, Literal

import pytest
import typer
from pydantic import BaseModel, ConfigDict, Field

from contrapose.cli.main import command_line, main
from contrapose.cli.settings_options import options_of, takes_settings, with_settings
from contrapose.train.settings import SECTIONS
from tests.cli.conftest import Command


class Oven(BaseModel):
    model_config = ConfigDict(title="Baking")

    degrees: Annotated[int, Field(ge=50, le=300, description="how hot it is")] = 180
    programme: Annotated[Literal["gentle", "grill", "steam"], Field(description="how it heats")] = "gentle"
    minutes: Annotated[float | None, Field(gt=0, json_schema_extra={"default": "until it is done"})] = None
    trays: tuple[str, ...] = ()
    fan: Annotated[bool, Field(description="move the air")] = False
    light: bool = True
    notes: dict[str, Any] = {}
    inside: Annotated[str, Field(json_schema_extra={"flag": None})] = ""


def oven() -> dict[str, type[BaseModel]]:
    return {"oven": Oven}


@pytest.fixture
def bake() -> tuple[typer.Typer, list[dict[str, Any]]]:
    """A command line of one verb whose settings are an oven's."""
    baked: list[dict[str, Any]] = []

    @takes_settings(after="cake", sections=oven, panels=True)
    def bake(cake: Annotated[str, typer.Argument()], quick: bool = False, **given: Any) -> None:
        """Bake."""
        baked.append({"cake": cake, "quick": quick, **given})

    app = typer.Typer()
    app.callback()(lambda: None)
    app.command("bake")(with_settings(bake))
    return app, baked


def test_a_field_of_a_model_is_an_option_without_another_line(
    bake: tuple[typer.Typer, list[dict[str, Any]]],
) -> None:
    app, baked = bake
    words = [
        "bake",
        "rye",
        "--degrees",
        "200",
        "--programme",
        "grill",
        "--trays",
        "top,low",
        "--trays",
        "floor",
    ]
    assert main([*words, "--fan", "--no-light", "--quick"], application=app) == 0
    assert main(["bake", "rye"], application=app) == 0
    assert baked == [
        {
            "cake": "rye", "quick": True, "degrees": 200, "programme": "grill", "trays": ("top", "low", "floor"),
            "fan": True, "light": False,
        },
        {"cake": "rye", "quick": False},
    ]  # fmt: skip


def test_the_help_says_type_range_default_and_meaning(
    bake: tuple[typer.Typer, list[dict[str, Any]]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    assert main(["bake", "--help"], application=bake[0]) == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for words in (
        "Baking",
        "--degrees <int> How hot it is (50 to 300; default: 180).",
        "--programme gentle|grill|steam How it heats (default: gentle).",
        "--minutes <float> Minutes (above 0; default: until it is done).",
        "--no-light",
    ):
        assert words in shown
    assert "--notes" not in shown, "a table is no option"
    assert "--inside" not in shown, "a field may say that it is no option"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--degrees", "20"], "Invalid value for '--degrees': '20' is not a whole number (50 to 300)"),
        (["--degrees", "hot"], "'hot' is not a whole number (50 to 300)"),
        (["--programme", "gril"], "unknown value 'gril'. Did you mean 'grill'? Known: gentle, grill, steam"),
        (["--minutes", "nan"], "'nan' is not a number (above 0)"),
        (["--degree", "20"], "--degrees"),
    ],
)
def test_a_wrong_value_names_the_option_and_what_it_takes(
    bake: tuple[typer.Typer, list[dict[str, Any]]],
    capsys: pytest.CaptureFixture[str],
    given: list[str],
    message: str,
) -> None:
    app, baked = bake
    assert main(["bake", "rye", *given], application=app) == 2
    err = capsys.readouterr().err
    assert message in err
    assert "--help" in err
    assert baked == []


def test_a_verb_may_take_some_and_say_their_default_itself() -> None:
    @takes_settings("degrees", after="cake", sections=oven, defaults={"degrees": "the recipe's"})
    def bake(cake: str, **given: Any) -> None:
        """Bake."""

    parameters = inspect.signature(with_settings(bake)).parameters
    assert list(parameters) == ["cake", "degrees"]
    assert (
        parameters["degrees"].annotation.__metadata__[0].help
        == "How hot it is (50 to 300; default: the recipe's)."
    )


def test_every_field_of_the_settings_is_an_option_of_train(contrapose: Command) -> None:
    shown = contrapose("train", "--help").out
    fields = {key for model in SECTIONS.values() for key in model.model_fields}
    own = {"corpus", "hyperparameters", "name", "parts"}
    assert {key for key in fields - own if f"--{key.replace('_', '-')}" not in shown} == set()
    assert {"--method", "--with"} <= set(shown.split())
    assert all(option.field.description for option in options_of(SECTIONS)), "each says what it is"


def test_a_verb_that_nobody_asks_for_is_listed_without_its_settings() -> None:
    def options(given: list[str] | None) -> set[str]:
        command = typer.main.get_command(command_line(given))
        return {each.name for each in command.commands["train"].params}  # type: ignore[attr-defined]

    assert "batch_size" in options(None)
    assert "batch_size" in options(["train"])
    assert "batch_size" not in options(["doctor"])


@pytest.mark.parametrize("columns", [60, 140])
def test_no_word_of_an_option_is_lost_to_markup(
    contrapose: Command, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    """Square brackets in a help text are read as markup in a wide terminal, and vanish."""
    monkeypatch.setenv("COLUMNS", str(columns))
    lost = [
        (name, option.name)
        for name, command in typer.main.get_command(command_line()).commands.items()  # type: ignore[attr-defined]
        for option in getattr(command, "params", ())
        if "[" in (getattr(option, "help", "") or "")
    ]
    assert lost == []
    assert "(default: the first method)" in " ".join(
        contrapose("compare", "--help").out.replace("│", "").split()
    )
