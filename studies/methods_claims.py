"""What the papers claim, held against the table of methods: does it hold here, not hold, or can it not be judged?

An arm cannot judge a claim whose two methods it trained with different learning rates: in so few steps the rate decides
more than the method. The arm in which each method has the best of the same settings can: its rates are part of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: Columns whose numbers are so small that two decimals say nothing.
GEOMETRY = ("geometry", "geometry uniformity")


@dataclass(frozen=True, kw_only=True)
class Claim:
    """That ``method`` is better than ``beside``. column: of the table; None: its main one, the mean over STS tasks.

    lower: the lower number is the better one; unlike: how the runs of the table differ from what the claim is about.
    """

    words: str
    method: str
    source: str
    beside: str = "simcse"
    column: str | None = None
    lower: bool = False
    unlike: str = ""


def _above_simcse(method: str, words: str, source: str) -> Claim:
    return Claim(words=words, method=method, source=source)


CLAIMS: tuple[Claim, ...] = (
    _above_simcse("focal-infonce", "Focal-InfoNCE is above SimCSE", "Hou and Li 2023"),
    Claim(
        words="Focal-InfoNCE improves alignment", method="focal-infonce", source="Hou and Li 2023",
        column="geometry", lower=True,
    ),
    Claim(
        words="Focal-InfoNCE improves uniformity", method="focal-infonce", source="Hou and Li 2023",
        column="geometry uniformity", lower=True,
    ),
    _above_simcse("hncse-pm", "positive mixing (HNCSE-PM) is above SimCSE", "HNCSE 2024"),
    _above_simcse("hncse-hnm", "hard negative mixing (HNCSE-HNM) is above SimCSE", "HNCSE 2024"),
    _above_simcse("hncse", "HNCSE is above SimCSE", "HNCSE 2024"),
    Claim(words="hard negative mixing adds to positive", method="hncse", beside="hncse-pm", source="HNCSE 2024"),
    Claim(words="positive mixing adds to hard negative", method="hncse", beside="hncse-hnm", source="HNCSE 2024"),
    _above_simcse("sscl", "inner layers as negatives (SSCL) help", "Chen et al. 2023"),
    _above_simcse("diffcse", "finding replaced words (DiffCSE) helps", "Chuang et al. 2022"),
    Claim(
        words="a teacher's margin and filter (KDMCSE) help", method="kdmcse", source="Nguyen et al. 2024",
        unlike="its teacher here is the start",
    ),
    _above_simcse("cards", "retrieved negatives (CARDS) help", "Wang et al. 2022"),
    _above_simcse("debcse", "sampling against bias (DebCSE) helps", "Miao et al. 2023"),
    _above_simcse("twins", "identical and fraternal twins (IFTCL) help", "Xiao et al. 2023"),
    _above_simcse("sparse-cse", "removing the parameters that contribute least (SparseCSE) helps", "SparseCSE 2023"),
    _above_simcse("esimcse", "repeated words and a momentum queue (ESimCSE) help", "Wu et al. 2022"),
    _above_simcse("mixcse", "mixed negatives without gradient (MixCSE) help", "Zhang et al. 2022"),
    _above_simcse("promptbert", "a template in place of a pooled vector (PromptBERT) helps", "Jiang et al. 2022"),
)  # fmt: skip


def judged(
    arm: Mapping[str, Any], *, tuned: bool = False, claims: tuple[Claim, ...] = CLAIMS
) -> dict[Claim, str]:
    """Each claim whose methods were measured, with what the numbers say of it.

    tuned: every method's learning rate is the best of the same few, so that unlike rates are no reason to doubt.
    """
    said = {}
    for claim in claims:
        if (change := _change(arm, claim)) is None:
            continue
        digits = 3 if claim.column in GEOMETRY else 2
        reason = claim.unlike or ("" if tuned else unlike_rates(arm, claim.method, claim.beside))
        said[claim] = (
            f"cannot be judged: {reason} {numbers(change, digits)}"
            if reason
            else verdict(change, lower=claim.lower, digits=digits)
        )
    return said


def unlike_rates(arm: Mapping[str, Any], method: str, beside: str = "simcse") -> str:
    """With which learning rates the two were trained, where these differ; "" where they do not.

    >>> rows = [{"method": "simcse", "learning_rate": 3e-5}, {"method": "diffcse", "learning_rate": 7e-6}]
    >>> unlike_rates({"rows": rows}, "diffcse")
    'trained with a learning rate of 7e-06, SimCSE with 3e-05'
    """
    rates = {row["method"]: row["learning_rate"] for row in arm["rows"]}
    if rates.get(method) == rates.get(beside):
        return ""
    other = "SimCSE" if beside == "simcse" else beside
    return f"trained with a learning rate of {rates[method]:g}, {other} with {rates[beside]:g}"


def numbers(change: Mapping[str, Any], digits: int = 2) -> str:
    """A difference and its interval, in brackets.

    >>> numbers({"difference": 0.004, "low": 0.001, "high": 0.007}, 3)
    '(+0.004 [+0.001, +0.007])'
    """
    difference, low, high = (f"{change[name]:+.{digits}f}" for name in ("difference", "low", "high"))
    return f"({difference} [{low}, {high}])"


def verdict(change: Mapping[str, Any], *, lower: bool = False, digits: int = 2) -> str:
    """A difference beside its interval, in words; the correction for many comparisons counts. One seed judges nothing
    where no other methods tell how far seeds scatter (``seed_error`` is None): its own luck is not in the interval.

    >>> verdict({"difference": 1.0, "low": 0.5, "high": 1.5, "p_corrected": 0.01, "seed_error": 0.1})
    'holds here (+1.00 [+0.50, +1.50])'
    >>> verdict({"difference": 0.2, "low": -0.5, "high": 0.9, "p_corrected": 1.0, "seed_error": 0.1})
    'cannot be judged: its direction is as claimed, and it may be chance (+0.20 [-0.50, +0.90])'
    >>> verdict({"difference": 1.0, "low": 0.5, "high": 1.5, "p_corrected": 0.2, "seed_error": 0.1})
    'cannot be judged: its direction is as claimed, and among so many it may be chance (+1.00 [+0.50, +1.50])'
    >>> verdict({"difference": 1.0, "low": 0.5, "high": 1.5, "p_corrected": 0.01, "seed_error": None})
    'cannot be judged with one seed: its direction is as claimed (+1.00 [+0.50, +1.50])'
    """
    measured = numbers(change, digits)
    as_claimed = change["difference"] < 0 if lower else change["difference"] > 0
    direction = f"its direction is {'as claimed' if as_claimed else 'the other one'}"
    if change["seed_error"] is None:
        return f"cannot be judged with one seed: {direction} {measured}"
    if change["low"] <= 0 <= change["high"]:
        return f"cannot be judged: {direction}, and it may be chance {measured}"
    if change["p_corrected"] > 0.05:
        return f"cannot be judged: {direction}, and among so many it may be chance {measured}"
    return f"{'holds here' if as_claimed else 'does not hold here'} {measured}"


def is_lost_in_correction(change: Mapping[str, Any]) -> bool:
    """The interval leaves out zero, and the correction for many comparisons makes it unclear all the same.

    >>> is_lost_in_correction({"words": "no clear change", "low": -0.5, "high": -0.1})
    True
    """
    return change["words"] == "no clear change" and not change["low"] <= 0 <= change["high"]


def _change(arm: Mapping[str, Any], claim: Claim) -> Mapping[str, float] | None:
    if claim.beside != "simcse":
        for pair in arm["pairs"]:
            if (pair["method"], pair["beside"]) == (claim.method, claim.beside):
                return dict(pair)
        return None
    for row in arm["rows"]:
        if row["method"] == claim.method:
            change: Mapping[str, float] | None = row["differences"].get(claim.column or arm["main"])
            return change
    return None
