"""The model card: what a stranger needs to judge and use the model, as README.md of its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from contrapose.encoder.export import PORTABLE, versions

if TYPE_CHECKING:
    from contrapose.encoder.encoder import Encoder


def model_card(
    encoder: Encoder,
    provenance: Mapping[str, Any] | None = None,
    *,
    method: str = "",
    hyperparameters: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    numbers: Sequence[Mapping[str, Any]] = (),
    citation: str = "",
    fingerprint: str = "",
    outcome: str = "",
    unchanged: bool = False,
) -> str:
    """The text of the card; sections without content are left out.

    numbers   one mapping per measurement, e.g. ``{"task": "STS12", "protocol": "senteval-all", "before": 72.37,
              "after": 73.1}``; the keys of the first one are the columns of the table.
    data      what it was trained on: files, rows, the corpus fingerprint.
    citation  BibTeX or plain references of the method.
    fingerprint  the encoder's, where the caller has it already.
    outcome   whether training helped, in sentences.
    unchanged  the encoder is the one that training began with; the method and its numbers are told as only tried.
    """
    trained = {**({"method": method} if method else {}), **(hyperparameters or {})}
    sections = [
        _header(encoder, method, unchanged=unchanged),
        f"## Did training help?\n\n{outcome}" if outcome else "",
        _use(encoder),
        _list("What was tried, and is not in this model" if unchanged else "How it was trained", trained),
        _list("Data of what was tried" if unchanged else "Data", data or {}),
        _table("Measurements", numbers),
        _list("Provenance", provenance or {}),
        _list("Vectors", _vectors(encoder, fingerprint)),
        _list("Made with", versions()),
        f"## Citation\n\n```\n{citation.strip()}\n```" if citation else "",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _header(encoder: Encoder, method: str, *, unchanged: bool) -> str:
    tags = ["sentence-similarity", "feature-extraction", "contrapose"]
    tags += ["sentence-transformers"] if encoder.pooling in PORTABLE else []
    library = "sentence-transformers" if encoder.pooling in PORTABLE else "contrapose"
    front = ["---", f"library_name: {library}", "pipeline_tag: sentence-similarity", "tags:"]
    front += [f"- {tag}" for tag in tags] + ["---"]
    maps = (
        f"maps a text to a vector of {encoder.width} numbers; "
        "the cosine of two vectors says how alike the texts are."
    )
    if unchanged:
        title, about = (
            "A sentence encoder, unchanged",
            f"It is `{encoder.name}` as it was before training, and {maps}",
        )
    else:
        how = f", trained by contrast ({method})" if method else ""
        title, about = f"A sentence encoder{how}", f"It starts from `{encoder.name}` and {maps}"
    return "\n".join(front) + f"\n\n# {title}\n\n{about}"


def _use(encoder: Encoder) -> str:
    own = (
        'import contrapose\n\nencoder = contrapose.Encoder.load(FOLDER)\nvectors = encoder.encode(["a text"])'
    )
    text = f"## Use\n\n```python\n{own}\n```"
    if encoder.pooling in PORTABLE:
        other = "from sentence_transformers import SentenceTransformer\n\nvectors = SentenceTransformer(FOLDER).encode"
        return f'{text}\n\nor, with the same vectors,\n\n```python\n{other}(["a text"])\n```'
    return (
        f"{text}\n\nIts pooling `{encoder.pooling}` cannot be said in a sentence-transformers folder, so there is no "
        "`modules.json`: load it with contrapose. Other programs would pool differently and give other vectors."
    )


def _vectors(encoder: Encoder, fingerprint: str) -> dict[str, Any]:
    return {
        "width": encoder.width,
        "pooling": encoder.pooling,
        "unit length": encoder.normalize,
        "tokens kept": encoder.max_length,
        "train-time head": "used in training, not part of this model" if encoder.head is not None else "none",
        "fingerprint": fingerprint or encoder.fingerprint(),
    }


def _list(title: str, entries: Mapping[str, Any]) -> str:
    if not entries:
        return ""
    return f"## {title}\n\n" + "\n".join(f"- {key}: {_shown(value)}" for key, value in entries.items())


def _table(title: str, rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    columns = list(rows[0])
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(_shown(row.get(column, "")) for column in columns) + " |" for row in rows]
    return f"## {title}\n\n" + "\n".join(lines)


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (dict, list, tuple)):
        return f"`{json.dumps(value, ensure_ascii=False)}`"
    return str(value).replace("\n", " ").replace("|", "\\|")
