"""Methods from outside the package: offered by installed packages, or written in a single file.

Both run the author's code, which is what they are for: a package was installed on purpose, and a file is named on the
command line. Nothing here is reached by a name that a model folder or a corpus brings.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from functools import cache
from importlib.machinery import SourceFileLoader
from importlib.metadata import EntryPoint
from pathlib import Path

from contrapose.contract import Method
from contrapose.errors import METHOD_MODULE, UsageError

#: The entry points that packages offer methods by.
GROUP = "contrapose.methods"
#: Modules that methods of earlier versions imported.
MOVED = frozenset({"contrapose.objectives.contract"})
#: What names a file rather than a method of the catalogue.
SUFFIX = ".py"


def method_of_package(entry: EntryPoint) -> Method:
    """The method that an installed package offers. Raises UsageError, whatever the package raises at its import."""
    package = f"the package '{entry.dist.name}'" if entry.dist is not None else "an installed package"
    try:
        offered = entry.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a package may end the program, or panic below Python, as it is imported
        raise UsageError(f"{package} fails as it is imported ({_short(error)})") from None
    if not isinstance(offered, Method):
        raise UsageError(f"{entry.value} of {package} is no Method but a {type(offered).__name__}")
    return offered


def is_file(name: str) -> bool:
    """Whether a method's name is that of a file.

    >>> is_file("own_method.py"), is_file("simcse")
    (True, False)
    """
    return name.endswith(SUFFIX)


def method_of_file(name: str) -> tuple[Method, str]:
    """The ``METHOD`` of a file, and the sha256 of the file it was read from. Raises UsageError.

    >>> method_of_file("nowhere.py")
    Traceback (most recent call last):
    contrapose.errors.UsageError: method 'nowhere.py': there is no such file
    """
    content = content_of(name)
    return _executed(Path(name).expanduser().resolve(), content), hashlib.sha256(content).hexdigest()


def content_of(name: str) -> bytes:
    """The bytes of a method's file. Raises UsageError where it cannot be read."""
    try:
        return Path(name).expanduser().read_bytes()
    except FileNotFoundError:
        raise UsageError(f"method '{name}': there is no such file") from None
    except OSError as error:
        raise UsageError(f"method '{name}' cannot be read: {error.strerror}") from None


class _Given(SourceFileLoader):
    """Runs the bytes that were read, not what lies at the path by now, and writes no bytecode beside them."""

    def __init__(self, name: str, path: str, content: bytes) -> None:
        super().__init__(name, path)
        self.content = content

    def get_data(self, path: str) -> bytes:
        if path != self.path:
            raise OSError("no bytecode is kept of a method's file")
        return self.content

    def set_data(self, path: str, data: object, *, _mode: int = 0o666) -> None:
        """Bytecode is not written."""


@cache
def _executed(path: Path, content: bytes) -> Method:
    """The record in a file; a file that did not change is run once, so that its classes are one."""
    name = f"{METHOD_MODULE}{hashlib.sha256(bytes(path) + content).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, path, loader=_Given(name, str(path), content))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # annotations and dataclasses look their module up by name
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        del sys.modules[name]
        raise UsageError(
            f"method '{path.name}' fails as it is read{_line_in(path, error)}: {_short(error)}"
        ) from None
    method = getattr(module, "METHOD", None)
    if not isinstance(method, Method):
        given = "no METHOD" if method is None else f"a METHOD that is a {type(method).__name__}"
        raise UsageError(
            f"method '{path.name}' has {given}: write METHOD = Method(name=..., objective=...), "
            "as docs/adding-a-method.md shows"
        )
    return method


def _short(error: BaseException) -> str:
    """
    >>> _short(ValueError("first\\nsecond"))
    'ValueError: first'
    """
    if isinstance(error, ImportError) and error.name in MOVED:
        return (
            f"it was written for an earlier version, and {error.name} is gone. Import Method, Outcome, ScoreTable and "
            "Views from contrapose.contract, and write def equation(table, views, /, *, ...): the table it gets takes "
            "the place of in_batch_table(...). docs/adding-a-method.md shows one"
        )
    first = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _line_in(path: Path, error: BaseException) -> str:
    """Where in the file it happened, in words; nothing where it is not known."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f", line {error.lineno}"
    line, step = None, error.__traceback__
    while step is not None:
        line = step.tb_lineno if step.tb_frame.f_code.co_filename == str(path) else line
        step = step.tb_next
    return "" if line is None else f", line {line}"
