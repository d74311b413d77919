"""Model folders whose numbers or tokenizers would fill the memory, never end, or end the process: one clear error each.

Also those that load and then break a later step: what loads can encode.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contrapose.encoder import tokenizer_trial
from contrapose.encoder.encoder import Encoder
from contrapose.encoder.tokenizer_rules import MOST_ADDED_TOKENS, check_tokenizer_rules, rule_growth
from contrapose.errors import ModelError, UnsafeModel
from tests.tiny import tiny_bert, tiny_roberta


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_bert(tmp_path / "victim")


@pytest.fixture
def sentence_model(model: Path, tmp_path: Path) -> Path:
    Encoder.load(model, pooling="avg").save(tmp_path / "sentence")
    (tmp_path / "sentence" / "manifest.json").unlink()  # its files are changed on purpose
    return tmp_path / "sentence"


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def rewrite_tokenizer(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """The rules of the file itself: transformers would put BERT's own in their place."""
    record = json.loads((folder / "tokenizer.json").read_text())
    change(record)
    (folder / "tokenizer.json").write_text(json.dumps(record))
    edit(folder / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast")


# --- config.json ---

NUMBERS = [
    ("num_hidden_layers", 1_000_000_000, "num_hidden_layers is 1000000000"),
    ("num_hidden_layers", 1_025, "at most 1024"),
    ("num_hidden_layers", 10**400, "num_hidden_layers is 1000"),
    ("n_layer", 10**9, "n_layer"),
    ("num_experts", 10**9, "num_experts"),
    ("num_labels", 10**9, "num_labels is 1000000000"),
    ("vocab_size", 10**9, "describes a model of 32,000"),
    ("hidden_size", 10**7, "describes a model of"),
    ("intermediate_size", 10**12, "describes a model of"),
    ("max_position_embeddings", 10**10, "describes a model of"),
    ("vocab_size", -1, "cannot load"),
    ("vocab_size", 10**400, "cannot load"),
    ("num_attention_heads", -2, "cannot encode a text"),
    ("num_attention_heads", 0, "cannot load"),
    ("num_attention_heads", "x", "num_attention_heads"),
    ("hidden_dropout_prob", math.nan, "hidden_dropout_prob is nan"),
    ("hidden_dropout_prob", 5, "between 0 and 1"),
    ("attention_probs_dropout_prob", -0.1, "between 0 and 1"),
    ("layer_norm_eps", math.inf, "layer_norm_eps is inf"),
    ("chunk_size_feed_forward", 3, "cannot encode a text"),
    ("id2label", [1], "cannot load"),
    ("text_config", {"classifier_dropout": math.nan}, "classifier_dropout is nan"),
]


@pytest.mark.parametrize(("key", "value", "told"), NUMBERS, ids=range(len(NUMBERS)))
def test_an_odd_number_in_the_configuration_is_one_clear_error(
    model: Path, key: str, value: object, told: str
) -> None:
    edit(model / "config.json", **{key: value})
    with pytest.raises(ModelError, match=told):
        Encoder.load(model)


@pytest.mark.parametrize(
    "changes",
    [{"return_dict": False}, {"output_attentions": True}, {"num_labels": 7}, {"use_cache": True}],
    ids=str,
)
def test_settings_that_change_no_vector_are_taken(model: Path, changes: dict[str, object]) -> None:
    expected = Encoder.load(model).encode(["a cat"])
    edit(model / "config.json", **changes)
    assert (Encoder.load(model).encode(["a cat"]) == expected).all()


@pytest.mark.parametrize("length", ["x", -1, 0, math.nan, True, [3]], ids=str)
def test_a_length_that_is_none_is_refused(model: Path, length: object) -> None:
    edit(model / "tokenizer_config.json", model_max_length=length)
    with pytest.raises(ModelError, match=r"tokenizer_config\.json: model_max_length is"):
        Encoder.load(model)


@pytest.mark.parametrize("length", [math.inf, 10**400, 1e30, 2, None], ids=str)
def test_a_length_without_limit_or_below_any_text_is_put_right(model: Path, length: object) -> None:
    edit(model / "tokenizer_config.json", model_max_length=length)
    assert 3 <= Encoder.load(model).max_length <= 64


@pytest.mark.parametrize("prompt", ["\ud800", 5, "x" * 3_000], ids=["half", "number", "long"])
def test_a_prompt_that_is_no_text_is_refused(sentence_model: Path, prompt: object) -> None:
    edit(
        sentence_model / "config_sentence_transformers.json",
        prompts={"default": prompt},
        default_prompt_name="default",
    )
    with pytest.raises(ModelError, match="prompt"):
        Encoder.load(sentence_model)


@pytest.mark.parametrize("own", [{"prompt": "\ud800"}, {"max_length": -5}, {"max_length": math.inf}], ids=str)
def test_odd_values_in_our_own_record_are_damage(sentence_model: Path, own: dict[str, object]) -> None:
    edit(sentence_model / "contrapose.json", **own)
    (sentence_model / "modules.json").unlink()
    with pytest.raises(ModelError, match=r"contrapose\.json is damaged"):
        Encoder.load(sentence_model)


@pytest.mark.parametrize("links", [{"a": "a"}, {"a": "b", "b": "a"}, {"a": "nowhere"}], ids=str)
def test_links_round_in_a_circle_are_refused(model: Path, links: dict[str, str]) -> None:
    for name, target in links.items():
        (model / name).symlink_to(target)
    with pytest.raises(UnsafeModel, match="nowhere, or round in a circle"):
        Encoder.load(model)


# --- vocabularies ---


def test_a_vocabulary_without_a_word_for_the_unknown_is_refused(model: Path) -> None:
    def without(record: dict[str, Any]) -> None:
        record["model"]["unk_token"] = "[NOPE]"

    rewrite_tokenizer(model, without)
    with pytest.raises(ModelError, match=r"cannot encode .*Missing \[UNK\]"):
        Encoder.load(model)


def test_a_list_of_words_without_the_special_ones_is_refused(model: Path) -> None:
    (model / "tokenizer.json").unlink()
    (model / "vocab.txt").write_text("a\nb\n")
    with pytest.raises(ModelError, match="vocabulary is missing or cut"):
        Encoder.load(model)


def test_numbers_of_tokens_beyond_the_table_are_refused(model: Path) -> None:
    def renumber(record: dict[str, Any]) -> None:
        vocabulary = record["model"]["vocab"]
        vocabulary["cat"] = 100_000

    rewrite_tokenizer(model, renumber)
    assert json.loads((model / "tokenizer.json").read_text())["model"]["vocab"]["cat"] == 100_000
    with pytest.raises(ModelError, match="do not belong together"):
        Encoder.load(model)


def test_special_tokens_beyond_the_table_are_refused(model: Path) -> None:
    rewrite_tokenizer(model, lambda record: record.update(post_processor=template("C", "A", ids=[999_999])))
    with pytest.raises(ModelError, match="gives the token 999999, the model has"):
        Encoder.load(model)


# --- tokenizer.json: rules that blow up ---


def template(*names: str, ids: list[int]) -> dict[str, Any]:
    single = [{"Sequence" if name in "AB" else "SpecialToken": {"id": name, "type_id": 0}} for name in names]
    pair = [{"Sequence": {"id": name, "type_id": 0}} for name in "AB"]
    special = {"C": {"id": "C", "ids": ids, "tokens": ["C"] * len(ids)}}
    return {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special}


def replacing(pattern: str, content: str, kind: str = "String") -> dict[str, Any]:
    return {"type": "Replace", "pattern": {kind: pattern}, "content": content}


BYTES = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}

