"""Documented objects of Python sources: the text that every machine with Python already has.

Sources are parsed with :mod:`ast`; nothing is imported or executed. Every documented module, class and function yields
natural pairs without any labelling: its first line and the rest of its description, its name and its first line.
Files that cannot be used are counted and named in the statistics, and never end a harvest.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import sysconfig
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.machinery import PathFinder
from pathlib import Path

from contrapose.data.docstrings import describe
from contrapose.data.text import printable
from contrapose.errors import UsageError
from contrapose.listening import Progress, listener_of
from contrapose.paths import expanded

#: The word that stands for the standard library of the running Python.
STANDARD_LIBRARY = "stdlib"
#: Folders below a target that hold tests, caches or other people's packages. A target itself may have such a name.
SKIPPED_FOLDERS = frozenset(
    ["test", "tests", "idle_test", "__pycache__", "site-packages", "dist-packages", "node_modules"]
)
#: Source files above this many bytes are data rather than prose (tables, generated parsers).
MAX_FILE_BYTES = 2_000_000

_Documentable = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Documented:
    """One documented module, class or function.

    ``name_words`` is the name as a person would say it; for a method it starts with its class. ``rest`` holds the
    description after the first line, one string per sentence.
    """

    module: str
    qualified_name: str
    name_words: str
    first_line: str
    rest: tuple[str, ...]
    file: str
    line: int

    @property
    def full_name(self) -> str:
        """The dotted path, module first."""
        return f"{self.module}.{self.qualified_name}" if self.qualified_name else self.module

    @property
    def description(self) -> str:
        """The rest of the description as one text, '' where there is none."""
        return " ".join(self.rest)


@dataclass(slots=True)
class HarvestStatistics:
    """What a harvest met: files read, documented objects found, and which files were left out, why."""

    files: int = 0
    modules: int = 0
    objects: int = 0
    left_out: list[tuple[str, str]] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The statistics in words, one line per fact, the reasons for files left out counted."""
        met = f"{self.files:,} files read, {self.modules:,} modules, {self.objects:,} documented objects"
        return [met, *lines_of_left_out(self.left_out)]


def lines_of_left_out(left_out: Iterable[tuple[str, str]]) -> list[str]:
    """Files and reasons in words, a line per reason.

    >>> lines_of_left_out([("a.py", "not UTF-8"), ("b.py", "not UTF-8")])
    ['2 files left out: not UTF-8 (first: a.py)']
    """
    reasons: dict[str, list[str]] = {}
    for file, reason in left_out:
        reasons.setdefault(reason, []).append(printable(file, limit=300))
    return [
        f"{len(files):,} files left out: {reason} (first: {files[0]})"
        for reason, files in sorted(reasons.items())
    ]


def harvest_python(
    targets: Sequence[str | Path],
    *,
    statistics: HarvestStatistics | None = None,
    progress: Progress = None,
    max_file_bytes: int = MAX_FILE_BYTES,
) -> Iterator[Documented]:
    """The documented objects of files, folders or importable packages, in a fixed order.

    targets: ``.py`` files, folders, dotted names of installed packages, or the word ``stdlib``. Packages are located,
    never imported. ``statistics`` is filled while iterating.

    progress: a function called with 1 after each file, or a Listener.

    Raises :class:`UsageError` at the first ``next`` for a target that is neither a path nor a package with sources.

    >>> statistics = HarvestStatistics()
    >>> [each.qualified_name for each in harvest_python(["bisect"], statistics=statistics)][:2]
    ['', 'insort_right']
    >>> statistics.files
    1
    """
    statistics = HarvestStatistics() if statistics is None else statistics
    files = _unique(source for target in targets for source in _sources(target))
    listener = listener_of(progress)
    with listener.task("reading sources", len(files), "file"):
        for path, root in files:
            yield from _read(path, root, statistics, max_file_bytes)
            listener.advance()


def name_in_words(qualified_name: str) -> str:
    """The last component of a name in words, and its class before it.

    ``qualified_name`` is relative to the module, so whatever stands before the last dot is a class.

    >>> name_in_words("copy_file"), name_in_words("HTTPConnection.getResponse"), name_in_words("IPv4Address.__init__")
    ('copy file', 'http connection get response', 'ipv4 address init')
    """
    parts = "_".join(qualified_name.split(".")[-2:]).split("_")
    return " ".join(word.lower() for part in parts for word in _humps(part.replace("IPv", "Ipv")))


def _humps(part: str) -> list[str]:
    """CamelCase cut before a capital that follows a small letter, or that a small letter follows."""
    cuts = [
        position
        for position, letter in enumerate(part)
        if position
        and letter.isupper()
        and not (part[position - 1].isupper() and not part[position + 1 : position + 2].islower())
    ]
    return [part[start:end] for start, end in zip([0, *cuts], [*cuts, len(part)], strict=True) if start < end]


