"""PromptBERT in a plain torch loop: two templates, the state at their mask token, and what they say by themselves.

Run:  python examples/promptbert.py        A tiny BERT made on the spot; a few seconds, no download.
"""

import tempfile
from pathlib import Path

import torch
from transformers import BertConfig, BertModel, BertTokenizer

from contrapose.contract import Views
from contrapose.encoder.encoder import Encoder
from contrapose.encoder.templates import ids_of_views, without_bias
from contrapose.objectives.catalogue import recipe
from contrapose.seeds import seeded

STEPS = 40
WORDS = [f"w{number}" for number in range(40)]
SENTENCES = [" ".join(WORDS[number * factor % 40] for factor in (1, 3, 7, 11)) for number in range(32)]


def tiny_bert(folder: Path) -> Path:
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "this", "that", "means", *WORDS]
    tokenizer = BertTokenizer(vocab={token: number for number, token in enumerate(tokens)})
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    with seeded(0, "weights"):
        BertModel(BertConfig(vocab_size=len(tokens), initializer_range=0.2, **sizes)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def main() -> None:
    objective = recipe("promptbert").build(width=32)
    with tempfile.TemporaryDirectory() as folder:
        templates = ("this {text} means [MASK]", "that {text} means [MASK]")
        encoder = Encoder.load(tiny_bert(Path(folder)), templates=templates).train()
    print("a text as the encoder reads it:", encoder.tokenizer.decode(encoder.token_ids(SENTENCES[:1])[0]))
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=2e-3)
    rows, numbers = ids_of_views(encoder, {"anchor": SENTENCES, "positive": SENTENCES}, 16)
    around = [encoder.templates[number] for number in numbers]

    losses = []
    for step in range(STEPS):
        with seeded(0, "dropout", step):
            anchor, positive = without_bias(rows, around, encoder.pooled).chunk(2)
        loss = objective(Views.pair(anchor, positive, step=step)).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if step % 10 == 0 or step == STEPS - 1:
            print(f"step {step:3}  loss {losses[-1]:.4f}")
    assert losses[-1] < losses[0] / 2, "the loss did not fall"


if __name__ == "__main__":
    main()
