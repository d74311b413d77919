"""The model card: what a stranger needs to judge and use the model, as README.md of its folder."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from contrapose.encoder.pooling import PORTABLE
from contrapose.ledger import versions
from contrapose.markdown_table import markdown_table

if TYPE_CHECKING:
    from contrapose.encoder.encoder import Encoder

#: The packages that a model is made with.
MADE_WITH = ("contrapose", "torch", "transformers", "tokenizers")


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
        _list("Made with", versions(MADE_WITH)),
        f"## Citation\n\n{_fenced(citation.strip())}" if citation else "",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def pretraining_card(encoder: Encoder, summary: Mapping[str, Any], *, corpus: str) -> str:
    """The card of a masked language model: how well it fills in words, and that it is no sentence encoder yet."""
    front = ["---", "library_name: transformers", "pipeline_tag: fill-mask", "tags:", "- contrapose", "---"]
    about = (
        f"It starts from {_code(str(summary['model']))} and was trained to fill in hidden words. Its vectors of "
        "sentences are pooled from it as it is, without any training for similarity: train it with "
        "`contrapose train YOUR_TEXT.txt --model FOLDER --out RUN`."
    )
    use = (
        "## Use\n\n```python\nfrom transformers import AutoModelForMaskedLM\n\n"
        "model = AutoModelForMaskedLM.from_pretrained(FOLDER)\n```"
    )
    measured = [
        {
            "measured": f"{name} of {summary['hidden_words']} hidden words of held-out text",
            "before": summary[f"{key}_before"],
            "after": summary[f"{key}_after"],
        }
        for key, name in (("loss", "mean loss"), ("accuracy", "share right"))
        if summary[f"{key}_after"] is not None
    ]
    trained = {key: summary[key] for key in ("method", "steps", "language_head", "seed", "precision")}
    sections = [
        "\n".join(front) + f"\n\n# A masked language model\n\n{about}",
        use,
        _list("How it was trained", trained),
        _list(
            "Data", {"corpus": corpus, "rows": summary["rows"], "fingerprint": summary["corpus_fingerprint"]}
        ),
        _table("Measurements", measured),
        _list("Vectors", _vectors(encoder, str(summary["fingerprint"]))),
        _list("Made with", versions(MADE_WITH)),
        f"## Citation\n\n{_fenced(_DEVLIN)}",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


_DEVLIN = (
    "Devlin, Chang, Lee, Toutanova 2019, BERT: Pre-training of Deep Bidirectional Transformers for Language "
    "Understanding (NAACL)\nhttps://arxiv.org/abs/1810.04805"
)


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
            f"It is {_code(encoder.name)} as it was before training, and {maps}",
        )
    else:
        how = f", trained by contrast ({plain(method)})" if method else ""
        title, about = f"A sentence encoder{how}", f"It starts from {_code(encoder.name)} and {maps}"
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
        **({"words": "weighted by how rare they are"} if encoder.word_weights is not None else {}),
        **({"written around every text": _around(encoder)} if encoder.pooling == "mask" else {}),
        "unit length": encoder.normalize,
        "tokens kept": encoder.max_length,
        "train-time head": "used in training, not part of this model" if encoder.head is not None else "none",
        "fingerprint": fingerprint or encoder.fingerprint(),
    }


def _around(encoder: Encoder) -> str:
    """The template that the tokenizer writes, as words."""
    return str(encoder.tokenizer.decode(encoder.token_ids([""])[0]))


def _list(title: str, entries: Mapping[str, Any]) -> str:
    if not entries:
        return ""
    return f"## {title}\n\n" + "\n".join(
        f"- {plain(str(key))}: {_shown(value)}" for key, value in entries.items()
    )


def _table(title: str, rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    columns = list(rows[0])
    cells = ([_shown(row.get(column, "")) for column in columns] for row in rows)
    return f"## {title}\n\n" + "\n".join(markdown_table([*map(plain, columns)], cells))


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (dict, list, tuple)):
        return _code(json.dumps(value, ensure_ascii=False, default=str))
    return plain(str(value))


def plain(text: str) -> str:
    """``text`` so that a page shows it letter by letter: no markup, no HTML, no link, on one line.

    >>> plain("[me](javascript:alert(1)) <b>")
    '\\\\[me\\\\](javascript:alert(1)) &lt;b&gt;'
    >>> plain("learning_rate")
    'learning_rate'
    """
    text = _one_line(text).strip().replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = _MARKUP.sub(r"\\\g<0>", text)
    # Pages turn addresses into links without being asked.
    return re.sub(r"(?i)(www)\.", r"\1&#46;", text.replace("://", "&#58;//"))


#: Signs that start something in Markdown, or in the mathematics of some pages. An underscore inside a word does not.
_MARKUP = re.compile(r"[\\`*\[\]|~#$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def _one_line(text: str) -> str:
    """No line ends, control signs or signs that turn the direction of writing; no halves of characters."""
    text = "".join(" " if unicodedata.category(sign) in _UNSEEN else sign for sign in text)
    return text.encode("utf-8", "replace").decode("utf-8")


_UNSEEN = ("Cc", "Cf", "Zl", "Zp")


def _code(text: str) -> str:
    """``text`` between backticks, more of them than it holds in a row itself."""
    text = _one_line(text).strip()
    ticks = "`" * (_longest_run(text) + 1)
    room = " " if text.startswith("`") or text.endswith("`") or not text else ""
    return f"{ticks}{room}{text}{room}{ticks}"


def _fenced(text: str) -> str:
    text = "\n".join(map(_one_line, text.splitlines()))
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}\n{text}\n{fence}"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
