"""``train(...)``: one call from text files to a model folder. The command line and the demo call it too."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.errors import Interrupted
from contrapose.train.configuration import nested, resolve
from contrapose.train.settings import RunSettings, run_folder

if TYPE_CHECKING:
    from contrapose.encoder.encoder import Encoder
    from contrapose.listening import Listener
    from contrapose.train.session import Session


#: Arguments of :func:`train` that are no option of the configuration, or are said in another form.
_OWN = ("corpus", "model", "method", "out", "resume", "listener", "more")


@dataclass(frozen=True)
class Run:
    """A finished run: its folder, what it measured, and the encoder it made."""

    folder: Path

    @property
    def model_folder(self) -> Path:
        return self.folder / "model"

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        """The rows of metrics.jsonl."""
        from contrapose.train.run_folder import read_rows

        return read_rows(self.folder / "metrics.jsonl")

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Steps, scores, speed and data of the run, as written at its end."""
        from contrapose.train.run_folder import read_summary

        return read_summary(self.folder)

    @cached_property
    def encoder(self) -> Encoder:
        """The model that the run chose, loaded from its folder."""
        from contrapose.encoder.encoder import Encoder

        return Encoder.load(self.model_folder)


def train(
    corpus: str | Path | Sequence[str | Path],
    *,
    model: str | Path = "minilm",
    method: str = "hncse-hnm",
    out: str | Path,
    parts: Sequence[str] | None = None,
    steps: int | None = None,
    epochs: float | None = None,
    batch_size: int | None = None,
    chunk_size: int | str | None = None,
    learning_rate: float | None = None,
    max_length: int | None = None,
    seed: int | None = None,
    precision: str | None = None,
    device: str | None = None,
    views: str | None = None,
    columns: Sequence[str] | None = None,
    held_out_rows: int | None = None,
    pooling: str | None = None,
    head: str | None = None,
    dropout: float | None = None,
    criterion: str | None = None,
    dev_data: str | Path | None = None,
    eval_every: int | None = None,
    patience: int | None = None,
    blend: float | str | None = None,
    save_every: int | None = None,
    tensorboard: bool | None = None,
    resume: bool = False,
    listener: Listener | None = None,
    **more: Any,
) -> Run:
    """Train a sentence encoder on text. An option that is None keeps its default.

    corpus         a file, folder or glob of text, or several
    model          ``minilm``, a folder, or a hub name
    method         see ``contrapose.methods()``
    out            the run's folder: config.toml, env.json, metrics.jsonl, checkpoints/, model/
    parts          parts to add to the method, such as ``["queue"]``
    steps          steps to train; or ``epochs``, passes over the text (1)
    batch_size     rows per step: more rows, more negatives (64)
    chunk_size     texts per forward pass: less memory, and other dropout masks of the same method; ``all``, or
                   ``auto``: all where they fit the free memory. Parts that read tokens still read the whole batch
    learning_rate  1e-5
    max_length     tokens kept of a text in training (32)
    seed           0
    precision      ``auto`` (bf16 where a probe shows it to be faster), ``fp32`` or ``bf16``
    device         ``auto``, ``cpu``, ``cuda`` or ``cuda:N``
    views          where the other views of a text come from: ``auto`` (the method's, else the columns where there are
                   two, else dropout), or names with commas between them: of the text itself ``dropout``, ``crop``,
                   ``deletion``, ``repetition``, ``switch-case``, ``twins`` or ``pseudo-queries``; of the columns
                   ``pairs`` or ``ranked-candidates``; of other texts ``retrieved``, ``propensity-pairs``,
                   ``mutual-neighbours`` or ``smoothed-neighbours``
    columns        columns to read: the text, or anchor, positive and negatives
    held_out_rows  rows kept from training, to choose without labels (1,000)
    pooling        ``cls``, ``cls_before_pooler``, ``avg``, ``avg_first_last`` or ``avg_top2`` (the model's)
    head           train-only projection: ``none``, ``linear-tanh`` or ``mlp-bn`` (by the model)
    dropout        replaces every dropout of the model
    criterion      what chooses: ``auto``, ``stsb-dev``, ``label-free``, or ``none`` for the last step
    dev_data       SentEval folder; its STS-B development set then chooses
    eval_every     steps between evaluations (a quarter of the run, 125 at most)
    patience       stop after so many evaluations without a new best
    blend          share of the trained weights in the model, 0 to 1, or ``auto``: chosen by the criterion
    save_every     steps between checkpoints (100)
    tensorboard    write TensorBoard files too
    resume         go on from the newest checkpoint in ``out``
    more           any other key of the configuration (``warmup_steps``, ``keep`` ...); a name that no section has is
                   a hyperparameter of the method (``margin``, ``k`` ...)

    Raises UsageError for a wrong option before anything is loaded, and the errors of reading, training and saving.
    """
    options = {name: value for name, value in locals().items() if name not in _OWN}
    paths = [corpus] if isinstance(corpus, str | Path) else list(corpus)
    given = {"corpus": tuple(str(path) for path in paths), "model": str(model), "method": method, "out": out}
    plain = {name: str(value) if isinstance(value, Path) else value for name, value in options.items()}
    return train_with(resolve(nested({**given, **plain, **more})), resume=resume, listener=listener)


def train_with(settings: RunSettings, *, resume: bool = False, listener: Listener | None = None) -> Run:
    """Train as the settings say; see :func:`train`."""
    from contrapose.listening import Listener

    with stoppable(settings):
        return _train(settings, resume=resume, listener=listener or Listener())


@contextmanager
def stoppable(settings: RunSettings) -> Iterator[None]:
    """A signal in the block, outside of a run's steps, ends it at once; the error says what is left."""
    from contrapose.train.signals import StopAtOnce, Stopped

    try:
        with StopAtOnce():
            yield
    except Stopped as stopped:
        raise Interrupted(_where_it_stands(run_folder(settings)), exit_code=stopped.exit_code) from None


def _train(settings: RunSettings, *, resume: bool, listener: Listener) -> Run:
    from contrapose.train.preflight import preflight
    from contrapose.train.run_folder import refuse_another_verb

    began = time.perf_counter()
    refuse_another_verb(run_folder(settings), "train")
    cleared = preflight(settings, resume=resume, notice=listener.notice)  # before torch is imported
    from contrapose.train import loop
    from contrapose.train.finish import finish
    from contrapose.train.prepare import prepare

    with ExitStack() as stack:
        session: Session = prepare(
            settings, cleared, began=began, resume=resume, listener=listener, stack=stack
        )
        stack.callback(session.metrics.close)
        loop.run(session)
        finish(session)
        return Run(session.folder)


def _where_it_stands(folder: Path) -> str:
    """What a run that was stopped outside its steps leaves."""
    from contrapose.train.claim import has_begun

    if has_begun(folder):
        return f"stopped; what was saved in {folder} is kept. Continue with the same command and --resume."
    return "stopped before the first step" + ("" if folder.exists() else f"; {folder} is gone again")
