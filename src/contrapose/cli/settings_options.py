"""Options of the command line, made from the fields of the settings models: name, type, range, default and help.

A field says what it is in its ``description``. What only the command line needs stands in ``json_schema_extra``:
``flag`` (None: no option), ``metavar``, ``panel``, and ``default`` in words where the default depends on the run. The
title of a model is the panel of its fields.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

import typer

from contrapose.cli.field_words import (
    alternatives,
    constraints,
    default_in_words,
    either,
    is_choice,
    plain,
    range_in_words,
)
from contrapose.cli.options import split_words
from contrapose.errors import nearest

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

#: A wider list of values is told in the help, beside the name.
WIDEST_CHOICE = 24
_KINDS = {int: ("<int>", "a whole number"), float: ("<float>", "a number"), str: ("<str>", "a text")}
_MARK = "__settings_options__"


Sections = Mapping[str, "type[BaseModel]"]


def settings_of_a_run() -> Sections:
    """The models of ``contrapose train``."""
    from contrapose.train.settings import SECTIONS

    return SECTIONS


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """Which options a verb takes; all fields where no names are given."""

    names: Callable[[], tuple[str, ...]]
    after: str
    sections: Callable[[], Sections]
    panels: bool
    defaults: Mapping[str, str]


def takes_settings(
    *names: str,
    names_of: Callable[[], tuple[str, ...]] | None = None,
    after: str = "",
    sections: Callable[[], Sections] = settings_of_a_run,
    panels: bool = False,
    defaults: Mapping[str, str] | None = None,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The decorated verb has the options of these settings too: of all, where none are named.

    names_of: their names, where only the settings know them; asked when the options are made. Its ``**given`` gets
    those that were given, by name. after: the parameter that they stand behind; else they are the first. defaults: in
    words, where they are not the settings' own.
    """

    def mark(verb: Callable[..., None]) -> Callable[..., None]:
        wanted = _Wanted(
            names=names_of or (lambda: names),
            after=after,
            sections=sections,
            panels=panels,
            defaults=defaults or {},
        )
        setattr(verb, _MARK, wanted)
        return verb

    return mark


def with_settings(verb: Callable[..., None]) -> Callable[..., None]:
    """``verb`` with its settings as parameters of its own, as typer reads them; any other verb as it is.

    Done for the verb that runs and not when it is defined, since it imports the settings.
    """
    wanted: _Wanted | None = getattr(verb, _MARK, None)
    if wanted is None:
        return verb
    options = options_of(wanted.sections())
    names = wanted.names()
    made = {each.name: each for each in options if not names or each.name in names}
    return _with_parameters(verb, wanted, made)


def without_settings(verb: Callable[..., None]) -> Callable[..., None]:
    """``verb`` as typer reads it, without its settings: enough to list it."""
    wanted: _Wanted | None = getattr(verb, _MARK, None)
    return verb if wanted is None else _with_parameters(verb, wanted, {})


def _with_parameters(
    verb: Callable[..., None], wanted: _Wanted, made: Mapping[str, SettingsOption]
) -> Callable[..., None]:
    def run(**given: Any) -> None:
        values = {name: made[name].value(value) if name in made else value for name, value in given.items()}
        verb(**{name: value for name, value in values.items() if name not in made or value is not None})

    options = [each.parameter(wanted.panels, wanted.defaults.get(name, "")) for name, each in made.items()]
    parameters = [] if wanted.after else options
    for parameter in inspect.signature(verb, eval_str=True).parameters.values():
        if parameter.kind is not parameter.VAR_KEYWORD:
            parameters.append(parameter.replace(kind=parameter.KEYWORD_ONLY))
        if parameter.name == wanted.after:
            parameters += options
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    run.__name__, run.__doc__ = verb.__name__, verb.__doc__
    return run


def options_of(sections: Mapping[str, type[BaseModel]]) -> list[SettingsOption]:
    """One option for each field that a command line can give, in the order of the models' panels."""
    options = []
    panels = [str(model.model_config.get("title") or section) for section, model in sections.items()]
    for (section, model), panel_of_model in zip(sections.items(), panels, strict=True):
        for key, field in model.model_fields.items():
            extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
            flag = extra.get("flag", f"--{key.replace('_', '-')}")
            if flag is not None and get_origin(field.annotation) is not dict:
                # The name of a section's own field "name" is that of the section: --method.
                name = section if key == "name" else key
                panel = str(extra.get("panel", panel_of_model))
                options.append(SettingsOption(name, str(flag), panel, field, extra))
    return sorted(
        options, key=lambda option: panels.index(option.panel) if option.panel in panels else len(panels)
    )


