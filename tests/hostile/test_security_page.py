"""The numbers on docs/security.md are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

from contrapose.data.lines import Limits
from contrapose.encoder import tokenizer_rules, tokenizer_trial
from contrapose.encoder.tokens import CHARACTERS_PER_TOKEN

PAGE = Path(__file__).resolve().parents[2] / "docs" / "security.md"


def test_the_limits_that_the_page_names_are_the_limits() -> None:
    page = re.sub(r"\s+", " ", PAGE.read_text(encoding="utf-8"))
    limits = Limits()
    for words in (
        f"more than {tokenizer_rules.MOST_GROWTH:,} times as long",
        f"more than {tokenizer_rules.MOST_ADDED_TOKENS:,} added tokens",
        f"more than {tokenizer_rules.LONGEST_WORD:,} letters",
        f"more than {tokenizer_rules.MOST_TEMPLATE_PARTS} special tokens",
        f"{tokenizer_trial.SECONDS} seconds of processor time",
        f"{tokenizer_trial.BYTES >> 30} GB of address space",
        f"{CHARACTERS_PER_TOKEN} characters per token",
        f"at most {limits.max_line_bytes:,} bytes",
        f"at most {limits.max_record_lines:,} lines",
        f"at most {limits.max_columns:,} columns",
        f"more than {limits.max_expansion:.0f} times beyond its first {limits.free_expansion_bytes >> 20} MiB",
    ):
        assert words in page, words
