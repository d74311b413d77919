"""PNR: learn new text without losing what was known. An earlier model gives negatives and targets.

Run:  python examples/pnr.py        A toy encoder goes from one toy language to another; a second, no download.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from contrapose.contract import Supplies, Views
from contrapose.objectives.catalogue import recipe
from contrapose.seeds import seeded

ROWS, WORDS, WIDTH, STEPS = 128, 100, 32, 60


def language(number: int) -> Tensor:
    """Sentences of eight words that no other language has."""
    random = torch.Generator().manual_seed(number)
    return number * WORDS + torch.randint(WORDS, (ROWS, 8), generator=random)


def train(model: nn.Module, method: str, sentences: Tensor) -> nn.Module:
    """A copy of the model, trained on the sentences; the model as it is now is the earlier one."""
    earlier, trained = model.eval().requires_grad_(False), copy.deepcopy(model).train().requires_grad_(True)
    objective = recipe(method).build(width=WIDTH)
    objective.attach(Supplies(width=WIDTH, companion_widths={"previous": WIDTH}))
    optimizer = torch.optim.AdamW([*trained.parameters(), *objective.parameters()], lr=3e-2)
    for step in range(STEPS):
        with seeded(0, "dropout", step):  # two calls draw two masks: two views of each sentence
            anchor, positive = trained(sentences), trained(sentences)
        views = {"anchor@pooled": anchor, "positive@pooled": positive}
        views |= {"anchor@previous": earlier(sentences), "positive@previous": earlier(sentences)}
        optimizer.zero_grad()
        objective(Views.pair(anchor, positive, step=step).with_views(**views)).total.backward()
        optimizer.step()
    return trained


@torch.no_grad()
def found(model: nn.Module, sentences: Tensor) -> float:
    """The share of sentences whose one view is nearest to the other."""
    with seeded(1, "dropout"):
        one, other = (nn.functional.normalize(model.train()(sentences)) for _ in range(2))
    return float(((one @ other.T).argmax(1) == torch.arange(ROWS)).float().mean())


with seeded(0, "weights"):
    layers = (
        nn.EmbeddingBag(2 * WORDS, 64),
        nn.Dropout(0.3),
        nn.Linear(64, WIDTH),
        nn.Tanh(),
        nn.Linear(WIDTH, WIDTH),
    )
known = train(nn.Sequential(*layers), "simcse", language(0))
after = {method: train(known, method, language(1)) for method in ("simcse", "pnr")}
for name, encoder in {"before": known, **after}.items():
    print(
        f"{name:7} finds {found(encoder, language(0)):.0%} of the earlier, {found(encoder, language(1)):.0%} of the new"
    )
assert found(after["pnr"], language(0)) > found(after["simcse"], language(0)), "nothing held it back"
