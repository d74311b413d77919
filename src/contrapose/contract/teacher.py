"""What the parts and equations with a teacher share: which model it is, and how alike it finds two texts."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from contrapose.contract.needs import Companion, Needs
from contrapose.contract.views import Views
from contrapose.maths.similarity import cosine_table

#: The companion's name: its vectors are the views ``anchor@teacher`` and ``positive@teacher``.
TEACHER = "teacher"

Teacher = Annotated[
    str,
    Field(
        min_length=1,
        description="the frozen model that says how alike two texts are: a name, a folder, or start (the one trained)",
    ),
]
TeacherVectors = Annotated[
    str | None,
    Field(
        min_length=1,
        description="vectors from a file in its place, one per row of the corpus (.npy, .safetensors, .parquet)",
    ),
]
AngularMargin = Annotated[
    float, Field(ge=0, le=1.5, description="m, in radians: by how much unrelated negatives are turned closer")
]


def needs_teacher(teacher: str, teacher_vectors: str | None) -> Needs:
    """Needs for a frozen teacher: a model, or a file of vectors. ValueError where both are given."""
    if teacher_vectors is not None and teacher != "start":
        raise ValueError(
            f"teacher='{teacher}' would be ignored with teacher_vectors, which take its place; give one of the two"
        )
    return Needs(companions=(Companion(name=TEACHER, source=teacher, vectors=teacher_vectors),))


def teacher_similarity(views: Views, view: str = "positive") -> Tensor:
    """Cosines (B, B) by the teacher: of row i's anchor with row j's text of ``view``; no gradient."""
    return cosine_table(views.of("anchor", TEACHER), views.of(view, TEACHER)).detach()
