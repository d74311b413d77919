"""What a method may not ask for where Parquet files are used where they lie: to see every row, again and again."""

from __future__ import annotations

from pathlib import Path

from contrapose.contract import TextPart, TrainingProtocol
from contrapose.data.columns import roles
from contrapose.data.formats_parquet import parquet_layout
from contrapose.data.lines import DEFAULT_LIMITS
from contrapose.data.sources import find_sources
from contrapose.errors import UsageError
from contrapose.objectives.configured import ConfiguredMethod
from contrapose.objectives.objective import Objective
from contrapose.train.preflight import Cleared
from contrapose.train.settings import RunSettings


def check_in_place(
    settings: RunSettings,
    cleared: Cleared,
    made: ConfiguredMethod,
    objective: Objective,
    protocol: TrainingProtocol,
) -> None:
    """Raise UsageError, before a row is read, where files are used in place and the method looks at the whole corpus.

    So many rows are used in place that encoding them all, or holding something of each in memory, is no part of a run.
    """
    if not settings.data.in_place:
        return
    asking = [
        f"the part '{name}'" for name, part in objective.parts.items() if part.refresh_every is not None
    ]
    if objective.needs.row_texts:
        asking.append(f"the method '{made.method.name}'")
    if type(protocol).prepare is not TrainingProtocol.prepare:
        asking.append(f"the protocol '{protocol.name}'")
    asking += [
        f"the views '{part.name}'" for part in _text_parts(settings, cleared, made) if looks_at_all_rows(part)
    ]
    if asking:
        raise UsageError(
            f"{' and '.join(asking)} must see every row of the corpus, which is not done where files are used where "
            "they lie: leave --in-place out, or choose a method or --views that read one batch at a time, such as "
            "simcse or hncse-hnm with --views dropout"
        )


def looks_at_all_rows(part: TextPart) -> bool:
    """Whether the text part prepares something of the whole corpus."""
    return any(getattr(type(part), verb) is not getattr(TextPart, verb) for verb in ("prepare", "refresh"))


def _text_parts(settings: RunSettings, cleared: Cleared, made: ConfiguredMethod) -> tuple[TextPart, ...]:
    """As the columns of the first file choose them; none where a run goes on whose files are gone."""
    if cleared.sources is None:
        return ()
    first = find_sources([Path(cleared.sources[0])])[0]
    keys, _ = parquet_layout(first, settings.data.columns, DEFAULT_LIMITS)
    return made.text_parts(roles(len(keys)), max_words=settings.training.max_length)
