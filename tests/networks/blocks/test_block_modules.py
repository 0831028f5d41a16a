"""Modules of blocks against torch's own, and written as source."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import layer_norm

from eproxyctl.networks.blocks.layers import ChannelNorm, PaddedConv
from eproxyctl.networks.blocks.tokens import Encoder, Patches, ToMaps, ToTokens, as_maps, mark_tokens
from eproxyctl.networks.initialise import generator, initialise
from eproxyctl.networks.size import as_module, materialise
from eproxyctl.networks.source import source
from eproxyctl.spaces.declared.space import DeclaredSpace


def drawn(module: nn.Module) -> nn.Module:
    initialise(module, "default", generator(0))
    return module.eval()


def test_an_encoder_is_torchs_with_the_normalisation_first() -> None:
    ours = drawn(Encoder(12, heads=3, width=4, hidden=20, activation="gelu", qkv_bias=True, scale=None))
    theirs = nn.TransformerEncoderLayer(
        12, 3, 20, dropout=0, activation="gelu", layer_norm_eps=1e-6, batch_first=True, norm_first=True
    ).eval()
    weights = dict(ours.named_parameters())
    names = {
        "self_attn.in_proj_weight": "attend.1.qkv.weight",
        "self_attn.in_proj_bias": "attend.1.qkv.bias",
        "self_attn.out_proj.weight": "attend.1.project.weight",
        "self_attn.out_proj.bias": "attend.1.project.bias",
        "linear1.weight": "think.1.0.weight",
        "linear1.bias": "think.1.0.bias",
        "linear2.weight": "think.1.2.weight",
        "linear2.bias": "think.1.2.bias",
        "norm1.weight": "attend.0.weight",
        "norm1.bias": "attend.0.bias",
        "norm2.weight": "think.0.weight",
        "norm2.bias": "think.0.bias",
    }
    theirs.load_state_dict({name: weights[own].detach() for name, own in names.items()})
    x = torch.randn(2, 7, 12, generator=generator(1))
    torch.testing.assert_close(ours(x), theirs(x))


def test_tokens_and_maps_are_each_others_inverse() -> None:
    maps = torch.randn(2, 5, 3, 4, generator=generator(0))
    tokens = ToTokens()(maps)
    assert ToMaps((3, 4), False)(tokens).equal(maps)
    assert ToMaps((3, 4), True)(torch.cat([tokens[:, :1], tokens], 1)).equal(maps)


def test_patches_keep_their_places() -> None:
    module = drawn(Patches(3, 6, 4, (8, 12), positions=False, class_token=True))
    x = torch.randn(1, 3, 8, 12, generator=generator(1))
    changed = x.clone()
    changed[:, :, 4:, 8:] += 1
    differs = (module(x) != module(changed)).any(2)[0]
    assert differs.nonzero().flatten().tolist() == [6]


def test_as_maps_gives_tokens_that_depend_on_the_maps() -> None:
    module = nn.Identity()
    mark_tokens(module, (2, 3), class_token=True)
    output = torch.randn(2, 7, 4, generator=generator(0), requires_grad=True)
    shown = as_maps(module, output)
    assert shown is not None
    maps, tokens = shown
    assert tokens.equal(output)
    (slopes,) = torch.autograd.grad(tokens[:, 1:].sum(), maps)
    assert slopes.equal(torch.ones(2, 4, 2, 3))
    assert as_maps(nn.Identity(), output) is None


@pytest.mark.parametrize(("kernel", "stride"), [(2, 2), (4, 4), (2, 1), (4, 2), (1, 2)])
@pytest.mark.parametrize("side", [1, 3, 8, 9])
def test_a_convolution_of_any_kernel_gives_a_side_rounded_up(kernel: int, stride: int, side: int) -> None:
    module = drawn(PaddedConv(2, 2, 3, kernel, stride, 1, True))
    assert module(torch.ones(1, 2, side, side)).shape == (1, 3, -(-side // stride), -(-side // stride))


def test_channel_norm_is_layer_norm_over_channels() -> None:
    x = torch.randn(2, 5, 3, 4, generator=generator(0))
    expected = layer_norm(x.permute(0, 2, 3, 1), (5,), eps=1e-6).permute(0, 3, 1, 2)
    torch.testing.assert_close(drawn(ChannelNorm(5))(x), expected)


TRANSFORMER = {
    "stem": {"block": "patch", "size": 4, "channels": 12, "class_token": True},
    "stages": [
        {"block": "vit", "depth": 2, "heads": 2, "scale": 0.5},
        {"block": "patch", "size": 2, "channels": 16},
        {"block": "mixer", "depth": 1},
        {"block": "convnext", "channels": 8, "stride": 2},
    ],
    "head": {"norm": "layer", "channels": 9},
}


def test_a_transformer_is_written_as_source_of_torch_alone() -> None:
    space, shape = DeclaredSpace(DeclaredSpace.Options.model_validate(TRANSFORMER)), (3, 18, 16)
    with torch.device("meta"):
        text = source(as_module(space.build("only", shape, 7)), shape, "A network.")
    assert "eproxyctl" not in text
    names: dict[str, object] = {"__name__": "written"}
    exec(text, names)  # noqa: S102
    network = drawn(as_module(materialise(lambda: space.build("only", shape, 7))))
    copy = names["Network"]().eval()  # type: ignore[operator]
    copy.load_state_dict(network.state_dict())
    x = torch.randn(3, *shape, generator=generator(2))
    torch.testing.assert_close(copy(x), network(x), rtol=1e-4, atol=1e-5)
