"""Configuration is checked once, in words a person can act on, and survives the trip through TOML."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, ValidationError, model_validator

from contrapose.config import Frozen, merge, parse_value, read_toml, to_toml, validate
from contrapose.errors import UsageError


class Optimizer(Frozen):
    learning_rate: float = Field(default=1e-5, gt=0)
    warmup: int = 0


class Config(Frozen):
    method: Literal["simcse", "hncse-hnm"] = "simcse"
    temperature: float = Field(default=0.05, gt=0)
    steps: int | None = None
    names: tuple[str, ...] = ()
    optimizer: Optimizer = Optimizer()

    @model_validator(mode="after")
    def _steps_fit(self) -> Config:
        if self.steps is not None and self.steps < self.optimizer.warmup:
            raise ValueError("steps must be at least optimizer.warmup")
        return self


class Required(Frozen):
    corpus: str


def _message(values: dict[str, object], where: str = "run.toml") -> str:
    with pytest.raises(UsageError) as caught:
        validate(Config, values, where=where)
    return str(caught.value)


def test_good_values_become_a_frozen_configuration() -> None:
    config = validate(Config, {"temperature": 0.1, "optimizer": {"warmup": 3}}, where="test")
    assert config.temperature == 0.1
    assert config.optimizer == Optimizer(warmup=3)
    with pytest.raises(ValidationError):
        config.temperature = 0.2


def test_an_unknown_key_names_its_source_the_nearest_key_and_all_known_ones() -> None:
    message = _message({"temprature": 0.1}, where="option --set")
    for part in ("option --set", "'temprature'", "Did you mean 'temperature'?", "method, temperature, steps"):
        assert part in message
    assert "\n" not in message


def test_an_unknown_key_of_a_section_is_compared_with_the_keys_of_that_section() -> None:
    message = _message({"optimizer": {"learning_rat": 1.0}})
    assert "'optimizer.learning_rat'" in message
    assert "Did you mean 'learning_rate'?" in message
    assert "temperature" not in message


def test_a_key_like_no_other_gets_no_guess() -> None:
    message = _message({"zzz": 1})
    assert "Did you mean" not in message
    assert "Known: method" in message


def test_several_mistakes_give_one_line_each() -> None:
    lines = _message(
        {"temperature": -1, "method": "simsce", "optimizer": {"warmup": "x"}, "tempo": 1}
    ).splitlines()
    assert len(lines) == 4
    assert all(line.startswith("run.toml: ") for line in lines)
    for name in ("temperature: ", "method: ", "optimizer.warmup: ", "unknown key 'tempo'"):
        assert sum(name in line for line in lines) == 1, name


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ({"temperature": 0}, "(got 0)"),
        ({"temperature": float("nan")}, "(got nan)"),
        ({"temperature": float("inf")}, "(got inf)"),
        ({"method": "other"}, "'simcse' or 'hncse-hnm'"),
        ({"steps": 1.5}, "(got 1.5)"),
        ({"optimizer": 3}, "(got 3)"),
    ],
)
def test_a_wrong_value_is_shown_with_what_is_allowed(values: dict[str, object], shown: str) -> None:
    assert shown in _message(values)


def test_a_rule_between_fields_is_told_in_its_own_words() -> None:
    message = _message({"steps": 1, "optimizer": {"warmup": 5}})
    assert "steps must be at least optimizer.warmup" in message
    assert "Value error" not in message


def test_a_missing_value_is_named() -> None:
    with pytest.raises(UsageError, match=r"^cli: corpus: Field required$"):
        validate(Required, {}, where="cli")


def test_a_configuration_survives_the_trip_through_toml(tmp_path: Path) -> None:
    config = validate(
        Config, {"method": "hncse-hnm", "temperature": 1e-7, "names": ("a\nb", 'q"ü')}, where="test"
    )
    (tmp_path / "config.toml").write_text(to_toml(config), encoding="utf-8")
    assert validate(Config, read_toml(tmp_path / "config.toml"), where="again") == config
    assert "steps" not in tomllib.loads(to_toml(config)), "None has no TOML form"
    assert to_toml(config) == to_toml(config.model_copy())


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"a = ", "not valid TOML"), (b"\xff", "not UTF-8"), (b"a = 1\na = 2", "not valid TOML")],
)
def test_an_unreadable_file_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=reason) as caught:
        read_toml(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_or_a_folder_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not found"):
        read_toml(tmp_path / "missing.toml")
    with pytest.raises(UsageError, match="is a folder"):
        read_toml(tmp_path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("1e-5", 1e-5),
        ("true", True),
        ("True", "True"),
        ("[1, 2]", [1, 2]),
        ('"0.1"', "0.1"),
        ("queue", "queue"),
        ("batch+queue", "batch+queue"),
        ("", ""),
        ("a = b", "a = b"),
        ("{x = 1}", {"x": 1}),
    ],
)
def test_a_value_is_toml_where_it_parses_else_the_word(text: str, value: object) -> None:
    parsed = parse_value(text)
    assert parsed == value
    assert type(parsed) is type(value)


def test_merge_lays_tables_on_tables_and_changes_neither() -> None:
    base = {"a": {"x": 1, "y": {"z": 1}}, "b": [1], "c": 1}
    over = {"a": {"y": {"w": 2}}, "b": [2], "c": {"d": 3}, "e": 4}
    merged = merge(base, over)
    assert merged == {"a": {"x": 1, "y": {"z": 1, "w": 2}}, "b": [2], "c": {"d": 3}, "e": 4}
    assert base == {"a": {"x": 1, "y": {"z": 1}}, "b": [1], "c": 1}
    assert over == {"a": {"y": {"w": 2}}, "b": [2], "c": {"d": 3}, "e": 4}
    assert merge(base, {}) == base
    assert merge({}, over) == over


def test_a_table_is_not_silently_kept_under_a_plain_value() -> None:
    assert merge({"a": {"x": 1}}, {"a": 5}) == {"a": 5}


ODD_NUMBERS = [
    "[" * 100_000,
    "9" * 400,
    "9" * 5_000,
    "1e400",
    "\u00b2",
    "nan",
    "\u0663\u00b2",
    "\udcff",
    "2020-01-01",
]


@pytest.mark.parametrize("text", ODD_NUMBERS, ids=range(len(ODD_NUMBERS)))
def test_an_odd_value_given_for_a_number_is_a_usage_error(text: str) -> None:
    class Section(Frozen):
        count: int = 1
        share: float = 1.0

    for name in ("count", "share"):
        with pytest.raises(UsageError, match=f"--set: (.*{name}|a whole number)") as caught:
            validate(Section, {name: parse_value(text)}, where="--set")
        assert len(str(caught.value)) < 600


@pytest.mark.parametrize("content", ["a = " + "[" * 100_000, "a = " + "9" * 400, "a." * 2_000 + "b = 1"])
def test_a_configuration_file_out_of_all_bounds_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "odd.toml"
    path.write_text(content)
    with pytest.raises(UsageError, match=r"odd\.toml is not valid TOML: (nested too deeply|a whole number)"):
        read_toml(path)
