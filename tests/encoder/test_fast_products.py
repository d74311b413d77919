"""Linear layers by oneDNN give what torch gives, and only plain fp32 layers at rest are touched."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from contrapose.encoder import fast_products
from contrapose.encoder.fast_products import FAVOURED, linear, maker_of_processor, use_fast_products
from contrapose.encoder.stillness import at_rest

needs_onednn = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, "_linear_pointwise"),
    reason="this torch has no oneDNN",
)


@needs_onednn
@pytest.mark.parametrize("shape", [(1, 8), (5, 8), (2, 3, 8), (0, 8)])
@pytest.mark.parametrize("bias", [True, False])
def test_products_are_torch_s_but_for_rounding(shape: tuple[int, ...], bias: bool) -> None:
    layer = nn.Linear(8, 6, bias=bias)
    given = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(linear(layer, given), layer(given), atol=1e-5, rtol=1e-5)
        strided = given.transpose(0, -1).contiguous().transpose(0, -1)
        torch.testing.assert_close(linear(layer, strided), layer(given), atol=1e-5, rtol=1e-5)


@needs_onednn
def test_only_plain_fp32_layers_of_the_copy_are_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    class Own(nn.Linear):
        pass

    monkeypatch.setattr(fast_products, "pays_here", lambda: True)
    model = nn.Sequential(nn.Linear(4, 4), Own(4, 4), nn.Linear(4, 4).double())
    copied = at_rest(model)
    use_fast_products(copied)
    assert ["forward" in layer.__dict__ for layer in copied] == [True, False, False]
    assert not any("forward" in layer.__dict__ for layer in model)


def test_the_maker_is_read_from_linux_s_list(tmp_path: Path) -> None:
    listed = tmp_path / "cpuinfo"
    listed.write_text(f"processor\t: 0\nvendor_id\t: {FAVOURED}\n")
    assert maker_of_processor(listed) == FAVOURED
    assert maker_of_processor(tmp_path / "none") == ""
