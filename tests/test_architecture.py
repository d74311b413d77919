"""The plan of the packages, checked on the parsed sources: who may import whom, and what may be written nowhere."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import contrapose
from tests.waiting import PATIENCE

ROOT = Path(contrapose.__file__).parent

#: module or package -> layer; the longest prefix counts. Imports go to a lower layer, or stay inside the package.
LAYERS = {
    "errors": 0, "shapes": 0, "seeds": 0, "config": 0,
    "hints": 0, "installing": 0, "callable_package": 0, "listening": 0,
    "foreign": 0, "paths": 0, "markdown_table": 0,
    "maths": 1, "storage": 1,
    "contract": 2, "outputs": 2, "ledger": 2, "lexical": 2,
    "negatives": 3, "positives": 3, "filters": 3, "regularizers": 3, "protocols": 3, "text": 3, "data": 3,
    "encoder": 4, "objectives": 4, "documents": 4,
    "evaluate": 5, "testing": 5,
    "selection": 6, "backends": 6,
    "train": 7,
    "use": 8, "interop": 8, "experiment": 8, "pretrain": 8, "pruning": 8, "adapt": 8,
    "report": 9, "cluster": 9,
    "": 9, "__main__": 11,
    "cli": 10,
}  # fmt: skip

#: The packages that hold parts of methods, which the catalogue discovers.
PARTS = ("negatives", "positives", "filters", "regularizers", "protocols")

#: The modules that discover them.
WHERE_PARTS_ARE_KNOWN = ("objectives.catalogue", "objectives.protocol_of_run")

PUBLIC_NAMES: frozenset[str] = frozenset(
    {
        "Adaptation",
        "ContraposeError",
        "Encoder",
        "Run",
        "adapt",
        "evaluate",
        "loss",
        "methods",
        "pretrain",
        "train",
    }
)

#: call or attribute that unpickles, or runs what a model folder brings
FORBIDDEN_CALLS = {"torch.load", "torch.save", "np.load", "numpy.load", "joblib.load", "eval", "exec"}
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}


@cache
def sources() -> dict[str, ast.Module]:
    """Dotted name below the package ("" is the package itself) -> parsed source."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = list(path.relative_to(ROOT).with_suffix("").parts)
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    return found


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def statements(tree: ast.AST, *, at_run: bool) -> Iterator[ast.AST]:
    """All nodes; with ``at_run`` only those that can run: not what is there for a type checker alone."""
    for child in ast.iter_child_nodes(tree):
        if at_run and is_type_checking(child):
            continue
        yield child
        yield from statements(child, at_run=at_run)


def imported(tree: ast.Module, package: str, *, at_run: bool = False) -> set[str]:
    """Absolute dotted names of everything that is imported; ``from a import b`` gives a.b."""
    names: set[str] = set()
    for node in statements(tree, at_run=at_run):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = "contrapose." + package if package else "contrapose"
            base = ".".join(above.split(".")[: len(above.split(".")) - node.level + 1]) if node.level else ""
            start = ".".join(part for part in (base, node.module or "") if part)
            names |= {f"{start}.{alias.name}" for alias in node.names}
    return names


def package_of(module: str) -> str:
    is_package = (ROOT / module.replace(".", "/")).is_dir()
    return module if is_package else module.rpartition(".")[0]


def own_imports(module: str, *, at_run: bool = False) -> set[str]:
    """Modules of the package that ``module`` imports, by their names below the package."""
    found = set()
    for name in imported(sources()[module], package_of(module), at_run=at_run):
        if name == "contrapose" or name.startswith("contrapose."):
            below = name.removeprefix("contrapose").removeprefix(".")
            while below not in sources():
                below = below.rpartition(".")[0]
            found.add(below)
    return found - {module}


def layer_key(module: str) -> str:
    while module not in LAYERS:
        assert module, "unreachable: '' is in LAYERS"
        shorter = module.rpartition(".")[0]
        assert shorter, f"'{module}' stands on no layer: add its package to LAYERS"
        module = shorter
    return module


def unit(module: str) -> str:
    """The first part of the name; files directly in the package that share a layer count as one."""
    first = module.partition(".")[0]
    return first if (ROOT / first).is_dir() and first else f"layer {LAYERS[layer_key(module)]}"


def misplaced(module: str, target: str) -> str | None:
    """Why ``module`` may not import ``target``, or None."""
    here, there = LAYERS[layer_key(module)], LAYERS[layer_key(target)]
    if unit(module) == unit(target) or there < here:
        return None
    kind = "sideways" if there == here else "upwards"
    return f"{module} (layer {here}) imports {target} (layer {there}): {kind}"


def test_the_sources_are_seen() -> None:
    assert set(sources()) >= {"errors", "maths.scores", "contract.views", "negatives.queue"}
    assert "maths.scores" in own_imports("objectives.in_batch")
    assert "contract" in own_imports("negatives.queue")


def test_imports_go_down_or_stay_in_the_package() -> None:
    reasons = [misplaced(module, target) for module in sources() for target in own_imports(module)]
    assert not any(reasons), "\n".join(filter(None, reasons))


def test_the_page_of_the_architecture_lists_every_package_on_its_layer() -> None:
    page = Path(__file__).parents[1] / "docs" / "architecture.md"
    listed = {
        name.rstrip("/"): int(layer)
        for layer, names in re.findall(r"^\| (\d+) \|([^|]*)\|", page.read_text(encoding="utf-8"), re.M)
        for name in re.findall(r"`([a-z_]+/?)`", names)
    }
    first_names = {module.partition(".")[0] for module in sources()} - {"", "__main__"}
    assert listed == {name: LAYERS[layer_key(name)] for name in first_names}


