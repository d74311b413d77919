"""What a method says of itself, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import torch

from contrapose.contract import Outcome, Views
from contrapose.errors import UsageError
from contrapose.objectives.catalogue import (
    all_parts,
    all_records,
    describe,
    loss,
    method_named,
    recipe,
    records_of,
)
from contrapose.testing.cases import COMPANIONS, Case, checked, choices
from contrapose.testing.rules import Rule, alone, must
from contrapose.testing.toys import beside

#: Limits above this are not tried: a queue of a million vectors is one.
LARGEST_TRIED = 100


def the_record_of_the_paper_is_complete(case: Case) -> None:
    """The record names a paper with its year and an address, says the idea in a sentence, and every number has a
    description."""
    method = method_named(case.method)
    must(method.reference.startswith("https://"), "reference: the address of the paper, https://...")
    must(method.idea.endswith("."), "idea: a sentence that ends with a full stop")
    words = method.paper.replace(",", " ").split()
    must(any(word.isdigit() and len(word) == 4 for word in words), "paper: authors, year, title")
    (described,) = describe(case.method)
    undescribed = sorted(set(described["hyperparameters"]) - set(described["descriptions"]))
    must(not undescribed, f"hyperparameters without a description: {undescribed}")


def out_of_range(method: str) -> Iterator[tuple[str, Any]]:
    """For every number of a method, as its record bounds it: just outside, not a number, not of its type."""
    for name, field in type(recipe(method).hyperparameters).model_fields.items():
        for bound in field.metadata:
            for word, step in (("ge", -1), ("gt", 0), ("le", 1), ("lt", 0)):
                if (limit := getattr(bound, word, None)) is not None:
                    yield name, limit + step
        if options := [choice for choice in choices(field.annotation) if isinstance(choice, str)]:
            yield name, options[0].upper()
            yield name, 1
        else:
            text: tuple[Any, ...] = (
                ("",) if str in (field.annotation, *get_args(field.annotation)) else ("many",)
            )
            no_numbers: tuple[Any, ...] = (float("nan"), float("inf"), *text, [1], {})
            yield from ((name, wrong) for wrong in no_numbers)


def every_number_out_of_range_is_refused_by_name(case: Case) -> None:
    """What is outside its range, not finite or of another type is refused in one line that names it."""
    for name, wrong in out_of_range(case.method):
        try:
            recipe(case.method, (), {name: wrong})
        except UsageError as error:
            reason = str(error)
            must(name in reason and case.method in reason, f"{name}={wrong}: the refusal does not name it")
            must("\n" not in reason, f"{name}={wrong}: the refusal has more than one line")
        else:
            raise AssertionError(
                f"{name}={wrong} is accepted: give the number a range with Field(ge=..., le=...)"
            )


def the_limits_themselves_are_accepted(case: Case) -> None:
    """A range includes the limits it names."""
    defaults = recipe(case.method).hyperparameters
    for name, field in type(defaults).model_fields.items():
        takes_a_companion = any(name in companions for companions in COMPANIONS.values())
        if getattr(defaults, name) is None or takes_a_companion:
            continue
        limits = [getattr(bound, word, None) for bound in field.metadata for word in ("ge", "le")]
        for limit in (limit for limit in limits if limit is not None and limit <= LARGEST_TRIED):
            made = recipe(case.method, (), {name: limit})
            must(getattr(made.hyperparameters, name) == limit, f"{name}={limit} became something else")


def the_defaults_can_be_given_in_full(case: Case) -> None:
    """Every number at its default is what no number at all is: so a run's record can be given back."""
    defaults = recipe(case.method).hyperparameters.model_dump()
    given = recipe(case.method, (), defaults).hyperparameters.model_dump()
    must(given == defaults, f"{given} in place of {defaults}")


def needs_more_than_vectors(case: Case) -> bool:
    needs = checked(case).needs
    return any((needs.tokens, needs.labels, needs.networks, needs.row_texts, needs.template, needs.targets))


def it_takes_plain_tensors_and_given_negatives(case: Case) -> None:
    """It works on tensors of any width, and the negatives of triplets are further columns of every row. What needs
    more than vectors, such as tokens, says so."""
    anchor, positive, negative = torch.randn(3, 4, 3, generator=torch.Generator().manual_seed(0)).unbind()
    if needs_more_than_vectors(case):
        try:
            loss(case.method, anchor, positive, parts=case.parts, **case.numbers)
        except UsageError as error:
            must("beside vectors" in str(error), f"refused in other words: {error}")
        else:
            raise AssertionError("it needs more than vectors, and vectors alone are accepted")
        return
    pair = Views.pair(anchor, positive)
    given = beside(pair, checked(case).needs).by_name
    further = {name: vectors for name, vectors in given.items() if name not in pair.by_name}
    plain = loss(case.method, anchor, positive, parts=case.parts, views=further, **case.numbers)
    triplets = loss(case.method, anchor, positive, negative, parts=case.parts, views=further, **case.numbers)
    must(plain.total.isfinite() and triplets.total.isfinite(), "the loss is not finite")
    assert isinstance(plain.outcome, Outcome)
    assert isinstance(triplets.outcome, Outcome)
    more = triplets.outcome.logits_BC.shape[1] - plain.outcome.logits_BC.shape[1]
    must(more == 4, f"four given negatives made {more} more columns")


def as_it_is_or_with_one_part(case: Case) -> bool:
    return len(case.parts) < 2 and not case.numbers


def what_it_does_not_go_with_is_there_and_has_a_reason(case: Case) -> None:
    """What a method or a part excludes is known by that name, is refused together with it, and a sentence says why."""
    made = checked(case)
    added = made.parts if case.parts else ()
    records = [record for record in (*records_of(case.method), *added) if record.excludes]
    known = {record.name for record in (*all_records(), *records_of(case.method))}
    for record in records:
        for name, reason in record.excludes.items():
            must(name in known, f"'{record.name}' excludes '{name}', which is nowhere")
            must(reason[:1].isupper() and reason.endswith("."), f"'{name}': the reason is no sentence")
            must("\n" not in reason and len(reason.split()) > 3, f"'{name}': the reason says too little")
    for part in all_parts().values():
        if any(part.name in record.excludes for record in records):
            try:
                recipe(case.method, [*case.parts, part.name])
            except UsageError as error:
                must(part.name in str(error), f"'{part.name}' is refused in words that do not name it")
            else:
                raise AssertionError(f"'{part.name}' is excluded, and accepted")


RULES = (
    Rule(the_record_of_the_paper_is_complete, alone),
    Rule(every_number_out_of_range_is_refused_by_name, alone),
    Rule(the_limits_themselves_are_accepted, alone),
    Rule(the_defaults_can_be_given_in_full, alone),
    Rule(it_takes_plain_tensors_and_given_negatives, of_one_part=True),
    Rule(what_it_does_not_go_with_is_there_and_has_a_reason, as_it_is_or_with_one_part),
)
