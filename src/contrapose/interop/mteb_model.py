"""An encoder in the shape that MTEB 2 evaluates: ``encode`` over its batches, cosine, and a description."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from contrapose.evaluate.encoding import Encodes, encode_once, fingerprint_of, name_of
from contrapose.evaluate.vectors import is_one_point, unit_rows
from contrapose.listening import Listener, listener_of


class MtebModel:
    """``encoder`` for ``mteb.evaluate``: unnormalised vectors in ``precision``, compared by cosine.

    Task prompts are not used: an encoder that wants a prompt has its own, and puts it before every text.

    texts        how many were encoded
    is_collapsed whether all vectors since :meth:`begin` were one point
    """

    def __init__(self, encoder: Encodes, *, precision: str, listener: Listener | None = None) -> None:
        self.mteb_model_meta = model_meta(encoder, precision)
        self.prompt = str(getattr(encoder, "prompt", ""))
        encode = getattr(encoder, "encode", None)  # a function of texts has none, and takes no precision
        self.encoder = _Once(encode, str(self.mteb_model_meta.revision)) if encode else encoder
        self.precision = precision if encode else None
        self._listener = listener or listener_of(None)
        self.texts = 0
        self.is_collapsed = False
        self._first: np.ndarray | None = None

    def prompt_of(self, task: Any) -> str:
        """What became of the prompt that MTEB has for the task; "" where it has none."""
        if self.prompt:
            return "the encoder's own, for every text"
        return "MTEB's prompt for this task is not used" if task.metadata.prompt else ""

    def begin(self) -> None:
        """Before each task."""
        self._first, self.is_collapsed = None, False

    def encode(self, inputs: Iterable[dict[str, Any]], **options: Any) -> np.ndarray:
        """The vectors (N, D) of all texts of MTEB's batches, in order. ``options`` say which task asks; all are alike.

        Raises :class:`ModelError` for vectors that are not finite.
        """
        texts = [text for batch in inputs for text in batch["text"]]
        self.texts += len(texts)
        self._listener.expect(self.texts)
        table = encode_once(self.encoder, texts, precision=self.precision, progress=self._listener.advance)
        self._listener.advance(len(texts) - len(table))
        vectors_ND = table.of(texts)
        self._watch(vectors_ND)
        return vectors_ND

    def _watch(self, vectors_ND: np.ndarray) -> None:
        """One point so far, and the same as before?"""
        if self._first is None:
            self._first, self.is_collapsed = vectors_ND[:1], True
        if self.is_collapsed:
            self.is_collapsed = is_one_point(unit_rows(np.concatenate([self._first, vectors_ND])))

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Cosine of each with each, by MTEB's own code."""
        from mteb.similarity_functions import cos_sim

        return cos_sim(embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Cosine of row i with row i, by MTEB's own code."""
        from mteb.similarity_functions import pairwise_cos_sim

        return pairwise_cos_sim(embeddings1, embeddings2)


class _Once:
    """An encoder whose fingerprint, a hash of all weights, is not computed anew for every column of texts."""

    def __init__(self, encode: Callable[..., np.ndarray], fingerprint: str) -> None:
        self.encode, self._fingerprint = encode, fingerprint

    def fingerprint(self) -> str:
        return self._fingerprint


def model_meta(encoder: Encodes, precision: str) -> Any:
    """MTEB's description: name, the fingerprint as revision, and as an experiment of its own what is not fp32."""
    from mteb.models import ModelMeta
    from mteb.models.model_meta import ScoringFunction

    parameters = getattr(encoder, "parameters", None)
    return ModelMeta(
        loader=None,
        name=mteb_name(name_of(encoder)),
        revision=re.sub(r"[^A-Za-z0-9._-]", "-", fingerprint_of(encoder)),
        release_date=None,
        languages=None,
        n_parameters=sum(each.numel() for each in parameters()) if callable(parameters) else None,
        memory_usage_mb=None,
        max_tokens=getattr(encoder, "max_length", None),
        embed_dim=getattr(encoder, "width", None),
        license=None,
        open_weights=None,
        public_training_code=None,
        public_training_data=None,
        framework=["PyTorch"],
        similarity_fn_name=ScoringFunction.COSINE,
        use_instructions=False,
        training_datasets=None,
        experiment_kwargs=None if precision == "fp32" else {"precision": precision},
    )


def mteb_name(name: str) -> str:
    """``organisation/model``: a hub name as it is; of a run, and of any other folder, the folder's name.

    >>> mteb_name("intfloat/e5-small"), mteb_name("minilm"), mteb_name("notes/model"), mteb_name("my model")
    ('intfloat/e5-small', 'contrapose/minilm', 'contrapose/notes', 'contrapose/my-model')
    """
    parts = [re.sub(r"[^A-Za-z0-9._-]+", "-", part).strip(".-") or "model" for part in name.split("/")]
    if len(parts) == 2 and parts[1] != "model":
        return "/".join(parts)
    return f"contrapose/{parts[0]}"
