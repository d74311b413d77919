"""A template is a rule of the tokenizer: it stands around every text, is saved, and is read by other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from contrapose.contract import Needs, Template
from contrapose.encoder.encoder import Encoder
from contrapose.encoder.templates import ids_of_views, without_bias
from contrapose.errors import ModelError, UsageError
from tests.reference.templates import without_bias as written_out
from tests.tiny import SENTENCES, TINY, tiny_bert

FIRST, SECOND = "the man reads {text} on the [MASK]", "a dog {text} is in [MASK] again"


@pytest.fixture(params=list(TINY))
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    made: Path = TINY[request.param](tmp_path / "model", dropout=0.0)
    return made


def prompted(folder: Path, **options: Any) -> Encoder:
    return Encoder.load(folder, templates=(FIRST, SECOND), **options)


def test_the_first_template_stands_around_every_text_and_only_the_text_is_cut(folder: Path) -> None:
    encoder, plain = prompted(folder), Encoder.load(folder)
    before, after = plain.token_ids(["the man reads"])[0], plain.token_ids(["a cat"])[0]
    (row,) = encoder.token_ids(["a cat"])
    template = encoder.templates[0]
    assert (row[: len(template.opening)], row[-len(template.closing) :]) == (
        list(template.opening),
        list(template.closing),
    )
    assert list(template.opening) == before[:-1]
    assert row[template.text_of(row)] == after[1:-1]
    assert row.count(encoder.tokenizer.mask_token_id) == 1
    (cut,) = encoder.token_ids(["a cat " * 50], 20)
    assert len(cut) == 20
    assert cut[-len(template.closing) :] == list(template.closing)


def test_a_tokenizer_that_pads_and_cuts_by_itself_gives_the_same_template(folder: Path) -> None:
    plain = prompted(folder).templates
    path = folder / "tokenizer.json"
    rules = json.loads(path.read_text())
    padding = {"strategy": {"Fixed": 32}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0,
               "pad_type_id": 0, "pad_token": "[PAD]"}  # fmt: skip
    cut = {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0}
    path.write_text(json.dumps({**rules, "padding": padding, "truncation": cut}))
    assert prompted(folder).templates == plain


def test_the_vector_is_the_state_at_the_mask_token(folder: Path) -> None:
    encoder = prompted(folder)
    rows = encoder.token_ids(list(SENTENCES[:3]))
    for text, row in zip(SENTENCES, rows, strict=False):
        states = encoder.backbone(input_ids=torch.tensor([row])).last_hidden_state[0]
        expected = states[row.index(encoder.tokenizer.mask_token_id)].detach().numpy()
        np.testing.assert_allclose(encoder.encode(text), expected, atol=1e-5)


def test_a_saved_model_gives_the_same_vectors_and_says_what_it_writes(folder: Path, tmp_path: Path) -> None:
    encoder = prompted(folder)
    encoder.save(tmp_path / "saved")
    again = Encoder.load(tmp_path / "saved")
    assert np.array_equal(again.encode(SENTENCES), encoder.encode(SENTENCES))
    assert again.fingerprint() == encoder.fingerprint() != Encoder.load(folder).fingerprint()
    card = (tmp_path / "saved" / "README.md").read_text()
    assert "written around every text" in card
    assert "the man reads" in card


def test_sentence_transformers_alone_gives_the_same_vectors(folder: Path, tmp_path: Path) -> None:
    library = pytest.importorskip("sentence_transformers", reason="needs the extra 'st'")
    encoder = prompted(folder)
    encoder.save(tmp_path / "saved")
    texts = [*SENTENCES, "a cat sits on the mat " * 40]
    theirs = library.SentenceTransformer(str(tmp_path / "saved"), device="cpu")
    np.testing.assert_allclose(theirs.encode(texts), encoder.encode(texts), atol=1e-5)
    theirs.save_pretrained(str(tmp_path / "theirs"))
    saved_by_them = Encoder.load(tmp_path / "theirs")
    assert saved_by_them.pooling == "mask"
    np.testing.assert_allclose(saved_by_them.encode(texts), encoder.encode(texts), atol=1e-5)


def test_other_views_have_the_last_template_and_as_much_of_the_text(folder: Path) -> None:
    encoder = prompted(folder)
    texts = ["a cat sits on the mat", "a cat " * 60]
    rows, numbers = ids_of_views(encoder, {"anchor": texts, "positive": texts, "negative_1": texts}, 9)
    assert numbers == [0, 0, 1, 1, 1, 1]
    parts = [row[encoder.templates[number].text_of(row)] for row, number in zip(rows, numbers, strict=True)]
    assert parts[:2] == parts[2:4] == parts[4:]
    assert len(parts[1]) == 9, "the template comes on top of the length"
    for row, number in zip(rows, numbers, strict=True):
        assert row[-len(encoder.templates[number].closing) :] == list(encoder.templates[number].closing)


def test_a_longer_template_of_other_views_stays_within_the_models_length(folder: Path) -> None:
    longer = "a dog {text} is in [MASK] again and again and again and again"
    encoder = Encoder.load(folder, templates=(FIRST, longer))
    assert len(encoder.templates[1]) > len(encoder.templates[0])
    texts = ["a cat " * 200]
    rows, numbers = ids_of_views(encoder, {"anchor": texts, "positive": texts}, encoder.max_length)
    assert len(rows[1]) == encoder.max_length
    first, other = (
        row[encoder.templates[number].text_of(row)] for row, number in zip(rows, numbers, strict=True)
    )
    assert first == other, "all views have as much of the text"
    assert encoder.pooled(rows).isfinite().all()


def test_an_encoder_without_template_reads_as_ever(folder: Path) -> None:
    encoder = Encoder.load(folder)
    rows, numbers = ids_of_views(encoder, {"anchor": ["a cat"], "positive": ["a dog"]}, 9)
    assert rows == encoder.token_ids(["a cat", "a dog"], 9)
    assert numbers == [0, 0]
    assert encoder.length_for(9) == 9


@pytest.mark.parametrize("position", [0, 1])
def test_what_is_taken_away_and_its_gradient_are_those_of_the_loops(tmp_path: Path, position: int) -> None:
    encoder = prompted(tiny_bert(tmp_path / "model", dropout=0.0))
    template = encoder.templates[position]
    plain = [ids[1:-1] for ids in Encoder.load(tmp_path / "model").token_ids([*SENTENCES[:5], "a", ""])]
    rows = [[*template.opening, *ids, *template.closing] for ids in plain]
    mask = encoder.tokenizer.mask_token_id
    ours = without_bias(rows, [template] * len(rows), encoder.pooled)
    theirs = written_out(encoder.backbone, rows, template.opening, template.closing, mask)
    torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)
    assert ours[:-1].norm(dim=1).min() > 0.1
    assert ours[-1].norm() < 1e-4, "of an empty text nothing is left"
    weights = [weight for weight in encoder.backbone.parameters() if weight.requires_grad]
    direction = torch.randn(ours.shape, generator=torch.Generator().manual_seed(0))
    for one, other in zip(
        *(torch.autograd.grad((vectors * direction).sum(), weights) for vectors in (ours, theirs)),
        strict=True,
    ):
        torch.testing.assert_close(one, other, atol=2e-3, rtol=1e-3)


def test_rows_of_one_length_share_one_reading_of_their_template(folder: Path) -> None:
    encoder = prompted(folder)
    rows, numbers = ids_of_views(encoder, {"anchor": ["a cat", "a dog", "a"], "positive": ["a cat"]}, 16)
    sizes = []

    def encode(rows: Any, hidden: Any) -> torch.Tensor:
        sizes.append(len(rows))
        return encoder.pooled(rows, hidden)

    without_bias(rows, [encoder.templates[number] for number in numbers], encode)
    lengths = {(number, len(row)) for row, number in zip(rows, numbers, strict=True)}
    assert sizes == [4 + len(lengths)]


def test_hidden_tokens_are_seen_by_no_other(folder: Path) -> None:
    encoder = prompted(folder)
    template = encoder.templates[0]
    (one,) = encoder.token_ids(["the cat runs"])
    other = list(one)
    other[template.text_of(one).start] = one[template.text_of(one).start] + 1
    hidden = [template.text_of(one), template.text_of(other)]
    seen, unseen = encoder.pooled([one, other]), encoder.pooled([one, other], hidden)
    assert (seen[0] - seen[1]).abs().max() > 1e-3
    torch.testing.assert_close(unseen[0], unseen[1], atol=1e-5, rtol=1e-5)


def test_what_cannot_be_is_refused_in_a_sentence(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "model")
    with pytest.raises(UsageError, match="pooling 'avg' would be ignored"):
        prompted(folder, pooling="avg")
    with pytest.raises(ModelError, match="writes no such token around a text"):
        Encoder.load(folder, pooling="mask")
    prompted(folder).save(tmp_path / "saved")
    with pytest.raises(UsageError, match="has a template already"):
        prompted(tmp_path / "saved")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings.pop("mask_token")
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "mask_token": None}))
    with pytest.raises(UsageError, match="has no mask token, and the method's template needs one"):
        prompted(folder)


def test_a_template_whose_weighted_token_is_another_is_refused(tmp_path: Path) -> None:
    prompted(tiny_bert(tmp_path / "model")).save(tmp_path / "saved")
    config = tmp_path / "saved" / "1_WordWeights" / "config.json"
    weights = json.loads(config.read_text())
    for name in ("contrapose.json", "manifest.json"):
        (tmp_path / "saved" / name).unlink()
    config.write_text(json.dumps({**weights, "word_weights": {"7": 1}}))
    with pytest.raises(ModelError, match="its files are damaged or do not belong together"):
        Encoder.load(tmp_path / "saved")


@pytest.mark.parametrize("words", ["{text} means", "[MASK] is {text}", "{text} {text} [MASK]", "no [MASK]"])
def test_a_template_holds_a_text_and_then_a_mask(words: str) -> None:
    with pytest.raises(ValueError, match=r"must hold \{text\} once, and after it \[MASK\] once"):
        Template(anchor=words, others="{text} [MASK]")


def test_two_templates_for_one_text_are_refused() -> None:
    one, other = (Needs(template=Template(anchor=words, others=words)) for words in (FIRST, SECOND))
    assert (one | one).template == (one | Needs()).template == one.template
    with pytest.raises(UsageError, match="two parts bring templates"):
        one | other
