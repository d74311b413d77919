"""What is planned fits into the time, the most worthy signals first; what does not fit is not half done."""

from __future__ import annotations

import time

import pytest

from contrapose.adapt.budget import LEAST_SHARE, PLANNED, Planned, fastest_reading, plan
from contrapose.adapt.signals import SIGNALS, signals_for
from contrapose.adapt.texts import DOCUMENTS, PAIRS, SHORT

WANTED = signals_for([PAIRS, SHORT], {PAIRS: False, SHORT: True})
ROWS = {PAIRS: 3_000, SHORT: 10_000}


def planned(seconds: float, look: float = 1.0, speed: float = 1e-4) -> list[Planned]:
    words, preparing = {PAIRS: 40.0, SHORT: 10.0}, {PAIRS: 1e4, SHORT: 1e4}
    return plan(WANTED, ROWS, words, preparing, seconds_per_word=speed, seconds=seconds, look=look)


def test_with_time_enough_every_signal_has_all_its_steps() -> None:
    assert [(each.signal.name, each.steps) for each in planned(10_000)] == [
        (signal.name, signal.steps_for(ROWS[kind])) for kind, signal in WANTED
    ]


@pytest.mark.parametrize("seconds", [5, 20, 40, 60, 100, 200])
def test_what_is_planned_fits(seconds: float) -> None:
    made = planned(seconds)
    assert sum(each.seconds for each in made if each.steps) <= PLANNED * seconds
    for each in made:
        assert not each.steps or each.steps >= LEAST_SHARE * each.signal.steps


def test_more_time_tries_more_and_what_is_too_dear_leaves_room_for_what_is_not() -> None:
    tried = [[each.signal.name for each in planned(seconds) if each.steps] for seconds in (1, 40, 10_000)]
    assert [len(names) for names in tried] == sorted(len(names) for names in tried)
    assert tried[0] == []
    assert tried[2] == ["ranking", "pairs", "neighbours"]
    assert [each.signal.name for each in planned(32) if each.steps] == ["neighbours"]


def test_a_kind_holds_the_signals_that_are_for_it() -> None:
    def names(kind: str, in_topics: bool = False) -> list[str]:
        return [signal.name for _, signal in signals_for([kind], {kind: in_topics})]

    assert names(PAIRS) == ["ranking", "pairs"]
    assert names(DOCUMENTS) == ["ranking", "spans"]
    assert names(SHORT, in_topics=True) == ["neighbours"]
    assert names(SHORT) == ["sentences"]
    assert len({signal.name for signal in SIGNALS}) == len(SIGNALS)


def test_many_rows_are_passed_over_as_often_as_the_signal_asks() -> None:
    (pairs,) = (signal for _, signal in WANTED if signal.name == "pairs")
    assert pairs.steps_for(300) == pairs.steps
    assert pairs.steps_for(6_400) == pairs.passes * 6_400 / pairs.batch_size


def test_a_busy_machine_is_read_as_it_is_at_its_best(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 20.0, 30.0, 35.0, 40.0, 50.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    assert fastest_reading(len, ["two words", "and three words"]) == 1.0
