"""Curves from the rows of metrics.jsonl."""

from __future__ import annotations

from contrapose.report.curves import curves_of
from contrapose.report.panels import SHARE, plain_panel


def test_a_run_that_went_on_under_a_new_name_of_a_number_has_one_curve_of_it() -> None:
    rows = [{"step": 0, "loss": 2.0, "hardest_gradient": 0.5}, {"step": 1, "hardest_gradient": "NaN"}]
    rows.append({"step": 2, "loss": 1.0, "hardest_share": 0.25})
    loss, share = curves_of(rows)
    assert (loss.name, loss.steps) == ("loss", (0, 2))
    assert (share.name, share.steps, share.values, share.not_finite) == (
        "hardest_share",
        (0, 2),
        (0.5, 0.25),
        1,
    )
    assert plain_panel(share.name).bounds == SHARE
