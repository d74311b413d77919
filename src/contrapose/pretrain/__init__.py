"""Masked language modelling on a corpus. The package can be called: ``contrapose.pretrain(...)`` is its function."""

from contrapose.callable_package import make_callable

make_callable(__name__, "contrapose.pretrain.api")
