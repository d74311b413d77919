from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from contrapose.encoder.encoder import Encoder
from contrapose.errors import UsageError
from contrapose.seeds import torch_generator
from contrapose.selection.blend import SHARES, best_share, blend, blended
from tests.tiny import SENTENCES, tiny_bert


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_bert(tmp_path / "start")


@pytest.fixture
def start(folder: Path) -> Encoder:
    return Encoder.load(str(folder))


@pytest.fixture
def trained(folder: Path) -> Encoder:
    """The start with every weight moved."""
    encoder = Encoder.load(str(folder))
    generator = torch_generator(0, "moved")
    with torch.no_grad():
        for weight in encoder.parameters():
            weight += 0.3 * torch.randn(weight.shape, generator=generator)
    return encoder


def test_the_ends_are_the_two_encoders_to_the_bit(start: Encoder, trained: Encoder) -> None:
    for share, own in ((0.0, start), (1.0, trained)):
        found = blended(start.state_dict(), trained.state_dict(), share)
        assert all(torch.equal(found[name], weight) for name, weight in own.state_dict().items())


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_ends_keep_their_fingerprints(start: Encoder, trained: Encoder, share: float) -> None:
    """Zeros keep their sign, which adding nothing to them would lose."""
    end, other = (trained, start) if share else (start, trained)
    with torch.no_grad():
        next(iter(end.parameters())).view(-1)[:64] = -0.0
        next(iter(other.parameters())).view(-1)[:64] = torch.tensor([1.0, -1.0]).repeat(32)
    before = end.fingerprint()
    trained.load_state_dict(blended(start.state_dict(), trained.state_dict(), share))
    assert trained.fingerprint() == before


def test_half_way_is_the_mean_of_the_weights_and_another_encoder(start: Encoder, trained: Encoder) -> None:
    ends = [encoder.encode(SENTENCES[:4]) for encoder in (start, trained)]
    name, weight = max(trained.state_dict().items(), key=lambda item: item[1].numel())
    wanted = (start.state_dict()[name] + weight) / 2
    blend(trained, start.state_dict(), 0.5)
    assert torch.allclose(trained.state_dict()[name], wanted, atol=1e-6)
    assert all(np.abs(trained.encode(SENTENCES[:4]) - end).max() > 1e-3 for end in ends)


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_share_outside_its_range_is_refused(share: float) -> None:
    with pytest.raises(UsageError, match="between 0"):
        blended({}, {}, share)


def test_encoders_of_different_shapes_are_refused() -> None:
    with pytest.raises(UsageError, match="different weights"):
        blended({"w": torch.zeros(2)}, {"w": torch.zeros(3)}, 0.5)


class Wants:
    """A criterion that is highest where the first weight is nearest to a value."""

    name = about = "wants"

    def __init__(self, name: str, value: float) -> None:
        self.weight, self.value = name, value

    def measure(self, encoder: Encoder, precision: str, **_: bool) -> dict[str, float]:
        return {"score": -abs(float(encoder.state_dict()[self.weight].flatten()[0]) - self.value)}


@pytest.mark.parametrize("wanted", SHARES)
def test_auto_takes_the_share_that_the_criterion_likes_best(
    start: Encoder, trained: Encoder, wanted: float
) -> None:
    name = next(name for name, weight in trained.state_dict().items() if weight.is_floating_point())
    first, last = (float(e.state_dict()[name].flatten()[0]) for e in (start, trained))
    before = trained.encode(SENTENCES[:2])
    criterion = Wants(name, first + wanted * (last - first))
    share, scores = best_share(trained, start.state_dict(), criterion, "fp32")
    assert share == wanted
    assert list(scores) == ["0", "0.25", "0.5", "0.75", "1"]
    assert np.array_equal(trained.encode(SENTENCES[:2]), before)
