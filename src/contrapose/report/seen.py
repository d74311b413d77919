"""The encoders of the runs and the vectors of their texts; each model encodes each text once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contrapose.errors import ContraposeError
from contrapose.listening import Listener
from contrapose.report.own_text import Sample, own_text, sample_of
from contrapose.report.record import OwnText
from contrapose.train.run_folder import RunFolder

if TYPE_CHECKING:
    from contrapose.encoder.encoder import Encoder


class EncodedRuns:
    """Loads what can be loaded of the runs when it is made; texts are encoded when :meth:`own` asks for them."""

    def __init__(self, runs: Sequence[RunFolder], sample: int, listener: Listener) -> None:
        self._runs, self._listener = runs, listener
        self._encoders: dict[str, Encoder] = {}
        self._vectors: dict[str, dict[str, np.ndarray]] = {}
        self._models = [self._load(run.model) for run in runs]
        self._starts = [self._start(run) for run in runs]
        self._samples = [self._sample(run, sample) for run in runs]
        work = {
            (model, text)
            for place, (rows, _) in enumerate(self._samples)
            for model in (self._models[place], self._starts[place][0])
            if rows is not None and model is not None
            for text in rows.distinct
        }
        #: How many texts :meth:`own` will encode in all.
        self.texts = len(work)

    def fingerprints(self) -> list[str]:
        return self._models

    def own(self, place: int) -> tuple[OwnText | None, list[str]]:
        """What is seen of the text of one run, and what could not be, in words."""
        (start, no_start), (rows, no_rows) = self._starts[place], self._samples[place]
        notes = [note for note in (no_start, no_rows) if note]
        if rows is None:
            return None, notes
        model = self._models[place]
        if start == model:
            start = None  # the model is the pretrained one: one picture shows both
        encode_before = self._encode_with(start) if start else None
        with self._listener.task(f"encoding the text of {self._runs[place].name}"):
            return own_text(rows, encode_before, self._encode_with(model)), notes

    def _encode_with(self, fingerprint: str) -> Any:
        def encode(texts: Sequence[str]) -> np.ndarray:
            known = self._vectors.setdefault(fingerprint, {})
            new = [text for text in dict.fromkeys(texts) if text not in known]
            if new:
                encoder = self._encoders[fingerprint]
                vectors_ND = encoder.encode(new, normalize=True, progress=self._listener.advance)
                known.update(zip(new, vectors_ND, strict=True))
            return np.stack([known[text] for text in texts])

        return encode

    def _load(self, model: str | Path, **options: Any) -> str:
        from contrapose.encoder.encoder import Encoder

        with self._listener.task(f"loading {model}"):
            encoder = Encoder.load(model, **options)
        fingerprint = encoder.fingerprint()
        self._encoders.setdefault(fingerprint, encoder)
        return fingerprint

    def _start(self, run: RunFolder) -> tuple[str | None, str]:
        """The fingerprint of the pretrained model if it can be loaded and is still the one that was trained."""
        chosen = run.settings.encoder
        if run.start_fingerprint in self._encoders:
            return run.start_fingerprint, ""
        try:
            found = self._load(chosen.model, pooling=chosen.pooling, revision=chosen.revision)
        except ContraposeError as error:
            return None, (
                f"The pretrained model '{chosen.model}' cannot be loaded, so the pictures of your text show only the "
                f"trained model: {error}"
            )
        if found != run.start_fingerprint:
            return None, (
                f"The model '{chosen.model}' is no longer the one that this run began with (its weights, tokenizer "
                "or pooling changed), so the pictures of your text show only the trained model"
            )
        return found, ""

    def _sample(self, run: RunFolder, size: int) -> tuple[Sample | None, str]:
        if not size:
            return None, "Pictures of your text were left out, as asked for (--sample 0)"
        try:
            sample = sample_of(run, size)
        except ContraposeError as error:
            return None, f"The run's own text cannot be shown: {error}"
        if len(sample.texts) < 3:
            return None, f"The run's own text has {len(sample.texts)} rows to look at, too few to draw"
        return sample, ""
