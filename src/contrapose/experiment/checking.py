"""What can be refused before hours of training: unknown methods, wrong hyperparameters, tasks without data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from contrapose.errors import DataError, UsageError
from contrapose.experiment.measuring import UNTRAINED, Setting
from contrapose.paths import expanded
from contrapose.train.configuration import nested, resolve, section_of

#: Options that an experiment says itself.
OWN = ("method", "seed", "model", "corpus", "out", "dev_data")


def options_for(method: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of ``options`` that a run of ``method`` takes: every training option, and the method's own hyperparameters.

    >>> options_for("simcse", {"steps": 5, "margin": 0.2})
    {'steps': 5}
    """
    from contrapose.objectives.catalogue import recipe

    known = type(recipe(method, parts_of(options)).hyperparameters).model_fields
    return {name: value for name, value in options.items() if _is_training(name) or name in known}


def check_methods(setting: Setting, methods: Sequence[str], options: Mapping[str, Any]) -> list[str]:
    """Raise :class:`UsageError` for what no run would take; notes about hyperparameters that not all methods have."""
    from contrapose.objectives.catalogue import recipe

    for name in OWN:
        if name in options:
            raise UsageError(f"--set {name}: the experiment sets it itself; there is an option for it")
    for number, method in enumerate(methods):
        if method == UNTRAINED:
            raise UsageError(f"'{UNTRAINED}' is no method: the encoder before training is always measured")
        if method in methods[:number]:
            raise UsageError(f"--methods: '{method}' is named twice")
    taken = {method: options_for(method, options) for method in methods}
    for method, mine in taken.items():
        settings = resolve(nested({"corpus": setting.corpus, "model": setting.model, "method": method,
                                   "out": "-", **mine}))  # fmt: skip
        chosen = settings.method
        recipe(method, chosen.parts, chosen.hyperparameters, views=settings.data.views)
    notes = []
    for name in options:
        takers = [method for method in methods if name in taken[method]]
        if not takers:
            recipe(methods[0], parts_of(options), {name: options[name]})
        elif len(takers) < len(methods):
            notes.append(
                f"{name} is a hyperparameter of {', '.join(takers)} only; the others are trained without it"
            )
    return notes


def check_setting(setting: Setting) -> None:
    """The corpus is there, and every task can be read: an experiment measures all of them or does not begin."""
    from contrapose.data.sources import find_sources
    from contrapose.evaluate.dataset_sources import sources_of
    from contrapose.evaluate.task import Protocols

    if "-" in setting.corpus:
        raise UsageError("an experiment reads its text once per trial: give files, not standard input")
    find_sources(setting.corpus)
    if not setting.tasks:
        return
    folders = [expanded(folder) for folder in setting.data]
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"--data {folder}: no such folder")
    for source in sources_of(setting.tasks, folders, setting.split):
        if source.task == "geometry":
            continue
        try:
            source.read(setting.split, Protocols())
        except DataError as error:
            raise DataError(f"{source.task} cannot be measured, so nothing was trained: {error}") from None


def check_model(setting: Setting) -> None:
    """The model is a folder here, or can be fetched: said before the first trial begins."""
    from contrapose.encoder.source import resolve as source_of

    source_of(setting.model)


def _is_training(name: str) -> bool:
    return "." in name or section_of(name) is not None


def parts_of(options: Mapping[str, Any]) -> tuple[str, ...]:
    parts = options.get("parts", options.get("with", ()))
    named = (parts,) if isinstance(parts, str) else parts
    if not isinstance(named, list | tuple) or not all(isinstance(part, str) for part in named):
        raise UsageError(f"--set parts: give names of parts, as in parts=queue, and not {parts!r}")
    return tuple(named)
