"""An encoder adapted to a user's text: what the text teaches is learned, the rest is kept, and all is proven. Call it:
``contrapose.adapt("notes.txt", out="runs/notes")``."""

from contrapose.callable_package import make_callable

make_callable(__name__, "contrapose.adapt.api")
