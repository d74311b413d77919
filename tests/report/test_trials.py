from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from contrapose.errors import CorruptFile, UsageError
from contrapose.report import page
from contrapose.report.gather import gather
from contrapose.report.trial_charts import MOST_FIELDS, heat_map
from contrapose.report.trials import open_trials
from tests.report.conftest import World


def trial(value: float, **factors: object) -> str:
    return (
        json.dumps({"factors": factors, "values": {"sts": {"metric": "m", "protocol": "p", "value": value}}})
        + "\n"
    )


def test_means_and_deviations_are_over_seeds(world: World) -> None:
    found = open_trials(world.comparison)
    assert (found.trials, found.varied, found.numeric) == (4, ("method",), ())
    (task,) = found.tasks
    assert [(cell.mean, cell.seeds) for cell in task.cells] == [(70.5, 2), (70.5, 2)]
    assert task.cells[0].deviation == pytest.approx(0.5**0.5)


def test_one_seed_has_no_deviation(tmp_path: Path) -> None:
    (tmp_path / "trials.jsonl").write_text(trial(1, k=1) + trial(2, k=2))
    (task,) = open_trials(tmp_path).tasks
    assert [cell.deviation for cell in task.cells] == [None, None]


def test_two_numbers_make_a_heat_map_that_praises_no_field_by_itself(world: World) -> None:
    found = open_trials(world.sweep)
    assert found.numeric == ("temperature", "margin")
    chart = heat_map(found.tasks[0], "temperature", "margin")
    assert chart is not None
    drawn = chart.svg
    assert drawn.count('class="mark heat') == 6
    assert " best" not in drawn
    assert "80.55" in drawn  # 70 + 100 * 0.1 + 0.5 + mean of 0 and 0.1


def test_many_values_are_drawn_in_stretches(tmp_path: Path) -> None:
    lines = [trial(n % 7, a=n / 100, b=(n * 37 % 100) / 100) for n in range(100)]
    (tmp_path / "trials.jsonl").write_text("".join(lines))
    chart = heat_map(open_trials(tmp_path).tasks[0], "a", "b")
    assert chart is not None
    drawn = chart.svg
    assert 1 < drawn.count('class="mark heat') <= MOST_FIELDS**2


def test_one_number_makes_a_line_with_its_spread(tmp_path: Path) -> None:
    (tmp_path / "trials.jsonl").write_text(
        "".join(trial(k + s, k=k, seed=s) for k in (1, 2, 3) for s in (0, 1))
    )
    html = page.render(gather([tmp_path]))
    assert html.count('class="mark s0') == 3
    assert "± 0.71" in html


def sweep_folder(folder: Path, region: list[dict[str, object]], *, scores: int = 2) -> Path:
    """Nine settings of two numbers with two seeds, and what the sweep said of them."""
    points = [{"k": k, "m": m} for k in (1, 2, 3) for m in (0.1, 0.2, 0.3)]
    folder.mkdir()
    (folder / "trials.jsonl").write_text(
        "".join(trial(p["k"] + p["m"] + s / 9, **p, seed=s) for p in points for s in (0, 1))
    )
    settings = [{"values": point, "scores": [1.0] * scores, "diverged": 0} for point in points]
    result = {"in_words": ["best region: <i>here</i>"], "region": region, "settings": settings}
    (folder / "results.json").write_text(json.dumps(result))
    return folder


@pytest.mark.parametrize(
    "region", [[], [{"k": 3, "m": 0.3}], [{"k": 3, "m": 0.3}, {"k": 1, "m": 0.1}]], ids=len
)
def test_what_is_framed_is_what_the_words_of_the_sweep_call_no_worse_than_the_highest(
    tmp_path: Path, region: list[dict[str, object]]
) -> None:
    html = page.render(gather([sweep_folder(tmp_path / "sweep", region)]))
    assert "best region: &lt;i&gt;here" in html
    assert len(re.findall(r"heat h\d best", html)) == len(region)
    assert ("Framed fields hold" in html) == bool(region)
    assert ("The highest is not marked" in html) == (not region)


def test_along_one_number_only_dots_of_the_region_are_filled(tmp_path: Path) -> None:
    (tmp_path / "trials.jsonl").write_text("".join(trial(k, k=k) for k in (1, 2, 3)))
    settings = [{"values": {"k": k}, "scores": [k], "diverged": 0} for k in (1, 2, 3)]
    for region, filled in (([{"k": 2}, {"k": 3}], 2), ([], 3)):
        (tmp_path / "results.json").write_text(json.dumps({"settings": settings, "region": region}))
        html = page.render(gather([tmp_path]))
        assert html.count('class="mark s0"') == filled
        assert html.count('class="mark s0 hollow"') == 3 - filled


