from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from contrapose.contract import Temperature
from contrapose.errors import UsageError
from contrapose.objectives.hyperparameters import combine, hyperparameters_of, values_for


def equation(views: object, *, temperature: Temperature = 0.05, mode: Literal["a", "b"] = "a") -> None: ...


class Part:
    def __init__(
        self, *, width: int, temperature: Temperature = 0.05, size: Annotated[int, Field(ge=1)] = 3
    ) -> None: ...


def test_numbers_are_read_from_the_signature_and_width_is_none_of_them() -> None:
    assert hyperparameters_of(equation)().model_dump() == {"temperature": 0.05, "mode": "a"}
    assert hyperparameters_of(Part)().model_dump() == {"temperature": 0.05, "size": 3}


def test_a_name_with_one_annotation_is_one_number() -> None:
    both = combine([equation, Part], {})
    assert both().model_dump() == {"temperature": 0.05, "mode": "a", "size": 3}


def of_its_own(
    views: object, *, temperature: Annotated[float, Field(gt=0, description="of the queue's decay")] = 0.05
) -> None: ...


def plain(views: object, *, scale: float = 1.0) -> None: ...


def also_plain(views: object, *, scale: float = 1.0) -> None: ...


def warmer(views: object, *, temperature: Temperature = 0.1) -> None: ...


@pytest.mark.parametrize(("one", "other"), [(equation, of_its_own), (plain, also_plain)])
def test_a_name_that_means_two_things_is_refused(one: Any, other: Any) -> None:
    with pytest.raises(UsageError) as refused:
        combine([one, other], {})
    assert one.__name__ in str(refused.value)
    assert other.__name__ in str(refused.value)


def test_one_number_with_two_defaults_is_refused_unless_the_record_says_which() -> None:
    with pytest.raises(UsageError, match=r"two defaults, 0\.05 and 0\.1"):
        combine([equation, warmer], {})
    both = combine([equation, warmer], {"temperature": 0.1})
    assert both().model_dump()["temperature"] == 0.1


def untyped(views: object, *, margin=0.2) -> None: ...  # type: ignore[no-untyped-def]


def without_default(views: object, *, margin: float) -> None: ...


@pytest.mark.parametrize("wrong", [untyped, without_default])
def test_a_number_without_type_or_default_is_refused_by_name(wrong: Any) -> None:
    with pytest.raises(UsageError, match=r"'margin' of .* needs a type and a default"):
        hyperparameters_of(wrong)


def test_a_methods_defaults_override_and_leave_the_part_as_it_was() -> None:
    part = hyperparameters_of(Part)
    assert combine([Part], {"size": 9})().model_dump() == {"temperature": 0.05, "size": 9}
    assert part().size == 3  # type: ignore[attr-defined]


def test_a_default_for_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="nothing_takes_this"):
        combine([Part], {"nothing_takes_this": 1})


def test_a_default_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="size"):
        combine([Part], {"size": 0})()


def test_each_part_gets_its_own_numbers() -> None:
    values = {"temperature": 0.2, "size": 5, "mode": "b"}
    assert values_for(hyperparameters_of(Part), values) == {"temperature": 0.2, "size": 5}
    assert values_for(hyperparameters_of(equation), values) == {"temperature": 0.2, "mode": "b"}
