"""What makes no sense together is refused when the configuration is read, whichever side says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from contrapose.errors import UsageError
from contrapose.objectives.catalogue import describe, recipe
from contrapose.testing.cases import Case, cases_of
from contrapose.testing.rules_record import what_it_does_not_go_with_is_there_and_has_a_reason

FILE = """
from contrapose.contract import Method, Part, TextPart, TrainingProtocol
from contrapose.objectives.simcse import simcse

class Mine(Part):
    name, idea = "mine", "Mine."
    excludes = {part}

class Shout(TextPart):
    name, idea = "shout", "The same text in capitals."
    excludes = {text_part}

    def texts(self, rows, columns, *, seed, step):
        return {{"anchor": list(rows), "positive": list(rows)}}

class Slow(TrainingProtocol):
    name, idea = "slow", "Slow."
    excludes = {protocol}

METHOD = Method(name="own", idea="Mine.", paper="Me 2026, Mine", reference="https://example.org", objective=simcse,
                parts=(Mine,), text_parts=(Shout,), protocol=Slow, excludes={method})
"""
REASON = "They say the opposite of each other."


def written(path: Path, **excludes: dict[str, str]) -> str:
    named = {kind: repr(excludes.get(kind, {})) for kind in ("part", "text_part", "protocol", "method")}
    path.write_text(FILE.format(**named))
    return str(path)


@pytest.mark.parametrize("kind", ["part", "text_part", "protocol", "method"])
def test_each_kind_of_record_can_exclude_a_part(kind: str, tmp_path: Path) -> None:
    path = written(tmp_path / "own.py", **{kind: {"queue": REASON}})
    recipe(path)
    recipe(path, ["mixed-negatives"])
    with pytest.raises(UsageError) as refused:
        recipe(path, ["queue"])
    words = str(refused.value)
    assert words.endswith(f"does not go with the part 'queue'. {REASON}")
    assert "\n" not in words
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("other", ["mine", "shout", "slow", "own"])
def test_the_other_side_need_not_say_it(other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from contrapose.negatives.queue import Queue

    monkeypatch.setattr(Queue, "excludes", {other: REASON})
    path = written(tmp_path / "own.py")
    with pytest.raises(UsageError, match=f"the part 'queue' does not go with the .*'{other}'. They say"):
        recipe(path, ["queue"])
    assert describe(path)[0]["excludes"] == {"queue": REASON}


def test_views_that_the_columns_of_the_data_chose_are_looked_at_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from contrapose.negatives.queue import Queue

    monkeypatch.setattr(Queue, "excludes", {"dropout": REASON})
    made = recipe("simcse", ["queue"])
    assert made.text_parts(["anchor", "positive"], max_words=8)[0].name == "pairs"
    with pytest.raises(UsageError, match="the part 'queue' does not go with the views 'dropout'"):
        made.text_parts(["text"], max_words=8)


def test_refused_pairs_are_no_cases_and_the_page_names_them(tmp_path: Path) -> None:
    path = written(tmp_path / "own.py", part={"queue": REASON}, method={"crop": REASON})
    tried = {part for case in cases_of(path) for part in case.parts}
    assert "mixed-negatives" in tried
    assert "queue" not in tried
    assert describe(path)[0]["excludes"] == {"crop": REASON, "queue": REASON}


@pytest.mark.parametrize(
    ("excludes", "broken"),
    [
        ({"queue": REASON}, ""),
        ({"nothing-of-this-name": REASON}, "which is nowhere"),
        ({"queue": "they differ much"}, "no sentence"),
        ({"queue": "No."}, "says too little"),
    ],
)
def test_a_rule_asks_for_a_name_that_is_there_and_a_sentence(
    excludes: dict[str, str], broken: str, tmp_path: Path
) -> None:
    path = written(tmp_path / "own.py", part=excludes)
    if broken:
        with pytest.raises(AssertionError, match=broken):
            what_it_does_not_go_with_is_there_and_has_a_reason(Case(path))
    else:
        what_it_does_not_go_with_is_there_and_has_a_reason(Case(path))


QUEUE = {"pool_queue_size": 64}
ATTRACT = {"false_negatives": "attract"}


@pytest.mark.parametrize(
    ("method", "part", "refused", "reason"),
    [
        ("hncse-hnm", "federated", {"pool": "queue", **QUEUE}, "one client's text would be parents"),
        ("hncse", "federated", {"pool": "batch+queue", **QUEUE}, "one client's text would be parents"),
        ("focal-infonce", "cluster-filter", ATTRACT, "enters as a square"),
        ("ifnd", "mixed-positive", ATTRACT, "is a mixture"),
        ("core-tuning", "cluster-filter", ATTRACT, "has a focal weight"),
    ],
)
def test_what_a_part_excludes_may_depend_on_its_hyperparameters(
    method: str, part: str, refused: dict[str, object], reason: str
) -> None:
    recipe(method, [part])
    with pytest.raises(UsageError, match=f"does not go with .*{reason}") as told:
        recipe(method, [part], refused)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("pool", ["queue", "batch+queue"])
def test_a_queue_for_parents_goes_with_every_other_protocol(pool: str) -> None:
    for protocol in ("masked", "continual"):
        recipe("hncse-hnm", [protocol], {"pool": pool, **QUEUE})


@pytest.mark.parametrize(
    ("method", "protocol"),
    [
        *(
            (method, protocol)
            for method in ("debcse", "cards", "ifnd")
            for protocol in ("federated", "continual")
        ),
        ("twins", "federated"),
        ("esimcse", "federated"),
    ],
)
def test_what_looks_at_all_text_is_refused_where_a_step_may_see_a_share(method: str, protocol: str) -> None:
    recipe(method)
    with pytest.raises(UsageError, match=f"the training protocol '{protocol}' does not go with"):
        recipe(method, [protocol])


def test_views_that_are_asked_for_are_looked_at_with_a_protocol() -> None:
    with pytest.raises(UsageError, match="another client's text"):
        recipe("simcse", ["federated"], views="propensity-pairs")
