"""Every study end to end on a tiny encoder: planned, run once, resumed, shared, answered, drawn.

Those that have domains of their own rather than the reader's text (``selection``, ``adaptation`` and ``signals``) have
tests of their own.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from contrapose.errors import UsageError
from studies import measuring
from studies.drawing import svg
from studies.pages import (
    STUDIES,
    figure_path,
    page,
    render,
    rows_of_studies,
    run_study,
    section,
    study_named,
)
from studies.reading import rows_in, trained
from studies.runs import Planned, Setup, run_planned
from tests.studies.inputs import setup_in, write_inputs

#: The studies of any text.
OF_TEXT = [name for name, study in STUDIES.items() if study.corpora]


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_inputs(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="session")
def setup(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Setup:
    corpora = (str(inputs / "text.txt"), str(inputs / "other.txt"))
    return setup_in(inputs, tmp_path_factory.mktemp("studies"), corpora=corpora)


@pytest.fixture(scope="session")
def plans(setup: Setup) -> dict[str, list[Planned]]:
    return {name: STUDIES[name].plan(setup) for name in OF_TEXT}


def some_of(planned: list[Planned]) -> list[Planned]:
    """The looks or the start, the first runs and the last: whole studies take minutes even here."""
    return [*planned[:3], planned[-1]]


@pytest.fixture(scope="session")
def out(setup: Setup, plans: dict[str, list[Planned]]) -> Path:
    """Some trials of every study, in one folder."""
    for name in OF_TEXT:
        run_planned(name, some_of(plans[name]), setup.out)
    return setup.out


@pytest.fixture
def nothing_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "run_of", lambda *_, **__: pytest.fail("trained again"))


@pytest.mark.parametrize("name", OF_TEXT)
def test_a_study_measures_what_it_planned_and_answers(
    name: str, plans: dict[str, list[Planned]], out: Path
) -> None:
    studies = rows_of_studies(out)
    assert {row["key"] for row in studies[name]} == {each.trial.key for each in some_of(plans[name])}
    assert all("failed" not in row["facts"] for row in studies[name])
    answer = STUDIES[name].answer(studies[name], studies)
    assert answer.words
    assert answer.table
    assert {len(row) for row in answer.table} == {len(answer.header)}
    assert not [word for word in answer.words if "nan" in word.split()]


def test_no_plan_holds_a_trial_twice_under_two_names(plans: dict[str, list[Planned]]) -> None:
    """The ledger would keep only one of the two."""
    for planned in plans.values():
        assert len({each.trial.key for each in planned}) == len(planned)


@pytest.mark.parametrize("name", OF_TEXT)
def test_what_was_run_is_never_run_again(
    name: str, plans: dict[str, list[Planned]], out: Path, nothing_trains: None
) -> None:
    before = (out / f"{name}.jsonl").read_bytes()
    run_planned(name, some_of(plans[name]), out)
    assert (out / f"{name}.jsonl").read_bytes() == before


def test_an_interrupted_study_goes_on(inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = setup_in(inputs, tmp_path)
    planned = STUDIES["ablation"].plan(setup)[:2]
    with monkeypatch.context() as patched:
        patched.setattr(measuring, "run_of", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_planned("ablation", planned, tmp_path)
    assert len(rows_of_studies(tmp_path)["ablation"]) == 1
    run_planned("ablation", planned, tmp_path)
    assert len(rows_of_studies(tmp_path)["ablation"]) == 2


def _interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_run_that_two_studies_want_is_measured_once(out: Path) -> None:
    studies = rows_of_studies(out)
    ablation = {row["key"]: row for row in studies["ablation"]}
    shared = [row for row in studies["dynamics"] if row["key"] in ablation]
    assert len(shared) > 1
    for row in shared:
        assert row["values"] == ablation[row["key"]]["values"]
        assert row["seconds"] == ablation[row["key"]]["seconds"]
        assert row["experiment"] == "dynamics"


def test_every_run_says_how_far_it_moved_and_how_it_got_there(out: Path) -> None:
    rows_of_runs = [row for rows in rows_of_studies(out).values() for row in trained(rows)]
    assert len(rows_of_runs) > 15
    for row in rows_of_runs:
        assert set(row["facts"]["moved"]) == {"shift", "cka", "neighbours_kept"}
        assert 0 <= row["facts"]["moved"]["shift"] <= 2
        assert row["facts"]["curve"]["step"] == [*range(1, row["options"]["steps"] + 1)]
        assert set(row["facts"]["gain"]) >= {"STS-B", "SICK-R"}


def test_rows_name_no_place_on_the_machine(inputs: Path, out: Path) -> None:
    for path in out.glob("*.jsonl"):
        assert str(inputs.parent) not in path.read_text("utf-8")
        assert str(out.parent) not in path.read_text("utf-8")


def test_the_page_has_every_study(out: Path) -> None:
    text = render(out, drawn=False)["studies.md"]
    for name, study in STUDIES.items():
        assert f"## {name}\n" in text
        assert study.question in text
        assert (figure_path(name) in text) == (name in OF_TEXT)
    assert text.count("Not run yet") == len(STUDIES) - len(OF_TEXT)


def test_the_same_rows_give_the_same_page_and_the_same_figure(out: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    shutil.copy(out / "ablation.jsonl", tmp_path)
    files = render(tmp_path)
    # The divergence is read off the runs of all other studies.
    assert set(files) == {"studies.md", "figures/study-ablation.svg", "figures/study-divergence.svg"}
    assert files["studies.md"].count("Not run yet.") == len(STUDIES) - 2
    assert files["figures/study-ablation.svg"].startswith("<?xml")
    assert files == render(tmp_path)


def test_a_study_that_was_not_run_is_said_to_be_so(tmp_path: Path) -> None:
    assert page({}).count("Not run yet.") == len(STUDIES)
    assert render(tmp_path) == {"studies.md": page({})}


@pytest.mark.parametrize("name", OF_TEXT)
def test_half_a_study_has_a_page_and_a_figure(name: str, out: Path) -> None:
    """As while it is being run: the first rows only."""
    pytest.importorskip("matplotlib")
    studies = rows_of_studies(out)
    for count in (1, 2, len(studies[name]) // 2):
        some = {name: studies[name][:count]}
        assert section(STUDIES[name], some)
        assert svg(STUDIES[name].figure(some[name], some)).startswith("<?xml")


def test_damaged_lines_of_a_ledger_are_left_out(out: Path, tmp_path: Path) -> None:
    text = (out / "ablation.jsonl").read_text("utf-8")
    (tmp_path / "ablation.jsonl").write_text(text + '{"torn": ', "utf-8")
    assert rows_in(tmp_path, ["ablation"]) == rows_in(out, ["ablation"])


def test_an_unknown_study_is_named_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="ablation"):
        study_named("ablatoin")


def test_missing_data_is_said_before_anything_is_trained(
    inputs: Path, tmp_path: Path, nothing_trains: None
) -> None:
    with pytest.raises(UsageError, match="STS-B and SICK-R"):
        run_study("ablation", setup_in(inputs, tmp_path, data=(str(inputs / "across"),)))
    with pytest.raises(UsageError, match="data folder not found"):
        run_study("ablation", setup_in(inputs, tmp_path, data=(str(inputs / "nowhere"),)))
    with pytest.raises(UsageError, match="another --data"):
        run_study("crosslingual", setup_in(inputs, tmp_path, data=(str(inputs / "data"),)))


def test_pairs_are_refused_as_a_corpus(inputs: Path, tmp_path: Path, nothing_trains: None) -> None:
    pairs = tmp_path / "pairs.jsonl"
    lines = [json.dumps({"anchor": f"a cat {i}", "positive": f"the dog {i}"}) for i in range(20)]
    pairs.write_text("\n".join(lines), "utf-8")
    with pytest.raises(UsageError, match="one text per row"):
        run_study("ablation", setup_in(inputs, tmp_path / "out", corpora=(str(pairs),)))
