from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field

from contrapose.errors import UsageError
from contrapose.objectives.hyperparameters import Temperature, combine, hyperparameters_of, values_for


def equation(views: object, *, temperature: Temperature = 0.05, mode: Literal["a", "b"] = "a") -> None: ...


class Part:
    def __init__(
        self, *, width: int, temperature: Temperature = 0.1, size: Annotated[int, Field(ge=1)] = 3
    ) -> None: ...


def test_numbers_are_read_from_the_signature_and_width_is_none_of_them() -> None:
    assert hyperparameters_of(equation)().model_dump() == {"temperature": 0.05, "mode": "a"}
    assert hyperparameters_of(Part)().model_dump() == {"temperature": 0.1, "size": 3}


def test_a_shared_name_is_one_number_and_the_first_default_wins() -> None:
    both = combine([hyperparameters_of(equation), hyperparameters_of(Part)], {})
    assert both().model_dump() == {"temperature": 0.05, "mode": "a", "size": 3}


def test_a_methods_defaults_override_and_leave_the_part_as_it_was() -> None:
    part = hyperparameters_of(Part)
    assert combine([part], {"size": 9})().model_dump() == {"temperature": 0.1, "size": 9}
    assert part().size == 3  # type: ignore[attr-defined]


def test_a_default_for_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="nothing_takes_this"):
        combine([hyperparameters_of(Part)], {"nothing_takes_this": 1})


def test_a_default_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="size"):
        combine([hyperparameters_of(Part)], {"size": 0})()


def test_each_part_gets_its_own_numbers() -> None:
    values = {"temperature": 0.2, "size": 5, "mode": "b"}
    assert values_for(hyperparameters_of(Part), values) == {"temperature": 0.2, "size": 5}
    assert values_for(hyperparameters_of(equation), values) == {"temperature": 0.2, "mode": "b"}
