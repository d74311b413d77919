"""Is a model a start on which contrastive methods can differ? Four numbers of it, before any training.

    python -m benchmarks.start MODEL CORPUS [--senteval DIR] [--rows 512] [--json]

The papers start from masked language models. From an encoder that contrast has trained already, SimCSE's loss is nearly
0 at its first step, the hardest negative is far from the positive, and what methods add has nothing to work on.

    similarity   mean Spearman x 100 of STS12-16, by the model's own pooling: below 60
    crowded      mean cosine of sentences of STS-B: above 0.5
    loss         of SimCSE over the first batches of 64 sentences, two dropout views each, temperature 0.05: above 0.01
    mixing       share of rows whose positive HNCSE-PM mixes with the hardest negative, which is near it: above 0
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.data import data_folder
from contrapose.contract import Views
from contrapose.data.corpus import Corpus, build_corpus
from contrapose.encoder.encoder import Encoder
from contrapose.evaluate.suite import evaluate
from contrapose.objectives.catalogue import recipe
from contrapose.positives.mixing import MixedPositive
from contrapose.seeds import permute, seeded
from contrapose.text.identity import text_hashes

BATCH, MAX_LENGTH = 64, 32


@dataclass(frozen=True, kw_only=True)
class Start:
    """similarity: None where no SentEval folder was given."""

    similarity: float | None
    mean_cosine: float
    loss: float
    mixed: float

    def lacks(self) -> list[str]:
        """What of a language model's crowded space it has not, in words."""
        wanted = {
            "mean Spearman of STS12-16 below 60": self.similarity is None or self.similarity < 60,
            "mean cosine above 0.5": self.mean_cosine > 0.5,
            "loss of SimCSE far above rounding (0.01)": self.loss > 0.01,
            "positive mixing in some rows": self.mixed > 0,
        }
        return [words for words, there in wanted.items() if not there]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data = data_folder()
    parser.add_argument("model")
    parser.add_argument("corpus")
    parser.add_argument("--senteval", default=str(data / "senteval") if data else None)
    parser.add_argument("--rows", type=int, default=512, help="sentences that are encoded twice")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    measured = measure(given.model, sentences(given.corpus, given.rows), given.senteval)
    if given.json:
        print(json.dumps(asdict(measured)))
        return
    similarity = "not measured" if measured.similarity is None else f"{measured.similarity:.1f}"
    print(f"mean Spearman of STS12-16   {similarity}")
    print(f"mean cosine of sentences    {measured.mean_cosine:.3f}")
    print(f"loss of SimCSE              {measured.loss:.5f}")
    print(f"rows that HNCSE-PM mixes    {measured.mixed:.1%}")
    lacks = measured.lacks()
    print(
        f"not a start like the papers': it lacks {'; '.join(lacks)}" if lacks else "a start like the papers'"
    )


def sentences(corpus: str, rows: int) -> list[str]:
    """So many of the corpus, drawn by a fixed shuffle."""
    with tempfile.TemporaryDirectory() as scratch:
        build_corpus([corpus], Path(scratch) / "corpus")
        whole = Corpus.open(Path(scratch) / "corpus")
        chosen = np.sort(permute(np.arange(min(rows, len(whole))), len(whole), 0))
        return next(iter(whole.take(chosen).values()))


def measure(model: str, texts: list[str], senteval: str | None) -> Start:
    """All four; the mean cosine is of STS-B's sentences, or of ``texts`` without SentEval's folder."""
    encoder = Encoder.load(model)
    losses, mixed = at_the_first_step(encoder, texts)
    if senteval is None:
        result = evaluate(encoder, tasks=["geometry"], texts=texts)
        return Start(
            similarity=None, mean_cosine=result.value("geometry", "mean_cosine"), loss=losses, mixed=mixed
        )
    result = evaluate(encoder, data=senteval, tasks=["sts", "geometry"])
    years = [result.value(f"STS{year}") for year in range(12, 17)]
    cosine = result.value("geometry", "mean_cosine")
    return Start(similarity=sum(years) / len(years), mean_cosine=cosine, loss=losses, mixed=mixed)


@torch.no_grad()
def at_the_first_step(encoder: Encoder, texts: list[str]) -> tuple[float, float]:
    """(the mean loss of SimCSE, the share of rows that are mixed) over whole batches, as the first step sees them."""
    simcse = recipe("simcse").build(width=encoder.width)
    losses, shares = [], []
    for step in range(len(texts) // BATCH):
        batch = texts[step * BATCH : (step + 1) * BATCH]
        token_ids, vectors = encoder.token_ids(batch, MAX_LENGTH), []
        with encoder.in_mode(training=True):
            for view in (0, 1):
                with seeded(0, "start", step, view):
                    pooled = encoder.pooled(token_ids)
                    vectors.append(pooled if encoder.head is None else encoder.head(pooled))
        same = text_hashes(batch)
        views = Views.pair(*vectors, step=step, text_ids={"anchor": same, "positive": same})
        losses.append(float(simcse(views).total))
        mixed = MixedPositive().views(views)
        shares.append(float((mixed.positive != views.positive).any(1).double().mean()))
    return sum(losses) / len(losses), sum(shares) / len(shares)


if __name__ == "__main__":
    main()
