"""``pretrain(...)``: one call from text files to a masked language model. The command line calls it too."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.pretrain.configuration import nested, resolve
from contrapose.pretrain.settings import PretrainSettings
from contrapose.train.api import Run, stoppable
from contrapose.train.settings import run_folder

if TYPE_CHECKING:
    from contrapose.listening import Listener
    from contrapose.train.session import Session


def pretrain(
    corpus: str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    resume: bool = False,
    listener: Listener | None = None,
    **options: Any,
) -> Run:
    """Train an encoder to fill in hidden words of a corpus: masked language modelling (Devlin et al. 2019).

    corpus   a file, folder or glob of text, or several
    out      the run's folder: config.toml, env.json, metrics.jsonl, checkpoints/, model/
    resume   go on from the newest checkpoint in ``out``
    options  the options of ``contrapose pretrain``: ``model`` (minilm), ``steps`` or ``epochs`` (one epoch),
             ``batch_size`` (32), ``learning_rate`` (5e-4), ``warmup_steps`` (100), ``max_length`` (40), ``mask_rate``
             (0.15), ``seed`` (0) ...; ``layers`` and ``width`` in place of ``model`` draw a new encoder

    The model's folder holds the whole language model: `contrapose train`, sentence-transformers and transformers'
    AutoModelForMaskedLM load it. Raises UsageError for a wrong option before anything is loaded.
    """
    paths = [corpus] if isinstance(corpus, str | Path) else list(corpus)
    plain = {name: str(value) if isinstance(value, Path) else value for name, value in options.items()}
    tables = nested({"corpus": tuple(str(path) for path in paths), "out": out, **plain})
    return pretrain_with(resolve(tables, resume=resume), resume=resume, listener=listener)


def pretrain_with(
    settings: PretrainSettings, *, resume: bool = False, listener: Listener | None = None
) -> Run:
    """Pretrain as the settings say; see :func:`pretrain`."""
    from contrapose.listening import Listener

    with stoppable(settings):
        return _pretrain(settings, resume=resume, listener=listener or Listener())


def _pretrain(settings: PretrainSettings, *, resume: bool, listener: Listener) -> Run:
    from contrapose.train.preflight import preflight
    from contrapose.train.run_folder import refuse_another_verb

    began = time.perf_counter()
    refuse_another_verb(run_folder(settings), "pretrain")
    cleared = preflight(settings, resume=resume, notice=listener.notice)  # before torch is imported
    from contrapose.pretrain.finish import finish
    from contrapose.pretrain.prepare import prepare
    from contrapose.train import loop

    with ExitStack() as stack:
        session: Session = prepare(
            settings, cleared, began=began, resume=resume, listener=listener, stack=stack
        )
        stack.callback(session.metrics.close)
        loop.run(session)
        finish(session)
        return Run(session.folder)
