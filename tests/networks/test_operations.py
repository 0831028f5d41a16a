"""Operations that are written anew for speed equal torch's."""

import pytest
import torch
from torch import nn

from eproxyctl.networks.operations import avg_pool


@pytest.mark.parametrize("side", [1, 2, 5, 8])
@pytest.mark.parametrize("kernel", [3, 5])
def test_average_pooling_equals_torchs_up_to_its_second_derivative(kernel: int, side: int) -> None:
    x = torch.randn(2, 3, side, side, dtype=torch.float64, requires_grad=True)
    ours = avg_pool(2, kernel)
    torchs = nn.AvgPool2d(kernel, 1, kernel // 2, count_include_pad=False)
    assert torch.allclose(ours(x), torchs(x))
    gradients = [torch.autograd.grad(pool(x).pow(3).sum(), x, create_graph=True)[0] for pool in (ours, torchs)]
    assert torch.allclose(gradients[0], gradients[1])
    seconds = [torch.autograd.grad(gradient.pow(2).sum(), x)[0] for gradient in gradients]
    assert torch.allclose(seconds[0], seconds[1])
