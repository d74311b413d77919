from __future__ import annotations

from contrapose.encoder.card import model_card
from contrapose.encoder.encoder import Encoder


def test_the_card_holds_all_that_it_is_given(bert: Encoder) -> None:
    card = model_card(
        bert,
        {"run": "runs/x"},
        method="hncse-hnm",
        hyperparameters={"temperature": 0.05, "learning rate": 1e-5},
        data={"rows": 6400, "fingerprint": "abc123"},
        numbers=[{"task": "STS12", "protocol": "senteval-all", "before": 72.37, "after": 73.125}],
        citation="@article{simcse}",
    )
    for expected in (
        "trained by contrast (hncse-hnm)",
        "- temperature: 0.05",
        "- learning rate: 1e-05",
        "- fingerprint: abc123",
        "| task | protocol | before | after |",
        "| STS12 | senteval-all | 72.37 | 73.125 |",
        "@article{simcse}",
        "- run: runs/x",
        bert.fingerprint(),
        "- torch: ",
    ):
        assert expected in card
    assert card.startswith("---\nlibrary_name: sentence-transformers\n")


def test_sections_without_content_are_left_out(bert: Encoder) -> None:
    card = model_card(bert, fingerprint="given")
    assert "given" in card
    assert not [title for title in ("## Data", "## Measurements", "## Citation", "## How") if title in card]


def test_a_bar_or_a_line_break_in_a_value_does_not_break_the_table(bert: Encoder) -> None:
    card = model_card(bert, numbers=[{"task": "a|b\nc"}])
    assert "| a\\|b c |" in card
