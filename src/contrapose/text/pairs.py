"""The columns of the data as they are: a title and its text, a question and its answer, with negatives or without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from contrapose.contract import TextPart


class PairColumns(TextPart):
    """Every column is a view: anchor, positive, negative_1, ...

    >>> PairColumns().texts([0], {"anchor": ["q"], "positive": ["a"]}, seed=0, step=0)
    {'anchor': ['q'], 'positive': ['a']}
    """

    name, idea = "pairs", "The columns of the data: anchor, positive, and negatives where there are some."
    fewest_columns, most_columns = 2, None
    advice = (
        "See whether the pairs belong together; try a lower --learning-rate or fewer --steps, and judge with labels "
        "(--dev-data, contrapose evaluate)."
    )

    def texts(
        self, rows: Sequence[int], columns: Mapping[str, list[str]], *, seed: int, step: int
    ) -> dict[str, list[str]]:
        return dict(columns)


TEXT_PART = PairColumns