@pytest.mark.parametrize(
    ("module", "target", "fine"),
    [
        ("maths.reduce", "maths.scores", True),
        ("negatives.queue", "contract.views", True),
        ("negatives.queue", "positives.mixing", False),
        ("maths.scores", "contract.views", False),
        ("objectives.simcse", "encoder.pooling", False),
        ("config", "errors", True),
        ("cli.main", "train.loop", True),
    ],
)
def test_the_rule_tells_right_from_wrong(module: str, target: str, fine: bool) -> None:
    assert (misplaced(module, target) is None) == fine


def test_equations_name_their_parts_and_import_none() -> None:
    """Only the modules that discover them know where parts lie; and no part knows an equation."""
    for module in sources():
        packages = {target.partition(".")[0] for target in own_imports(module)}
        if module.startswith("objectives.") and module not in WHERE_PARTS_ARE_KNOWN:
            assert not packages & {*PARTS}, module
        if module.partition(".")[0] in PARTS:
            assert "objectives" not in packages, module


def test_no_cycle_between_modules_imports_inside_functions_included() -> None:
    """A function that imports what imports its module only hides the circle. ``import contrapose`` is all lazy."""
    edges = {module: own_imports(module, at_run=True) if module else set() for module in sources()}
    done: set[str] = set()

    def walk(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module not in done:
            for target in edges[module]:
                walk(target, (*path, module))
            done.add(module)

    for module in edges:
        walk(module, ())
    assert done == set(sources())


@pytest.mark.parametrize("name", ["maths", "contract", "objectives", *PARTS])
def test_objectives_see_embeddings_and_never_the_encoder(name: str) -> None:
    for module, tree in sources().items():
        if module.partition(".")[0] == name:
            for target in imported(tree, package_of(module)):
                assert not re.match(
                    r"transformers|tokenizers|torch\.distributed|contrapose\.encoder", target
                ), module
            words = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            assert not {word for word in words if word.startswith(("torch.distributed", "dist."))}, module
            names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            assert "encoder" not in names | {
                node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)
            }, module


def test_no_file_is_a_drawer_for_odds_and_ends() -> None:
    drawers = {"utils", "util", "helpers", "helper", "misc", "common"}
    assert not [module for module in sources() if drawers & set(module.split("."))]


def test_the_repository_holds_no_weights_data_or_leftovers() -> None:
    """A tool once left an encoder's weights in the working folder, and they were committed with the rest."""
    repository = Path(__file__).parents[1]
    if not (repository / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a clone of the repository, or no git here")
    listed = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    tracked = subprocess.run(listed, cwd=repository, capture_output=True, text=True, check=True).stdout
    files = [repository / name for name in tracked.split("\0") if name]
    assert not [path for path in files if path.exists() and path.stat().st_size > 2**20]


@pytest.mark.parametrize("package_name", ["maths", "contract", "objectives", *PARTS])
def test_equations_fit_on_few_screens(package_name: str) -> None:
    for path in (ROOT / package_name).glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 250, path.name


def forbidden_in(tree: ast.Module) -> Iterator[str]:
    for name in imported(tree, ""):
        if name.partition(".")[0] in FORBIDDEN_MODULES:
            yield f"import {name}"
        if name in FORBIDDEN_CALLS:
            yield f"from {name.replace('.', ' import ', 1)}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in FORBIDDEN_CALLS:
            yield ast.unparse(node.func)
        if isinstance(node, ast.keyword) and node.arg in ("trust_remote_code", "allow_pickle"):
            yield from [f"{node.arg}={ast.unparse(node.value)}"] if ast.unparse(node.value) != "False" else []
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if (
                    isinstance(key, ast.Constant)
                    and key.value == "trust_remote_code"
                    and ast.unparse(value) != "False"
                ):
                    yield "trust_remote_code in a dict"


def test_nothing_unpickles_or_runs_foreign_code() -> None:
    wrong = {module: list(forbidden_in(tree)) for module, tree in sources().items()}
    assert not {module: found for module, found in wrong.items() if found}


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from torch import load",
        "torch.save(x, y)",
        "np.load(p)",
        "f(trust_remote_code=True)",
        "f(trust_remote_code=flag)",
        "np.save(p, x, allow_pickle=True)",
        "f(**{'trust_remote_code': True})",
        "def f():\n    import pickle as p",
    ],
)
def test_the_search_for_unsafe_code_finds_it(code: str) -> None:
    assert list(forbidden_in(ast.parse(code)))
    assert not list(forbidden_in(ast.parse("f(trust_remote_code=False)\nimport json\njson.load(x)")))


def loaded_after(code: str) -> set[str]:
    """The heavy packages that a fresh interpreter has loaded after running ``code``."""
    heavy = (
        "torch",
        "transformers",
        "tokenizers",
        "pyarrow",
        "scipy",
        "sentence_transformers",
        "sklearn",
        "datasets",
    )
    script = f"{code}\nimport sys\nprint('HEAVY', *[name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_after("import contrapose; dir(contrapose)") == set()
    assert loaded_after("import scipy") == {"scipy"}


def test_help_on_the_command_line_loads_nothing_heavy() -> None:
    code = """
import contextlib, io
from contrapose.cli.main import main
said = io.StringIO()
with contextlib.redirect_stdout(said):
    assert main(["--help"]) == 0
assert "train" in said.getvalue()
"""
    assert loaded_after(code) == set()


def test_public_names_are_frozen() -> None:
    """What people call may only grow on purpose: change this list together with the README."""
    assert set(contrapose.__all__) - {"__version__"} == PUBLIC_NAMES
    assert all(hasattr(contrapose, name) for name in contrapose.__all__)
