"""One text twice: dropout alone tells the two views apart (Gao et al. 2021, SimCSE)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from contrapose.contract import TextPart


class SameText(TextPart):
    """Both views are the row's text.

    >>> SameText().texts([0], {"text": ["one"]}, seed=0, step=0)
    {'anchor': ['one'], 'positive': ['one']}
    """

    name, idea = "dropout", "One text twice; dropout alone tells the two views apart."
    needs_dropout = True
    advice = (
        "Where the text has titles or questions beside it, train on those pairs (--columns title,text); else try "
        "--views crop or a lower --learning-rate, and judge with labels (--dev-data, contrapose evaluate)."
    )

    def texts(
        self, rows: Sequence[int], columns: Mapping[str, list[str]], *, seed: int, step: int
    ) -> dict[str, list[str]]:
        (texts,) = columns.values()
        return {"anchor": texts, "positive": texts}


TEXT_PART = SameText
