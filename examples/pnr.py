"""PNR: learn new text without losing what was known. An earlier model gives negatives and targets.

Run:  python examples/pnr.py        A toy encoder goes from one toy language to another; a second, no download.
"""

import copy

import torch
from torch import Tensor, nn

from contrapose.contract import Supplies, Views
from contrapose.objectives.catalogue import recipe
from contrapose.seeds import seeded

ROWS, WORDS, WIDTH, STEPS = 128, 100, 32, 60


def language(number: int) -> Tensor:
    """Sentences of eight words that no other language has."""
    return number * WORDS + torch.randint(WORDS, (ROWS, 8), generator=torch.Generator().manual_seed(number))


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
        loss = objective(Views.pair(anchor, positive, step=step).with_views(**views)).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if method == "pnr" and step % 15 in (0, 14):
            print(f"step {step:3}  loss {loss.item():.4f}")
    return trained


@torch.no_grad()
def share_known(model: nn.Module, sentences: Tensor) -> float:
    """The share of sentences whose one view is nearest to the other."""
    with seeded(1, "dropout"):
        one, other = (nn.functional.normalize(model.train()(sentences)) for _ in range(2))
    return float(((one @ other.T).argmax(1) == torch.arange(ROWS)).float().mean())


with seeded(0, "weights"):
    words = nn.EmbeddingBag(2 * WORDS, 64)
    layers = nn.Dropout(0.3), nn.Linear(64, WIDTH), nn.Tanh(), nn.Linear(WIDTH, WIDTH)
known = train(nn.Sequential(words, *layers), "simcse", language(0))
models = {"before": known, **{method: train(known, method, language(1)) for method in ("simcse", "pnr")}}
shares = {name: [share_known(model, language(k)) for k in (0, 1)] for name, model in models.items()}
for name, (old, new) in shares.items():
    print(f"{name:7} finds {old:.0%} of the earlier sentences, {new:.0%} of the new")
assert shares["pnr"][0] > shares["simcse"][0], "nothing held it back"
