"""The training loop, which cannot lose work. Call it: ``contrapose.train("notes.txt", out="runs/notes")``."""

from contrapose.callable_package import make_callable

make_callable(__name__, "contrapose.train.api")
