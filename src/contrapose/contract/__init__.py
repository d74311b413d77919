"""The vocabulary of methods: views in, loss out. An objective sees embeddings, never the encoder.

view        one embedding per row of the batch: ``anchor``, ``positive``, and whatever else a method needs.
column      what a row is compared with. Its own positive is one; every other column is a negative.
table       the cosines of all rows with all columns; built once, by the Objective.
equation    the paper's loss: a pure function ``(table, views, /, *, hyperparameters) -> Outcome``.
part        what a method adds around the equation: other views, more columns, a filter, further terms of the loss.
text part   makes the texts of the views: a crop, a pair's columns, one text twice.
protocol    how steps follow one another, and what happens to the weights between them.
method      the record of a paper: its equation, the parts it uses, its defaults, its departures.

Read this package and one paper's file, and you can write a method.
"""

from contrapose.contract.method import Equation, Loss, Method, Outcome, no_rows
from contrapose.contract.needs import Companion, Needs, Network, Supplies
from contrapose.contract.part import Part
from contrapose.contract.previous import PREVIOUS, Previous, PreviousDropout, needs_previous
from contrapose.contract.protocol import GradientOf, RunOutline, TrainingProtocol
from contrapose.contract.shared_hyperparameters import MixupShape, RawVectors, Temperature
from contrapose.contract.teacher import (
    TEACHER,
    AngularMargin,
    Teacher,
    TeacherVectors,
    needs_teacher,
    teacher_similarity,
)
from contrapose.contract.template import Template
from contrapose.contract.text_part import TextPart, TextRows, first_texts
from contrapose.contract.tiles import TiledOutcome, computed_in_tiles, needs_table, tiles_of
from contrapose.contract.views import Tokens, Views, key_of, split_key
from contrapose.maths.scores import Columns, ScoreTable
from contrapose.maths.tiled_columns import LogitMap
from contrapose.maths.tiled_table import TiledTable

__all__ = [
    "PREVIOUS",
    "TEACHER",
    "AngularMargin",
    "Columns",
    "Companion",
    "Equation",
    "GradientOf",
    "LogitMap",
    "Loss",
    "Method",
    "MixupShape",
    "Needs",
    "Network",
    "Outcome",
    "Part",
    "Previous",
    "PreviousDropout",
    "RawVectors",
    "RunOutline",
    "ScoreTable",
    "Supplies",
    "Teacher",
    "TeacherVectors",
    "Temperature",
    "Template",
    "TextPart",
    "TextRows",
    "TiledOutcome",
    "TiledTable",
    "Tokens",
    "TrainingProtocol",
    "Views",
    "computed_in_tiles",
    "first_texts",
    "key_of",
    "needs_previous",
    "needs_table",
    "needs_teacher",
    "no_rows",
    "split_key",
    "teacher_similarity",
    "tiles_of",
]