@dataclass(frozen=True)
class SettingsOption:
    """An option that is a field of a settings model."""

    name: str
    flag: str
    panel: str
    field: FieldInfo
    extra: Mapping[str, Any]

    @property
    def choices(self) -> tuple[str, ...]:
        """The words that it may be; empty where it is no choice among words."""
        kinds = alternatives(self.field.annotation)
        return () if len(kinds) > 1 else tuple(map(str, get_args(kinds[0]))) if is_choice(kinds[0]) else ()

    def parameter(self, panels: bool = True, default: str = "") -> inspect.Parameter:
        """As typer reads it; None where it is not given, so that a configuration file may say it instead."""
        annotation: Any
        kinds = alternatives(self.field.annotation)
        about: dict[str, Any] = {"help": self.help(default), "show_default": False}
        about |= {"rich_help_panel": self.panel} if panels else {}
        if kinds == [bool]:
            off = f"/--no-{self.flag.removeprefix('--')}" if self.field.default else ""
            annotation = Annotated[bool | None, typer.Option(f"{self.flag}{off}", **about)]
        elif self._is_list:
            annotation = Annotated[list[str] | None, typer.Option(self.flag, metavar=self.metavar, **about)]
        else:
            taken = typer.Option(self.flag, parser=self.parse, metavar=self.metavar, **about)
            annotation = Annotated[str | None, taken]
        return inspect.Parameter(
            self.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
        )

    @property
    def _is_list(self) -> bool:
        return get_origin(alternatives(self.field.annotation)[0]) is tuple

    @property
    def metavar(self) -> str:
        if "metavar" in self.extra:
            return str(self.extra["metavar"])
        joined = "|".join(self.choices)
        if self.choices:
            return joined if len(joined) <= WIDEST_CHOICE else "NAME"
        return _KINDS.get(plain(alternatives(self.field.annotation)[0]), ("<str>", ""))[0]

    def help(self, default: str = "") -> str:
        """
        >>> from contrapose.train.settings import SECTIONS
        >>> print({option.name: option for option in options_of(SECTIONS)}["keep"].help())
        Newest checkpoints kept, besides the best (2 or more; default: 2).
        """
        description = self.field.description or self.name.replace("_", " ")
        named = self.metavar == "NAME" and self.choices
        limits = either(self.choices) if named else range_in_words(self.field.metadata)
        default = default or str(self.extra.get("default", "")) or default_in_words(self.field.default)
        facts = "; ".join(fact for fact in (limits, f"default: {default}" if default else "") if fact)
        return f"{description[0].upper()}{description[1:]}" + (f" ({facts})." if facts else ".")

    def value(self, given: Any) -> Any:
        """What typer hands over, as the settings take it; None where it was not given."""
        return given if given is None or not self._is_list else split_words(given) or None

    def parse(self, text: str) -> Any:
        """The value of a text, or typer's error that says what would be one."""
        from pydantic import ConfigDict, TypeAdapter, ValidationError

        kind: Any = (
            Annotated[self.field.annotation, *self.field.metadata]
            if self.field.metadata
            else self.field.annotation
        )
        try:
            return TypeAdapter(kind, config=ConfigDict(allow_inf_nan=False)).validate_python(text)
        except ValidationError:
            pass
        if self.choices:
            known = ", ".join(self.choices)
            raise typer.BadParameter(
                f"unknown value '{text}'{nearest(text, self.choices) or '.'} Known: {known}"
            )
        raise typer.BadParameter(f"'{text}' is not {self.allowed()}" if text else "it is empty")

    def allowed(self) -> str:
        """What the option takes, in words."""
        words = []
        for kind in alternatives(self.field.annotation):
            if is_choice(kind):
                words += [f"'{each}'" for each in get_args(kind)]
            else:
                limits = range_in_words([*self.field.metadata, *constraints(kind)])
                words.append(_KINDS.get(plain(kind), ("", "a value"))[1] + (f" ({limits})" if limits else ""))
        return " or ".join(words)
