"""Options that the experiments share, and what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contrapose.cli.options import split_words
from contrapose.hints import assignments

if TYPE_CHECKING:
    from contrapose.experiment.measuring import Setting

Corpus = Annotated[
    list[str],
    typer.Argument(
        help="Text to train on: files, folders or globs, as for `contrapose train`.",
        metavar="CORPUS...",
        show_default=False,
    ),
]
Data = Annotated[
    list[str] | None,
    typer.Option(
        help="A data folder, as for `contrapose evaluate`; may be given several times.",
        metavar="DIR",
        show_default=False,
    ),
]
Tasks = Annotated[
    str, typer.Option(help="Groups or single tasks, as for `contrapose evaluate`.", metavar="TASK,...")
]
Seeds = Annotated[int, typer.Option(help="Seeds 0 to N - 1 of every trial.", min=1)]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Any key of the configuration of `contrapose train`, or a hyperparameter of the method.",
        metavar="KEY=VALUE",
        show_default=False,
    ),
]
Out = Annotated[
    str, typer.Option(help="Folder of the experiment; processes that are given the same one share the work.")
]


def training_options(set_: Sequence[str] | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Options that are given, then ``--set`` over them; the model is no option of the training.

    >>> training_options(["margin=0.2"], {"steps": 5, "model": "minilm"})
    {'steps': 5, 'margin': 0.2}
    """
    from contrapose.train.configuration import parse_assignments

    own = {name: value for name, value in given.items() if name != "model"}
    return {**own, **parse_assignments(set_ or ())}


def given_again(setting: Setting, options: Mapping[str, Any], *, tasks: str = "sts") -> dict[str, Any]:
    """The other way round: the options of a command line that ask for this setting and these training options.

    tasks: what the verb takes where none are named, which need not be said.

    >>> from contrapose.experiment.measuring import Setting
    >>> given_again(Setting(corpus=("a.txt",), data=("d",)), {"steps": 5, "margin": 0.2})
    {'data': ['d'], 'tasks': None, 'model': None, 'steps': 5, 'batch_size': None, 'set_': ['margin=0.2']}
    """
    named = ",".join(setting.tasks)
    return {
        "data": list(setting.data),
        "tasks": named if setting.data and named != tasks else None,
        "model": setting.model if setting.model != "minilm" else None,
        "steps": options.get("steps"),
        "batch_size": options.get("batch_size"),
        "set_": assignments({k: v for k, v in options.items() if k not in ("steps", "batch_size")}),
    }


def can_be_measured(setting: Setting, methods: Sequence[str], options: Mapping[str, Any]) -> bool:
    """Whether a next experiment of this form would begin; what would be refused is not suggested."""
    from contrapose.errors import ContraposeError
    from contrapose.experiment.checking import check_methods, check_setting

    try:
        check_methods(setting, methods, options)
        check_setting(setting)
    except ContraposeError:
        return False
    return True


def setting_of(
    corpus: Sequence[str], given: Mapping[str, Any], tasks: str, data: Sequence[str] | None, split: str
) -> Setting:
    """What all trials share. given: the options that are settings of the training, of which the model is shared."""
    from contrapose.experiment.measuring import Setting

    model = {name: value for name, value in given.items() if name == "model"}
    return Setting(
        corpus=tuple(corpus), tasks=split_words(tasks), data=tuple(data or ()), split=split, **model
    )