BLOWN_UP: list[tuple[dict[str, Any], str]] = [
    ({"normalizer": replacing("a", "b" * 10_000)}, "10,000 times"),
    ({"normalizer": {"type": "Sequence", "normalizers": [replacing("a", "a" * 20)] * 4}}, "160,000 times"),
    ({"normalizer": replacing("", "b" * 5_000, "Regex")}, "5,001 times"),
    ({"normalizer": replacing("(?=a)", "b" * 5_000, "Regex")}, "5,001 times"),
    ({"normalizer": {"type": "Prepend", "prepend": "b" * 5_000}}, "5,001 times"),
    ({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [BYTES] * 50}}, "times"),
    ({"normalizer": {"type": "Sequence", "normalizers": [{"type": "Lowercase"}] * 2_000}}, "1000 rules"),
    ({"post_processor": template(*"C" * 100, "A", ids=[1])}, "special tokens"),
    ({"post_processor": template("C", "A", ids=[1] * 1_000)}, "special tokens"),
    ({"model": {"max_input_chars_per_word": 10**9}}, "max_input_chars_per_word"),
    ({"model": {"continuing_subword_prefix": "#" * 10**6}}, "continuing_subword_prefix"),
    ({"added_tokens": [{}] * (MOST_ADDED_TOKENS + 1)}, "50001 tokens"),
]


