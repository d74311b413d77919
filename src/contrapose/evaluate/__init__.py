"""A task is data and a metric. Call it: ``contrapose.evaluate("runs/notes/model", tasks=["sts"], data=FOLDER)``."""

from contrapose.callable_package import make_callable

make_callable(__name__, "contrapose.evaluate.suite")
