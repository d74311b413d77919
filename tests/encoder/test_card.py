from __future__ import annotations

import re

import pytest

from contrapose.encoder.card import model_card, plain
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


HOSTILE = [
    "<script>alert(1)</script>",
    "[click](javascript:alert(1))",
    "![x](https://evil.example/x.png)",
    "<javascript:alert(1)>",
    "https://evil.example/ www.evil.example",
    "a` <img src=x onerror=alert(1)> `",
    "x\n---\nlibrary_name: evil\n---\n# title",
    "x\r\n\r\n<b>",
    "x\u2028<b>\u202e",
    "``` ` ```\n<b>",
    "\x1b[31mred",
    "&lt;b&gt; &#60;i>",
    "| a | b |",
    "*bold* _thin_ ~~gone~~ $x$",
    "\udcff.txt",
]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_name_of_a_file_or_model_is_shown_letter_by_letter(bert: Encoder, name: str) -> None:
    from markdown_it import MarkdownIt

    def shown(word: str) -> tuple[str, str]:
        bert.name = word
        card = model_card(
            bert,
            {word: word, "nested": {"file": word}},
            method=word,
            data={"corpus": word, "files": [word]},
            numbers=[{"task": word, word + "x": [word]}],
            citation=word,
            fingerprint="0",
        )
        front, body = card.removeprefix("---\n").split("\n---\n", 1)
        return front, MarkdownIt("commonmark", {"html": True}).enable("table").render(body)

    front, page = shown(name)
    plain_front, plain_page = shown("plain")
    assert front == plain_front
    tags = re.findall(r"<[a-z/!][^>]*>", page)
    assert tags == re.findall(r"<[a-z/!][^>]*>", plain_page)  # the same page, with other letters in it
    assert "\x1b" not in page
    page.encode("utf-8")


def test_plain_names_stay_as_they_are() -> None:
    for name in (
        "learning_rate",
        "runs/my-run/model",
        "tickets 2024.csv",
        "caf\u00e9 \u6771\u4eac",
        "a+b=c, (d)!",
    ):
        assert plain(name) == name
