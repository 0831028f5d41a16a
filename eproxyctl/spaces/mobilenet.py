"""MobileNet: stages of inverted residual blocks, the space of MnasNet and ProxylessNAS."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, TypeVar

from pydantic import Field, PositiveInt

from eproxyctl.contracts import (
    FULL,
    Choice,
    Diagram,
    Drawable,
    Fidelity,
    Level,
    Look,
    Panel,
    Sized,
    Space,
    SpaceOptions,
)
from eproxyctl.errors import InvalidArchitecture, did_you_mean
from eproxyctl.networks.counting.mobilenet import MobileStage, mobilenet
from eproxyctl.spaces.diagrams import places, residual_block, times

if TYPE_CHECKING:
    from eproxyctl.contracts import Network

T = TypeVar("T")

STRIDES = (2, 2, 2, 1, 2, 1)
STEM, FIRST, HEAD = 32, 16, 1280
CHOICES: dict[str, tuple[int, ...]] = {
    "expansion": (3, 6),
    "kernel": (3, 5, 7),
    "depth": (1, 2, 3, 4),
    "squeeze": (0, 1),
}
TERM = re.compile(r"e([36])k([357])d([1234])s([01])", flags=re.ASCII)
Setting = tuple[int, int, int, int]
"""Expansion, kernel, depth, squeeze-excite of one stage."""
Six = tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt, PositiveInt, PositiveInt]


class MobileNetSpace(Space, Sized, Drawable):
    """MobileNet: six stages of inverted residual blocks, 48 choices in each: 48⁶ = 12,230,590,464 architectures.

    A key names, for each stage, expansion (3, 6), kernel (3, 5, 7), depth (1 to 4 blocks) and squeeze-excite (0, 1):
    `e6k3d2s0`. Before the stages are a 3×3 stem of 32 channels and a block without expansion of 16; after them a
    1×1 convolution to 1,280 channels and a linear classifier. Channels and strides of the stages are those of
    ProxylessNAS-mobile and MnasNet-B1: 24, 40, 80, 96, 192, 320 and 2, 2, 2, 1, 2, 1. MnasNet-B1 is
    e3k3d3s0-e3k5d3s0-e6k5d3s0-e6k3d2s0-e6k5d4s0-e6k3d1s0 (4,383,312 parameters); with `channels` 24, 32, 64, 96, 160,
    320 MobileNetV2 is e6k3d2s0-e6k3d3s0-e6k3d4s0-e6k3d3s0-e6k3d3s0-e6k3d1s0 (3,504,872). Activations are ReLU6.
    """

    kind = "mobilenet"
    ranks = (1, 2, 3)
    example = "e3k3d3s0-e3k5d3s0-e6k5d3s0-e6k3d2s0-e6k5d4s0-e6k3d1s0"
    source = "Tan et al., MnasNet, CVPR 2019; Cai et al., ProxylessNAS, ICLR 2019"

    class Options(SpaceOptions):
        width: float = Field(1.0, gt=0, le=8, description="multiplier of all channels, rounded to multiples of 8")
        channels: Six = Field((24, 40, 80, 96, 192, 320), description="channels of the six stages")
        stem_stride: Literal[1, 2] = Field(2, description="stride of the stem; 1 for small inputs")

    options: Options

    def parameters(self) -> Mapping[str, tuple[Choice, ...]]:
        return {f"{name}_{stage}": values for stage in range(1, 7) for name, values in CHOICES.items()}

    def encode(self, choices: Mapping[str, Choice]) -> str:
        values: list[int] = []
        for name, allowed in self.parameters().items():
            value = choices.get(name)
            if isinstance(value, bool) and name.startswith("squeeze"):
                value = int(value)
            if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
                known = ", ".join(map(str, allowed))
                raise InvalidArchitecture(f"'{name}' cannot be {value!r}", hint=f"one of {known}")
            values.append(value)
        return "-".join("e{}k{}d{}s{}".format(*values[i : i + 4]) for i in range(0, len(values), 4))

    def choices(self, key: str) -> dict[str, Choice]:
        return {
            f"{name}_{stage}": value
            for stage, setting in enumerate(_settings(key), start=1)
            for name, value in zip(CHOICES, setting, strict=True)
        }

    def parse(self, notation: object) -> str:
        """The key itself, or one mapping of choices (`{"expansion_1": 6, "kernel_1": 3, …}`), also as JSON."""
        if isinstance(notation, str):
            text = notation.strip()
            if not text.startswith("{"):
                _settings(text)
                return text
            try:
                notation = json.loads(text)
            except (json.JSONDecodeError, RecursionError):
                raise InvalidArchitecture(f"not a mapping of choices in JSON: {text[:80]}") from None
        if not isinstance(notation, Mapping):
            raise InvalidArchitecture(f"not a MobileNet: {notation!r}", hint=f"write it as {self.example}")
        names = self.parameters()
        for name in notation:
            if name not in names:
                raise InvalidArchitecture(f"no choice is called '{name}'", hint=did_you_mean(str(name), names))
        return self.encode(notation)

    def largest(self) -> str:
        return "-".join(["e6k7d4s1"] * 6)

    def traits(self, key: str) -> dict[str, float]:
        settings = _settings(key)
        depths = [depth for _, _, depth, _ in settings]
        traits = {"depth": float(sum(depths)), "convolutions": float(3 * sum(depths))}
        traits["squeezed"] = float(sum(depth * squeeze for _, _, depth, squeeze in settings))
        for expansion in CHOICES["expansion"]:
            traits[f"count.e{expansion}"] = float(sum(s[2] for s in settings if s[0] == expansion))
        for kernel in CHOICES["kernel"]:
            traits[f"count.k{kernel}"] = float(sum(s[2] for s in settings if s[1] == kernel))
        traits |= {f"depth.{stage}": float(depth) for stage, depth in enumerate(depths, start=1)}
        traits["mean_width"] = sum(d * c for d, c in zip(depths, self.options.channels, strict=True)) / sum(depths)
        return traits

    def diagram(self, key: str) -> Diagram:
        settings, width = _settings(key), self.options.width
        shrink: int = self.options.stem_stride
        levels = [Level("stem", scaled(STEM, width), shrink), Level("block", scaled(FIRST, width), shrink)]
        for (_, _, depth, _), channels, stride in zip(settings, self.options.channels, STRIDES, strict=True):
            shrink *= stride
            levels.append(Level(times(depth, "block"), scaled(channels, width), shrink))
        levels.append(Level("1×1", scaled(HEAD, max(1.0, width)), shrink))
        alike: dict[tuple[int, int, int], list[int]] = {}
        for stage, (expansion, kernel, _, squeeze) in enumerate(settings, start=1):
            alike.setdefault((expansion, kernel, squeeze), []).append(stage)
        return Diagram(tuple(_panel(*what, stages) for what, stages in alike.items()), tuple(levels))

    def size(self) -> int:
        return 48**6

    def stages(self, key: str, fidelity: Fidelity = FULL) -> list[MobileStage]:
        """The block list: the block without expansion, then the six stages."""
        share = self.options.width * fidelity.width
        stages = [MobileStage(scaled(FIRST, share), stride=1, expansion=1, kernel=3, depth=1)]
        for (expansion, kernel, depth, squeeze), channels, stride in zip(
            _settings(key), self.options.channels, STRIDES, strict=True
        ):
            depth = fidelity.scale(depth, fidelity.depth)
            stages.append(MobileStage(scaled(channels, share), stride, expansion, kernel, depth, bool(squeeze)))
        return stages

    def build(
        self, key: str, shape: tuple[int, ...], outputs: int, fidelity: Fidelity = FULL, *, pruned: bool = True
    ) -> Network:
        from eproxyctl.networks.mobilenet import MobileNet

        return self._made(MobileNet, key, shape, outputs, fidelity, pruned)

    def params_and_macs(
        self, key: str, shape: tuple[int, ...], outputs: int, fidelity: Fidelity = FULL, *, pruned: bool = False
    ) -> tuple[int, int]:
        return self._made(mobilenet, key, shape, outputs, fidelity, pruned)

    def _made(
        self, make: Callable[..., T], key: str, shape: tuple[int, ...], outputs: int, fidelity: Fidelity, pruned: bool
    ) -> T:
        """The network, or its size: of the same arguments."""
        return make(
            shape,
            outputs,
            stem=scaled(STEM, self.options.width * fidelity.width),
            stem_stride=self.options.stem_stride,
            stages=self.stages(key, fidelity),
            head=scaled(HEAD, max(1.0, self.options.width) * fidelity.width),
        )


def scaled(channels: int, share: float) -> int:
    """The share of the channels as the nearest multiple of 8 that loses at most a tenth (MobileNetV2's rule)."""
    if share == 1:
        return channels
    wanted = channels * share
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * wanted else rounded + 8


def _panel(expansion: int, kernel: int, squeeze: int, stages: list[int]) -> Panel:
    row: list[tuple[str, Look]] = [(f"conv 1×1, {expansion}-fold", "convolution")]
    row.append((f"depthwise {kernel}×{kernel}", "separable"))
    row += [("squeeze, excite", "activation")] * squeeze
    row.append(("conv 1×1", "convolution"))
    note = "the input is added where the shape stays the same" if 1 in stages else ""
    return residual_block(f"block of {places(stages, 'stage')}", row, "", note)


def _settings(key: str) -> list[Setting]:
    matches = [TERM.fullmatch(term) for term in key.split("-")]
    found = [(int(m[1]), int(m[2]), int(m[3]), int(m[4])) for m in matches if m]
    if len(found) != 6 or len(matches) != 6:
        raise InvalidArchitecture(f"not a MobileNet key: {key[:120]}", hint=f"write it as {MobileNetSpace.example}")
    return found
