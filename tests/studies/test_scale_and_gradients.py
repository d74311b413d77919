"""scale compares two methods on equal seeds, each corpus by its own task; gradients are those of the equations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from contrapose.contract import Views
from studies import gradients, scale
from studies.pages import page, section
from tests.evaluate.folders import write_tables


def run(
    corpus: str, kind: str, rows: int, judged: str, method: str, seed: int, value: float
) -> dict[str, Any]:
    values = {
        name: {"value": value}
        for name in (("STS-B", "SICK-R") if judged == scale.STS else judged.split(", "))
    }
    return {
        "factors": {"corpus": corpus, "kind": kind, "rows": rows, "judged": judged, "method": method, "seed": seed},
        "options": {
            "method": method, "seed": seed, "steps": 60, "batch_size": 64, "learning_rate": 2e-5, "max_length": 32,
            "model": "minilm",
        },
        "values": values, "facts": {"moved": {}, "gain": {}}, "key": f"{corpus}{kind}{rows}{method}{seed}",
    }  # fmt: skip


def rows_of_runs() -> list[dict[str, Any]]:
    start = {"factors": {"method": "start"}, "options": {"method": "start"}, "facts": {}, "key": "start"}
    rows = [{**start, "values": {"banking77": {"value": 72.0}}}]
    for corpus, kind, size, judged, gains in (
        ("wiki", "part", 1_000, scale.STS, (0.1, -0.1)),
        ("wiki", "all", 200_000, scale.STS, (0.0, 0.2)),
        ("banking77", "domain", 9_000, "banking77", (3.0, 3.1)),
    ):
        for seed, gain in enumerate(gains):
            rows.append(run(corpus, kind, size, judged, scale.BASELINE, seed, 70.0 + seed))
            rows.append(run(corpus, kind, size, judged, scale.METHOD, seed, 70.0 + seed + gain))
    return rows


def test_a_corpus_is_told_by_the_difference_of_equal_seeds() -> None:
    answer = scale.answer(rows_of_runs(), {})
    by_corpus = {(row[0], row[1]): row for row in answer.table}
    assert by_corpus["banking77", "9,000"][3:] == ("banking77", "72.00", "70.50", "73.55", "+3.05", "2")
    assert by_corpus["wiki", "1,000"][7] == "+0.00"
    two_seeds = "+3.05 (+3.00, +3.10 by seed), too few seeds to tell from chance."
    assert f"banking77: hncse-hnm beside simcse: {two_seeds}" in answer.words
    assert any(
        "1,000 sentences of wiki: hncse-hnm beside simcse: no clear" in words for words in answer.words
    )
    assert [row[0] for row in answer.table] == ["wiki", "wiki", "banking77"]
    assert scale.figure(rows_of_runs(), {})[1].y_names == ["banking77"]


def test_the_scatter_of_one_task_says_nothing_of_another() -> None:
    """By hand: sizes +0.1, -0.1 and 0.0, 0.2, so sd of a difference 0.1414; the domain 3.0 and 3.1."""
    groups = scale._groups(rows_of_runs())
    of_sizes, of_domain = (scale._noise(judged, groups) for judged in (scale.STS, "banking77"))
    assert (of_sizes.sd, of_sizes.df) == (pytest.approx(0.1), 2)
    assert (of_domain.sd, of_domain.df) == (pytest.approx(0.05), 1)


def test_rows_of_the_earlier_form_are_left_out_and_one_seed_claims_nothing() -> None:
    old = {**rows_of_runs()[1], "factors": {"corpus": "wiki", "kind": "all", "rows": 9}}
    assert scale.answer([old], {}).table == ()
    assert section(scale.STUDY, {"scale": [old]})[-1] == "Not run yet."
    assert "4 runs; " in "\n".join(section(scale.STUDY, {"scale": [old, *rows_of_runs()[1:5]]}))
    one = [row for row in rows_of_runs() if row["factors"].get("seed", 0) == 0]
    assert any("too few seeds" in words for words in scale.answer(one, {}).words)


def test_three_seeds_of_a_domain_are_judged_by_their_scatter() -> None:
    rows = rows_of_runs()
    rows += [
        run("banking77", "domain", 9_000, "banking77", method, 2, value)
        for method, value in ((scale.BASELINE, 70.0), (scale.METHOD, 73.2))
    ]
    words = scale.answer(rows, {}).words
    assert any(each.startswith("banking77: hncse-hnm beside simcse: higher by 3.10") for each in words)


def test_a_domain_is_judged_by_what_lies_in_its_own_folder(tmp_path: Path) -> None:
    write_tables(tmp_path / "domain")
    (tmp_path / "alone").mkdir()
    for folder in ("domain", "alone"):
        (tmp_path / folder / "sentences.txt").write_text("one\ntwo\n")
    assert scale.own_tasks(str(tmp_path / "domain/sentences.txt"))
    assert scale.own_tasks(str(tmp_path / "alone/sentences.txt")) == ()


def test_simcse_pushes_each_negative_by_its_probability() -> None:
    random = torch.Generator().manual_seed(0)
    anchor, positive = torch.randn(2, 21, 8, generator=random).unbind()
    shares = gradients.shares_of([Views.pair(anchor, positive)], method="simcse", temperature=0.5)
    cosine = torch.nn.functional.cosine_similarity(anchor[:, None].double(), positive[None].double(), dim=2)
    expected = torch.zeros(10, dtype=torch.float64)
    for row in range(21):
        others = cosine[row][torch.arange(21) != row].sort().values
        pushed = (others / 0.5).softmax(0)
        expected += torch.stack([part.sum() for part in pushed.tensor_split(10)])
    assert shares == pytest.approx((expected / 21).tolist(), abs=2e-4)
    assert sum(shares) == pytest.approx(1, abs=1e-3)


def test_focal_weighting_takes_gradient_from_easy_negatives() -> None:
    random = torch.Generator().manual_seed(1)
    anchor = torch.randn(32, 6, generator=random) + 1
    views = [Views.pair(anchor, anchor + 0.3 * torch.randn(32, 6, generator=random))]
    plain = gradients.shares_of(views, method="simcse", temperature=0.5)
    focal = gradients.shares_of(views, method="focal-infonce", temperature=0.5, margin=0.3)
    assert sum(focal[:3]) != pytest.approx(sum(plain[:3]), abs=1e-3)
    shares = {"simcse": plain, "focal-infonce, margin 0.3": focal}
    row = {"factors": {"look": "gradients"}, "facts": {"shares": shares}, "options": {"batch_size": 64}}
    answer = gradients.answer([row], {})
    assert [line[0] for line in answer.table] == list(shares)
    assert "the easy half (33 of a row's 63 negatives) would hold 52.4%" in answer.words[-1]
    assert gradients.tenths_of(63) == [len(part) for part in torch.arange(63).tensor_split(10)]
    assert len(gradients.figure([row], {})[0].marks) == 2


def test_the_page_tells_the_second_start_apart() -> None:
    rows = rows_of_runs()
    written = page({"scale": rows}, {"scale": rows})
    assert "# From a start that no contrast has trained: minilm-mlm" in written
    assert "## scale, from minilm-mlm" in written
    assert "figures/study-scale-minilm-mlm.svg" in written
    assert "--model MINILM-MLM --out runs/studies/minilm-mlm" in "\n".join(
        section(scale.STUDY, {"scale": rows}, "minilm-mlm")
    )
    assert "second" not in page({"scale": rows})