def test_words_that_were_said_of_other_trials_are_not_repeated(tmp_path: Path) -> None:
    found = open_trials(sweep_folder(tmp_path / "sweep", [{"k": 3, "m": 0.3}], scores=1))
    assert (found.said, found.region) == ((), None)
    assert "is of 9 trials and trials.jsonl holds 18" in found.notes[0]


@pytest.mark.parametrize(
    "odd", ["", "[]", "{", '{"settings": 3, "in_words": 4}', '{"settings": [{"scores": 2}]}']
)
def test_a_result_of_another_form_is_passed_over(tmp_path: Path, odd: str) -> None:
    folder = sweep_folder(tmp_path / "sweep", [])
    (folder / "results.json").write_text(odd)
    assert open_trials(folder).said == ()


def test_a_setting_that_diverged_is_in_no_picture(tmp_path: Path) -> None:
    lines = [trial(9, k=3, seed=0), json.dumps({"factors": {"k": 3, "seed": 1}, "values": {}}) + "\n"]
    lines += [trial(k, k=k, seed=s) for k in (1, 2) for s in (0, 1)]
    (tmp_path / "trials.jsonl").write_text("".join(lines))
    html = page.render(gather([tmp_path]))
    assert html.count('class="mark s0') == 2
    assert "highest 2.00 at 2" in html
    assert "1 seed, 1 diverged" in html


def test_fields_of_close_values_have_names_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "trials.jsonl").write_text(
        "".join(trial(n, a=0.5 + n * 1e-6, b=b) for n in (1, 2) for b in (1, 2))
    )
    chart = heat_map(open_trials(tmp_path).tasks[0], "a", "b")
    assert chart is not None
    drawn = chart.svg
    names = re.findall(r'class="tick"[^>]*>([^<]*)<', drawn)
    assert len(set(names)) == len(names) == 4


def test_text_of_trials_is_escaped(world: World) -> None:
    html = page.render(world.report)
    assert "<b>mine" not in html
    assert "&lt;b&gt;mine" in html


def test_damaged_lines_are_counted(tmp_path: Path) -> None:
    (tmp_path / "trials.jsonl").write_text(trial(1, k=1) + "garbage\n[]\n" + '{"factors": 1}\n')
    found = open_trials(tmp_path)
    assert found.trials == 1
    assert found.notes == ("3 of 4 lines of trials.jsonl are no trials and left out",)


def test_no_trial_at_all_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "trials.jsonl").write_text("\n")
    with pytest.raises(CorruptFile, match=r"trials\.jsonl holds no trial"):
        gather([tmp_path])


def test_a_sweep_whose_first_trial_is_not_finished_is_no_damage_and_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "experiment.json").write_text("{}")
    with pytest.raises(UsageError, match=r"no finished trial yet: give the command of its sweep"):
        gather([tmp_path])


def test_a_value_that_is_no_number_is_left_out(tmp_path: Path) -> None:
    odd = {"factors": {"k": 2}, "values": {"sts": {"value": "NaN"}, "x": 3}}
    (tmp_path / "trials.jsonl").write_text(trial(1, k=1) + json.dumps(odd) + "\n")
    (task,) = open_trials(tmp_path).tasks
    assert len(task.cells) == 1


def test_a_factor_that_some_trials_lack_is_drawn_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "trials.jsonl").write_text(trial(1, a=1, b=1) + trial(2, a=2) + trial(3, a=2, b=2))
    html = page.render(gather([tmp_path]))
    assert html.count('class="mark heat') == 2


def test_label_free_gains_keep_their_places_and_no_field_is_best_by_itself(tmp_path: Path) -> None:
    def field(a: int, b: int, value: float) -> str:
        found = {"metric": "label-free gain", "protocol": "label-free", "value": value}
        return (
            json.dumps({"factors": {"a": a, "b": b, "seed": 0}, "values": {"label-free gain": found}}) + "\n"
        )

    place = tmp_path / "trials.jsonl"
    place.write_text(field(1, 1, 0.0351) + field(1, 2, 0.0312) + field(2, 1, 0.0))
    html = page.render(gather([tmp_path]))
    assert "0.0351" in html
    assert "h8 best" not in html
    place.write_text(field(1, 1, 0.0) + field(1, 2, 0.0))
    assert " best" not in page.render(gather([tmp_path])).partition("<svg")[2]


def test_trials_of_another_shape_are_counted_and_left_out(tmp_path: Path) -> None:
    odd = [
        "[" * 100_000,
        '{"factors": ' + "[" * 500 + "]" * 500 + ', "values": {}}',
        "[]",
        '{"factors": 1, "values": 2}',
    ]
    huge = trial(5, k=3).replace("5", "9" * 400)
    (tmp_path / "trials.jsonl").write_text(trial(1, k=1) + trial(2, k=2) + huge + "\n".join(odd) + "\n")
    found = open_trials(tmp_path)
    assert (found.trials, found.notes) == (3, ("4 of 7 lines of trials.jsonl are no trials and left out",))
    assert [cell.mean for cell in found.tasks[0].cells] == [1, 2]
