"""The training loop of Eproxy: backbone → transform → frozen barrier → synthetic target."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from eproxyctl.contracts import Seed, Trace, derive
from eproxyctl.networks.initialise import generator, initialise
from eproxyctl.networks.operations import batch_norm, conv
from eproxyctl.networks.size import as_module
from eproxyctl.proxies.targets import make_target, resize

if TYPE_CHECKING:
    from eproxyctl.contracts import Network
    from eproxyctl.proxies.eproxy_options import EproxyOptions


@dataclass(frozen=True)
class SyntheticTargets:
    """What all architectures of a run regress: drawn once from the common seed, then only read.

    Attributes:
        source: the minibatch as given, [B, C, *spatial].
        inputs: what the networks see, channels last, and so are all maps made from it: the same, or noise.
        targets: [B, target_channels, map_size, …] a branch.
        barriers: the random layer a branch, frozen; empty where there is none.
    """

    source: Tensor
    inputs: Tensor
    targets: tuple[Tensor, ...]
    barriers: tuple[nn.Module, ...]


def draw_regression(inputs: Tensor, common: int, options: EproxyOptions) -> SyntheticTargets:
    """Targets and barriers for a minibatch, on its device."""
    source = inputs
    if options.inputs == "noise":
        noise = torch.randn(inputs.shape, generator=generator(derive(common, "inputs")))
        inputs = noise.to(inputs.device)
    features: dict[str, Tensor] = {}
    targets, barriers = [], []
    for index, branch in enumerate(options.branches):
        for name in branch.features:
            if name not in features:
                features[name] = make_target(name, common, inputs.cpu(), options.map_size)
        total = torch.stack([features[name][:, : branch.target_channels] for name in branch.features]).sum(0)
        targets.append((total * branch.level).to(inputs.device))
        if options.barrier != "none":
            with torch.device("meta"):
                barrier = conv(
                    inputs.dim() - 2,
                    branch.transform_channels,
                    branch.target_channels,
                    branch.barrier_kernel,
                    bias=True,
                )
            barrier.to_empty(device="cpu")
            initialise(barrier, options.barrier_init, generator(derive(common, "barrier", index)))
            barriers.append(barrier.requires_grad_(False).to(inputs.device))
    return SyntheticTargets(source, channels_last(inputs), tuple(map(channels_last, targets)), tuple(barriers))


def channels_last(maps: Tensor) -> Tensor:
    """The same values in the order of memory for which CPU kernels are fastest.

    One thread scores 1.2 (NAS-Bench-201) to 1.8 (DARTS, for its poolings) times as fast.
    """
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    return maps.contiguous(memory_format=formats.get(maps.dim(), torch.contiguous_format))


def losses(network: Network, drawn: SyntheticTargets, seed: Seed, options: EproxyOptions) -> Trace:
    """Train `network` in place and return its losses.

    Args:
        network: freshly built, on the CPU; moved to the device of the minibatch.
        drawn: see `draw`.
        seed: `common` draws the transform, `weights` the network.
        options: of the proxy.

    Returns:
        [iterations][branches] mean squared errors at each forward pass; it ends before one that is not finite.

    Raises:
        ValueError: more branches than the network has feature maps; bfloat16 asked for on volumes.
    """
    if options.precision == "bfloat16" and drawn.inputs.dim() > 4:
        # torch 2.13 on CPU: two runs of one network differ in the third digit
        raise ValueError("precision: bfloat16 gives volumes another score each time; use float32")
    module = as_module(network)
    initialise(module, options.init, generator(seed.weights))
    transforms = _transforms(network.channels, drawn, seed.common, options)
    without_running_statistics(module)
    without_running_statistics(transforms)
    module.to(drawn.inputs.device).train()
    transforms.to(drawn.inputs.device).train()
    optimiser = _optimiser(module, transforms, options)
    trace: list[tuple[float, ...]] = []
    for iteration in range(options.iterations):
        last = iteration == options.iterations - 1
        with torch.set_grad_enabled(not last), _precision(drawn.inputs, options):
            errors = _errors(network, transforms, drawn, options)
        values = tuple(error.item() for error in errors)
        if not all(map(math.isfinite, values)):
            break
        trace.append(values)
        if not last:
            torch.stack(errors).sum().backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            optimiser.zero_grad()
    return tuple(trace)


def _precision(inputs: Tensor, options: EproxyOptions) -> torch.autocast:
    """Weights, sums of batch norm and the loss stay float32; convolutions take what is asked for."""
    return torch.autocast(inputs.device.type, torch.bfloat16, enabled=options.precision == "bfloat16")


def without_running_statistics(module: nn.Module) -> None:
    """Batch norm keeps no averages for inference: training never reads them."""
    for layer in module.modules():
        if isinstance(layer, _BatchNorm):
            layer.running_mean = layer.running_var = layer.num_batches_tracked = None
            layer.track_running_stats = False


def _errors(
    network: Network, transforms: nn.ModuleList, drawn: SyntheticTargets, options: EproxyOptions
) -> list[Tensor]:
    """Mean squared error a branch, deepest first."""
    errors = []
    for i, (maps, transform) in enumerate(zip(network.features(drawn.inputs), transforms, strict=False)):
        output = transform(resize(maps, options.map_size))
        if options.barrier == "frozen":
            output = drawn.barriers[i](output)
        errors.append(F.mse_loss(output, drawn.targets[i]))
    return errors


def _transforms(
    channels: tuple[int, ...], drawn: SyntheticTargets, common: int, options: EproxyOptions
) -> nn.ModuleList:
    """The trained convolution, ReLU and batch norm between each feature map and its barrier."""
    rank = drawn.inputs.dim() - 2
    if len(options.branches) > len(channels):
        raise ValueError(f"{len(options.branches)} branches, but the network has {len(channels)} feature maps")
    transforms = nn.ModuleList()
    for index, branch in enumerate(options.branches):
        width = branch.target_channels if options.barrier == "none" else branch.transform_channels
        with torch.device("meta"):
            transform = nn.Sequential(
                conv(rank, channels[index], width, branch.transform_kernel, bias=True),
                nn.ReLU(),
                batch_norm(rank, width),
            )
        transform.to_empty(device="cpu")
        initialise(transform, options.init, generator(derive(common, "transform", index)))
        if options.barrier == "trained":
            transform.append(copy.deepcopy(drawn.barriers[index]).cpu().requires_grad_(True))
        transforms.append(transform)
    return transforms


def _optimiser(module: nn.Module, heads: nn.Module, options: EproxyOptions) -> torch.optim.SGD:
    """SGD with momentum; weight decay on weights of two or more dimensions only, not on biases and batch norm."""
    parameters = [p for m in (module, heads) for p in m.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": options.weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, lr=options.learning_rate, momentum=options.momentum, fused=True)
