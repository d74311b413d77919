"""The encoders of the runs and the vectors of their texts; each model encodes each text once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contrapose.errors import ContraposeError
from contrapose.listening import Listener
from contrapose.report.own_text import Encode, Sample, own_text, sample_of
from contrapose.report.record import OwnText
from contrapose.train.run_folder import RunFolder

if TYPE_CHECKING:
    from contrapose.encoder.encoder import Encoder


@dataclass(frozen=True, kw_only=True)
class _Loaded:
    """Of one run: fingerprints of its models and the rows that are looked at; ``notes`` say what could not be had."""

    name: str
    model: str
    pretrained: str | None
    sample: Sample | None
    notes: list[str]


class EncodedRuns:
    """Loads what can be loaded of the runs when it is made; texts are encoded when :meth:`own_texts` asks for them."""

    def __init__(self, runs: Sequence[RunFolder], sample: int, listener: Listener) -> None:
        self._listener = listener
        self._encoders: dict[str, Encoder] = {}
        self._vectors: dict[tuple[str, str], np.ndarray] = {}
        self.models = [self._load(run.model) for run in runs]
        self._runs = [self._loaded(run, model, sample) for run, model in zip(runs, self.models, strict=True)]

    def own_texts(self) -> list[tuple[OwnText | None, list[str]]]:
        """What is seen of the text of each run, and what could not be, in words."""
        work = {
            (model, text)
            for run in self._runs
            for model in (run.model, run.pretrained)
            if run.sample is not None and model is not None
            for text in run.sample.distinct
        }
        with self._listener.task("encoding texts of the runs", len(work), "text"):
            return [(self._own_text(run), run.notes) for run in self._runs]

    def _own_text(self, run: _Loaded) -> OwnText | None:
        if run.sample is None:
            return None
        # Where the model is the pretrained one, one picture shows both.
        pretrained = None if run.pretrained == run.model else run.pretrained
        before = None if pretrained is None else self._encode_with(pretrained)
        with self._listener.task(f"encoding the text of {run.name}"):
            return own_text(run.sample, before, self._encode_with(run.model))

    def _encode_with(self, model: str) -> Encode:
        def encode(texts: Sequence[str]) -> np.ndarray:
            new = [text for text in dict.fromkeys(texts) if (model, text) not in self._vectors]
            if new:
                vectors_ND = self._encoders[model].encode(
                    new, normalize=True, progress=self._listener.advance
                )
                self._vectors.update(zip(((model, text) for text in new), vectors_ND, strict=True))
            return np.stack([self._vectors[model, text] for text in texts])

        return encode

    def _load(self, model: str | Path, **options: Any) -> str:
        from contrapose.encoder.encoder import Encoder

        with self._listener.task(f"loading {model}"):
            encoder = Encoder.load(model, **options)
        fingerprint = encoder.fingerprint()
        self._encoders.setdefault(fingerprint, encoder)
        return fingerprint

    def _loaded(self, run: RunFolder, model: str, size: int) -> _Loaded:
        pretrained, no_pretrained = self._pretrained(run)
        sample, no_sample = _sample(run, size)
        notes = [note for note in (no_pretrained, no_sample) if note]
        return _Loaded(name=run.name, model=model, pretrained=pretrained, sample=sample, notes=notes)

    def _pretrained(self, run: RunFolder) -> tuple[str | None, str]:
        """The fingerprint of the pretrained model if it can be loaded and is still the one that was trained."""
        chosen = run.settings.encoder
        if run.start_fingerprint in self._encoders:
            return run.start_fingerprint, ""
        try:
            loaded = self._load(chosen.model, pooling=chosen.pooling, revision=chosen.revision)
        except ContraposeError as error:
            return None, (
                f"The pretrained model '{chosen.model}' cannot be loaded, so the pictures of your text show only the "
                f"trained model: {error}"
            )
        if loaded != run.start_fingerprint:
            return None, (
                f"The model '{chosen.model}' is no longer the one that this run began with (its weights, tokenizer "
                "or pooling changed), so the pictures of your text show only the trained model"
            )
        return loaded, ""


def _sample(run: RunFolder, size: int) -> tuple[Sample | None, str]:
    if not size:
        return None, "Pictures of your text were left out, as asked for (--sample 0)"
    try:
        sample = sample_of(run, size)
    except ContraposeError as error:
        return None, f"The run's own text cannot be shown: {error}"
    if len(sample.texts) < 3:
        return None, f"The run's own text has {len(sample.texts)} rows to look at, too few to draw"
    return sample, ""