@pytest.mark.parametrize(("record", "told"), BLOWN_UP, ids=range(len(BLOWN_UP)))
def test_rules_that_blow_text_up_are_refused_by_reading_them(
    tmp_path: Path, record: dict[str, Any], told: str
) -> None:
    with pytest.raises(ModelError, match=told):
        check_tokenizer_rules(record, tmp_path / "tokenizer.json")


@pytest.mark.parametrize("file", ["tokenizer_config.json", "added_tokens.json"])
def test_added_tokens_are_counted_wherever_a_folder_lists_them(model: Path, file: str) -> None:
    tokens = {str(number): {"content": f"t{number}"} for number in range(MOST_ADDED_TOKENS + 1)}
    if file == "added_tokens.json":
        (model / file).write_text(
            json.dumps({f"t{number}": number for number in range(MOST_ADDED_TOKENS + 1)})
        )
    else:
        edit(model / file, added_tokens_decoder=tokens)
    with pytest.raises(ModelError, match=rf"{file} adds 50001 tokens"):
        Encoder.load(model)


REAL_RULES = [
    {"type": "BertNormalizer"},
    {"type": "Sequence", "normalizers": [replacing("``", '"'), replacing(" {2,}", " ", "Regex")]},
    {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "_"}, replacing(" ", "_")]},
    {"type": "Sequence", "normalizers": [{"type": "NFC"}, replacing(r"\s+", " ", "Regex")]},
]


@pytest.mark.parametrize("rules", REAL_RULES, ids=range(len(REAL_RULES)))
def test_rules_of_real_tokenizers_are_not_suspected(rules: dict[str, Any]) -> None:
    assert rule_growth(rules) <= 4


def test_a_rule_that_makes_text_longer_is_bounded_by_what_it_makes(model: Path) -> None:
    rewrite_tokenizer(model, lambda record: record.update(normalizer=replacing("x", "a " * 250)))
    encoder = Encoder.load(model)
    given: list[int] = []
    whole = encoder.tokenizer.backend_tokenizer

    class Watched:
        def __getattr__(self, name: str) -> Any:
            return getattr(whole, name)

        def encode_batch_fast(self, texts: list[str], **options: Any) -> Any:
            given.extend(len(whole.normalizer.normalize_str(text)) for text in texts)
            return whole.encode_batch_fast(texts, **options)

    encoder.tokenizer._tokenizer = Watched()
    assert len(encoder.token_ids(["x" * 4_000, "cat"])[0]) == 64
    assert given
    assert max(given) <= 64 * 64
    assert np.isfinite(encoder.encode(["x" * 4_000])).all()


# --- tokenizer.json: what ends the process ---

