"""The saved model: a sentence-transformers folder in the legacy schema, which old and new releases and servers read.

config.json, model.safetensors, tokenizer files      transformers' own
modules.json, 1_Pooling/, sentence_bert_config.json   the pipeline: Transformer, Pooling, perhaps Normalize; where
                                                      words are weighed, WordWeights: of a template, 1 for its mask
                                                      token and 0 for all others
config_sentence_transformers.json                     versions, prompts, cosine
contrapose.json                                       exact pooling and where the model comes from
README.md                                             the model card

``avg_first_last`` and ``avg_top2`` have no word in sentence-transformers. Such a model is written *without* the
pipeline files, since a wrong pooling there would silently give other vectors; contrapose loads it, and its card says
so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from contrapose.encoder.backbone import has_pooling_switch
from contrapose.encoder.card import MADE_WITH, model_card
from contrapose.encoder.pooling import PORTABLE
from contrapose.encoder.word_weights import to_config
from contrapose.ledger import versions
from contrapose.storage import durable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from contrapose.encoder.encoder import Encoder

_LEGACY_MODES = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens")

OWN_FILE = "contrapose.json"
FORMAT = 1

#: What a tokenizer remembers of this machine or of its last call, which is no part of the model.
_PASSING_SETTINGS = (
    "name_or_path",
    "is_local",
    "local_files_only",
    "max_length",
    "stride",
    "truncation_strategy",
    "pad_to_multiple_of",
)


class LanguageHead(Protocol):
    """The head of a masked language model on an encoder, as transformers names its weights.

    prefix: before the names of the encoder's own weights in a whole model's file; architecture: the name of its class.
    """

    @property
    def prefix(self) -> str: ...
    @property
    def architecture(self) -> str: ...
    def head_tensors(self) -> Mapping[str, Tensor]: ...


def save(
    encoder: Encoder,
    folder: Path,
    card: str,
    provenance: dict[str, Any],
    head: LanguageHead | None = None,
    beside: Mapping[str, bytes] = MappingProxyType({}),
) -> None:
    """See :meth:`contrapose.encoder.encoder.Encoder.save`. Replaces an earlier model of contrapose, nothing else."""
    record = _own_record(encoder, provenance)
    if head is not None:
        record["kind"] = encoder.kind
    files: dict[str, bytes | Any] = {"model.safetensors": partial(_write_weights, encoder, head)}
    files |= _tokenizer_files(encoder)
    files["config.json"] = _json(_config(encoder, head))
    if encoder.pooling in PORTABLE:
        files |= _pipeline_files(encoder)
    files[OWN_FILE] = _json(record)
    files["README.md"] = (card or model_card(encoder, provenance, fingerprint=record["fingerprint"])).encode(
        "utf-8", "replace"
    )
    if taken := files.keys() & beside.keys():
        raise ValueError(f"{min(taken)} is a file of the model itself")
    durable.write_tree(folder, {**files, **beside}, replace=folder.exists())


def _write_weights(encoder: Encoder, head: LanguageHead | None, file: BinaryIO) -> None:
    from safetensors.torch import save as to_bytes

    tied = set(getattr(encoder.backbone, "all_tied_weights_keys", None) or ())
    kept = {key: tensor for key, tensor in encoder.backbone.state_dict().items() if key not in tied}
    kept |= encoder.pooler
    if head is not None:
        kept = {f"{head.prefix}{key}": tensor for key, tensor in kept.items()} | dict(head.head_tensors())
    # A copy of each: safetensors refuses views and shared memory.
    copies = {key: tensor.detach().to("cpu").clone().contiguous() for key, tensor in kept.items()}
    file.write(to_bytes(copies, metadata={"format": "pt"}))


def _tokenizer_files(encoder: Encoder) -> dict[str, bytes]:
    with TemporaryDirectory(prefix="contrapose-") as scratch:
        encoder.tokenizer.save_pretrained(scratch)
        files = {path.name: path.read_bytes() for path in sorted(Path(scratch).iterdir())}
    settings = json.loads(files["tokenizer_config.json"])
    settings = {key: value for key, value in settings.items() if key not in _PASSING_SETTINGS}
    # Newer sentence-transformers folders keep the length here; the two must not differ.
    settings["model_max_length"] = encoder.max_length
    if encoder.pooling == "mask":
        # The classes of single models build their rules anew and would leave the template out; this one reads them.
        settings["tokenizer_class"] = "PreTrainedTokenizerFast"
        settings["model_input_names"] = list(encoder.tokenizer.model_input_names)
    files["tokenizer_config.json"] = _json(settings)
    if "tokenizer.json" in files:
        rules = json.loads(files["tokenizer.json"]) | {"truncation": None, "padding": None}
        files["tokenizer.json"] = _json(rules)
    return files


def _config(encoder: Encoder, head: LanguageHead | None) -> dict[str, Any]:
    config = json.loads(encoder.backbone.config.to_json_string(use_diff=True))
    hidden = ("_name_or_path", "_attn_implementation", "_attn_implementation_autoset")
    config = {key: value for key, value in config.items() if key not in hidden}
    architecture = type(encoder.backbone).__name__ if head is None else head.architecture
    return config | {"architectures": [architecture], "dtype": "float32"}


def _pipeline_files(encoder: Encoder) -> dict[str, bytes]:
    weighted = ["WordWeights"] if encoder.pooling == "mask" or encoder.word_weights is not None else []
    steps = [*weighted, "Pooling", *(["Normalize"] if encoder.normalize else [])]
    names = [("Transformer", ""), *((step, f"{number}_{step}") for number, step in enumerate(steps, start=1))]
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{name}"}
        for number, (name, path) in enumerate(names)
    ]
    modes = {f"pooling_mode_{mode}": mode == PORTABLE[encoder.pooling] for mode in _LEGACY_MODES}
    folder_of = dict(names)
    return {
        "modules.json": _json(modules),
        **{f"{folder_of[step]}/config.json": _json(_weights_of_words(encoder)) for step in weighted},
        f"{folder_of['Pooling']}/config.json": _json({"word_embedding_dimension": encoder.width, **modes}),
        "sentence_bert_config.json": _json(
            {
                "max_seq_length": encoder.max_length,
                "do_lower_case": encoder.lower_case,
                # Without it a pooling layer would be made up at random, and reported as missing.
                **({"model_args": {"add_pooling_layer": False}} if _lacks_pooler(encoder) else {}),
            }
        ),
        "config_sentence_transformers.json": _json(
            {
                "__version__": versions(MADE_WITH),
                "prompts": {"default": encoder.prompt} if encoder.prompt else {},
                "default_prompt_name": "default" if encoder.prompt else None,
                "similarity_fn_name": "cosine",
            }
        ),
    }


def _weights_of_words(encoder: Encoder) -> dict[str, Any]:
    """The file of WordWeights: of a template, 1 for the mask token and 0 for every other."""
    if encoder.word_weights is not None:
        return to_config(encoder.word_weights)
    num_words = encoder.backbone.get_input_embeddings().num_embeddings
    return {
        "vocab": [str(number) for number in range(num_words)],
        "word_weights": {str(encoder.tokenizer.mask_token_id): 1},
        "unknown_word_weight": 0,
    }


def _lacks_pooler(encoder: Encoder) -> bool:
    return not encoder.pooler and has_pooling_switch(type(encoder.backbone))


def _own_record(encoder: Encoder, provenance: dict[str, Any]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "pooling": encoder.pooling,
        "normalize": encoder.normalize,
        "max_length": encoder.max_length,
        "lower_case": encoder.lower_case,
        "prompt": encoder.prompt,
        "fingerprint": encoder.fingerprint(),
        "versions": versions(MADE_WITH),
        "provenance": provenance,
    }


def _json(value: Any) -> bytes:
    try:
        return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
    except UnicodeEncodeError:  # half a character, which a foreign config.json can hold and UTF-8 cannot
        return (json.dumps(value, indent=2) + "\n").encode("ascii")