def _sources(target: str | Path) -> Iterator[tuple[Path, Path]]:
    """(file, import root) of every source file of a target; the module's name is the path from the root."""
    for target_path in _locate(target):
        if target_path.is_dir():
            root = _import_root(target_path)
            for folder, folders, names in os.walk(target_path):
                folders[:] = sorted(
                    name for name in folders if name not in SKIPPED_FOLDERS and name[0] != "."
                )
                yield from ((Path(folder, name), root) for name in sorted(names) if name.endswith(".py"))
        else:
            yield target_path, _import_root(target_path)


def _locate(target: str | Path) -> list[Path]:
    if target == STANDARD_LIBRARY and not Path(STANDARD_LIBRARY).exists():
        return [Path(sysconfig.get_paths()["stdlib"])]
    path = expanded(target)
    if not str(target):
        raise UsageError("an empty name is no folder, file or package")
    if path.is_dir() or (path.is_file() and path.suffix == ".py"):
        return [path.resolve()]
    if path.exists():
        raise UsageError(f"{target} is neither a folder nor a .py file")
    name = str(target)
    if not all(part.isidentifier() for part in name.split(".")):
        raise UsageError(
            f"{target} does not exist. Give a folder, a .py file, or the name of an installed package"
        )
    return _locate_package(name)


def _locate_package(name: str) -> list[Path]:
    """Only the top name goes through the import system, which runs nothing; what lies below is looked up as files."""
    top, *below = name.split(".")
    try:
        # The path first: modules frozen into the interpreter have their sources there, and their specs do not say so.
        spec = PathFinder.find_spec(top) or importlib.util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        spec = None
    if spec is None:
        raise UsageError(f"no file, folder or installed package is called '{name}'")
    if spec.submodule_search_locations is None:
        paths = [Path(spec.origin)] if spec.has_location and spec.origin and not below else []
    else:
        paths = [Path(folder, *below) for folder in spec.submodule_search_locations]
    existing = [path for path in paths if path.is_dir() or (path.is_file() and path.suffix == ".py")]
    existing += [file for file in (path.with_suffix(".py") for path in paths) if below and file.is_file()]
    if not existing:
        raise UsageError(f"'{name}' has no Python sources: it is built in, compiled, or has no such part")
    return [path.resolve() for path in existing]


def _import_root(path: Path) -> Path:
    """The folder that would be on ``sys.path``: the first one upwards that is no package."""
    folder = path if path.is_dir() else path.parent
    while (folder / "__init__.py").is_file() and folder != folder.parent:
        folder = folder.parent
    return folder


def _unique(sources: Iterator[tuple[Path, Path]]) -> list[tuple[Path, Path]]:
    return list({os.path.realpath(path): (path, root) for path, root in sources}.values())


def _read(path: Path, root: Path, statistics: HarvestStatistics, max_file_bytes: int) -> Iterator[Documented]:
    statistics.files += 1
    try:
        tree = _parse(path, max_file_bytes)
    except _Unusable as problem:
        statistics.left_out.append((str(path), str(problem)))
        return
    statistics.modules += 1
    module = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
    seen: set[str] = set()
    for name, node in _documentable(tree, ""):
        docstring = ast.get_docstring(node, clean=False)
        described = describe(docstring) if docstring and name not in seen else None
        if described is None or not described.first_line:
            continue
        seen.add(name)
        statistics.objects += 1
        words = name_in_words(name or module.rsplit(".", 1)[-1])
        yield Documented(module, name, words, *described, str(path), getattr(node, "lineno", 1))


class _Unusable(Exception):
    """Why a file is left out."""


def _parse(path: Path, max_file_bytes: int) -> ast.Module:
    try:
        if not path.is_file():
            raise _Unusable("not a regular file")
        if path.stat().st_size > max_file_bytes:
            raise _Unusable(f"larger than {max_file_bytes:,} bytes")
        source = path.read_bytes().decode("utf-8-sig")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except UnicodeDecodeError:
        raise _Unusable("not UTF-8") from None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _Unusable("does not parse as Python") from None
    except OSError as error:
        raise _Unusable(f"cannot be read: {error.strerror}") from None


def _documentable(
    node: ast.AST, prefix: str
) -> Iterator[tuple[str, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Modules, classes and functions reachable by a dotted path, also those inside ``if`` and ``try``."""
    if isinstance(node, ast.Module):
        yield "", node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _Documentable):
            name = f"{prefix}{child.name}"
            yield name, child
            if isinstance(child, ast.ClassDef):
                yield from _documentable(child, f"{name}.")
        elif isinstance(child, ast.If | ast.Try | ast.With | ast.ExceptHandler):
            yield from _documentable(child, prefix)