#: The size of an index that the file does not hold: the library asks for 8 GB and the process is aborted.
CHARSMAP_OF_8_GB = "/////w=="

DEADLY: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (
        lambda r: r.update(normalizer={"type": "Precompiled", "precompiled_charsmap": CHARSMAP_OF_8_GB}),
        "memory",
    ),
    (lambda r: r.update(normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAA"}), "panic"),
    (lambda r: r.update(pre_tokenizer={"type": "FixedLength", "length": 0}), "chunk size must be non-zero"),
    (lambda r: r.update(post_processor={**template("D", "A", ids=[1]), "special_tokens": {}}), "panic"),
    (lambda r: r.update(normalizer=replacing("(x+x+)+y", "z", "Regex")), "retry-limit"),
]


@pytest.mark.parametrize(("change", "told"), DEADLY, ids=range(len(DEADLY)))
def test_a_tokenizer_that_would_end_this_process_ends_a_child_instead(
    model: Path, change: Callable[[dict[str, Any]], object], told: str
) -> None:
    rewrite_tokenizer(model, change)
    with pytest.raises(ModelError, match=rf"tokenizer\.json: this tokenizer .*{told}.*not loaded"):
        Encoder.load(model)


def test_the_deadliest_does_end_a_process_that_only_opens_it(model: Path) -> None:
    rewrite_tokenizer(model, DEADLY[0][0])
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30));"
        "resource.setrlimit(resource.RLIMIT_CORE, (0, 0));"
        "from tokenizers import Tokenizer\ntry: Tokenizer.from_file(sys.argv[1])\nexcept BaseException: pass"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(model / "tokenizer.json")], capture_output=True, check=False
    )
    assert ended.returncode < 0


def test_a_child_that_works_without_end_is_stopped(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer_trial, "SECONDS", 1)
    monkeypatch.setattr(tokenizer_trial, "TEXTS", ("x" * 40_000,))
    rewrite_tokenizer(model, lambda record: record["model"].update(max_input_chars_per_word=10**9))
    with pytest.raises(ModelError, match="more than 1 seconds"):
        tokenizer_trial.try_tokenizer(model)


def test_what_passed_is_not_tried_again_and_what_changed_is(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Path] = []
    monkeypatch.setattr(tokenizer_trial, "_passed", set())
    monkeypatch.setattr(tokenizer_trial, "_run", tried.append)
    Encoder.load(model)
    Encoder.load(model)
    assert tried == [model / "tokenizer.json"]
    (model / "tokenizer.json").write_text((model / "tokenizer.json").read_text() + "\n")
    Encoder.load(model)
    assert len(tried) == 2


def test_the_embedded_encoder_is_not_tried_and_a_folder_of_its_name_is(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Path] = []
    monkeypatch.setattr("contrapose.encoder.opening.try_tokenizer", tried.append)
    Encoder.load("minilm")
    assert tried == []
    os.rename(model, model.with_name("minilm"))
    monkeypatch.chdir(model.parent)
    Encoder.load("./minilm")
    assert len(tried) == 1


def test_a_panic_at_a_text_that_the_trial_did_not_hold_is_an_error_for_users(model: Path) -> None:
    rewrite_tokenizer(model, lambda record: record.update(normalizer=replacing("(q+q+)+y", "z", "Regex")))
    encoder = Encoder.load(model)
    with pytest.raises(ModelError, match=r"tokenizer cannot encode this text: .*retry-limit"):
        encoder.encode(["a cat", "q" * 300])
    assert encoder.encode(["a cat"]).shape == (1, 32)


def test_merges_that_do_not_fit_the_vocabulary_are_an_error_for_users(tmp_path: Path) -> None:
    folder = tiny_roberta(tmp_path / "roberta")
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.json").write_text(json.dumps({"a": 0, "b": 1}))
    (folder / "merges.txt").write_text("#version: 0.2\na b\nq z\n")
    with pytest.raises(ModelError):
        Encoder.load(folder)
