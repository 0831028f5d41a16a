"""The residual families of NDS: ResNet, ResNeXt-A, ResNeXt-B and Vanilla, on CIFAR-10 and ImageNet."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeVar, get_args

from pydantic import Field

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
from eproxyctl.networks.counting.residual import StageShape, residual
from eproxyctl.spaces.diagrams import places, residual_block, times
from eproxyctl.spaces.residual import (
    STAGES,
    STRIDES,
    Kind,
    Residual,
    ResidualStage,
    integer,
    real,
    residual_from_key,
    residual_from_record,
)
from eproxyctl.spaces.traits import shared, step

if TYPE_CHECKING:
    from eproxyctl.contracts import Network

T = TypeVar("T")


@dataclass(frozen=True)
class ResidualFamily:
    """What a family draws from."""

    kind: Kind
    depths: tuple[int, ...]
    widths: tuple[int, ...]
    ratios: tuple[float, ...] = ()
    groups: tuple[int, ...] = ()


DEPTHS, WIDTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24), (16, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256)
RATIOS = (0.25, 0.5, 1.0)
FAMILIES = {
    "Vanilla": ResidualFamily("plain", DEPTHS, WIDTHS),
    "ResNet": ResidualFamily("basic", DEPTHS, WIDTHS),
    "ResNeXt-A": ResidualFamily("bottleneck", (1, 2, 4, 8, 16), (16, 32, 64, 128, 256), RATIOS, (1, 2, 4)),
    "ResNeXt-B": ResidualFamily("bottleneck", (1, 2, 4, 8, 16), (64, 128, 256, 512, 1024), RATIOS, (1, 2, 4, 8, 16)),
}
FamilyName = Literal[
    "ResNet",
    "ResNet_lr-wd",
    "ResNet_lr-wd_in",
    "ResNeXt-A",
    "ResNeXt-A_in",
    "ResNeXt-B",
    "ResNeXt-B_in",
    "Vanilla",
    "Vanilla_lr-wd",
    "Vanilla_lr-wd_in",
]
"""The names of the published files, without `.json`."""


class NdsResidualSpace(Space, Sized, Drawable):
    """NDS residual networks: Vanilla, ResNet, ResNeXt-A and ResNeXt-B: a stem and three stages of equal blocks.

    Each stage has a number of blocks and a width; in ResNeXt a bottleneck multiplier and a number of groups too.
    Blocks are two 3×3 convolutions (Vanilla, ResNet) or 1×1, grouped 3×3, 1×1 (ResNeXt). `family` is the name of the
    published file: 1.3 million architectures of Vanilla and of ResNet, 11 of ResNeXt-A, 53 of ResNeXt-B. In a record,
    entry 0 of ds, ws, ss, bot_muls and num_gs is the stem. Parameters equal the published ones; multiply-adds are 1 to
    5 % below the published `flops`, which count batch norm, ReLU and sums too.
    """

    kind = "nds-residual"
    ranks = (1, 2, 3)
    example = "bottleneck-64-1x16b1g1-2x128b0.25g4-16x64b0.5g2"
    source = "Radosavovic et al., On Network Design Spaces for Visual Recognition, ICCV 2019"

    class Options(SpaceOptions):
        family: FamilyName = Field("ResNeXt-A", description="which file of NDS")
        stem: Literal["cifar", "imagenet"] = Field(
            "cifar",
            description="cifar keeps the resolution, for inputs of 32×32; imagenet divides it by 8, for 224×224",
        )

    options: Options

    @cached_property
    def _family(self) -> ResidualFamily:
        return FAMILIES[self.options.family.partition("_")[0]]

    @property
    def _stem_width(self) -> int:
        return 64 if self.options.family.endswith("_in") else 16

    def parameters(self) -> Mapping[str, tuple[Choice, ...]]:
        family = self._family
        fields: dict[str, tuple[Choice, ...]] = {"blocks": family.depths, "width": family.widths}
        if family.kind == "bottleneck":
            fields |= {"ratio": family.ratios, "groups": family.groups}
        return {f"{name}_{i}": values for i in range(1, STAGES + 1) for name, values in fields.items()}

    def encode(self, choices: Mapping[str, Choice]) -> str:
        stages = []
        for i, stride in enumerate(STRIDES, start=1):
            neck = self._family.kind == "bottleneck"
            stages.append(
                ResidualStage(
                    integer(_get(choices, f"blocks_{i}"), f"blocks_{i}"),
                    integer(_get(choices, f"width_{i}"), f"width_{i}"),
                    integer(choices.get(f"stride_{i}", stride), f"stride_{i}"),
                    real(_get(choices, f"ratio_{i}"), f"ratio_{i}") if neck else 1.0,
                    integer(_get(choices, f"groups_{i}"), f"groups_{i}") if neck else 1,
                )
            )
        return Residual(
            self._family.kind,
            integer(choices.get("stem_width", self._stem_width), "stem_width"),
            integer(choices.get("stem_stride", 0), "stem_stride"),
            tuple(stages),
        ).key

    def choices(self, key: str) -> dict[str, Choice]:
        """By the names of `parameters`; further ones only where a record departs from what this space would draw."""
        network = self._network(key)
        choices: dict[str, Choice] = {}
        for i, (stage, stride) in enumerate(zip(network.stages, STRIDES, strict=True), start=1):
            choices |= {f"blocks_{i}": stage.blocks, f"width_{i}": stage.width}
            if network.kind == "bottleneck":
                choices |= {f"ratio_{i}": stage.ratio, f"groups_{i}": stage.groups}
            if stage.stride != stride:
                choices[f"stride_{i}"] = stage.stride
        if network.stem_width != self._stem_width:
            choices["stem_width"] = network.stem_width
        if network.stem_stride:
            choices["stem_stride"] = network.stem_stride
        return choices

    def parse(self, notation: object) -> str:
        """A key; a record of NDS or its `net`, as JSON too."""
        if isinstance(notation, str):
            text = notation.strip()
            if text.startswith("{"):
                try:
                    return self.parse(json.loads(text))
                except (json.JSONDecodeError, RecursionError) as error:
                    raise InvalidArchitecture(f"not a JSON record: {error}") from None
            return self._checked(residual_from_key(text)).key
        if isinstance(notation, Mapping):
            return self._checked(residual_from_record(notation)).key
        raise InvalidArchitecture(
            f"not a residual network: {notation!r:.80}", hint=f"a key such as {self.example}, or a record"
        )

    def largest(self) -> str:
        family = self._family
        stages = [
            ResidualStage(max(family.depths), max(family.widths), stride, max(family.ratios, default=1.0))
            for stride in STRIDES
        ]
        return Residual(family.kind, self._stem_width, 0, tuple(stages)).key

    def traits(self, key: str) -> dict[str, float]:
        """Blocks and widths by stage, and convolutions with weights on the ways from the image to the last stage."""
        network = self._network(key)
        branch = step(3 if network.kind == "bottleneck" else 2)
        stages: dict[str, float] = {}
        inputs, ways = network.stem_width, step(1)
        for i, stage in enumerate(network.stages, start=1):
            stages |= {f"blocks.{i}": float(stage.blocks), f"width.{i}": float(stage.width)}
            if network.kind == "bottleneck":
                stages |= {f"ratio.{i}": stage.ratio, f"groups.{i}": float(stage.groups)}
            projected = inputs != stage.width or stage.stride != 1
            for block in range(stage.blocks):
                shortcut = step(int(block == 0 and projected))
                ways = ways.then(branch if network.kind == "plain" else shared([branch, shortcut]))
            inputs = stage.width
        blocks = sum(stage.blocks for stage in network.stages)
        width = sum(stage.blocks * stage.width for stage in network.stages) / blocks
        sizes = {"stem_width": float(network.stem_width), "depth": float(blocks), "width": width}
        return sizes | ways.traits("paths") | stages

    def diagram(self, key: str) -> Diagram:
        network = self._network(key)
        shrink = 1 if self.options.stem == "cifar" else network.stem_stride or 8
        levels = [Level("stem", network.stem_width, shrink)]
        for stage in network.stages:
            shrink *= stage.stride
            levels.append(Level(times(stage.blocks, "block"), stage.width, shrink))
        return Diagram(_panels(network), tuple(levels))

    def size(self) -> int:
        return math.prod(len(values) for values in self.parameters().values())

    def build(
        self, key: str, shape: tuple[int, ...], outputs: int, fidelity: Fidelity = FULL, *, pruned: bool = True
    ) -> Network:
        from eproxyctl.networks.residual import ResidualNetwork

        return self._made(ResidualNetwork, key, shape, outputs, fidelity, pruned)

    def params_and_macs(
        self, key: str, shape: tuple[int, ...], outputs: int, fidelity: Fidelity = FULL, *, pruned: bool = False
    ) -> tuple[int, int]:
        return self._made(residual, key, shape, outputs, fidelity, pruned)

    def _made(
        self, make: Callable[..., T], key: str, shape: tuple[int, ...], outputs: int, fidelity: Fidelity, pruned: bool
    ) -> T:
        """The network, or its size: of the same arguments."""
        network = self._network(key)
        stages = []
        for stage in network.stages:
            width = fidelity.scale(stage.width, fidelity.width)
            inner = stage.groups * max(1, round(width * stage.ratio / stage.groups))
            blocks = fidelity.scale(stage.blocks, fidelity.depth)
            stages.append(StageShape(blocks, width, stage.stride, inner, stage.groups))
        return make(
            shape,
            outputs,
            kind=network.kind,
            stem_width=2 * fidelity.scale(network.stem_width // 2, fidelity.width),
            stem_stride=1 if self.options.stem == "cifar" else network.stem_stride or 8,
            stages=stages,
        )

    def _network(self, key: str) -> Residual:
        return self._checked(residual_from_key(key))

    def _checked(self, network: Residual) -> Residual:
        if network.kind != self._family.kind:
            raise InvalidArchitecture(
                f"family {self.options.family} has {self._family.kind} blocks, not {network.kind}",
                hint=f"set `family` to the file's name: {', '.join(get_args(FamilyName))}",
            )
        return network


def _panels(network: Residual) -> tuple[Panel, ...]:
    """Each kind of block once, with the stages it is in."""
    alike: dict[tuple[float, int], list[int]] = {}
    for i, stage in enumerate(network.stages, start=1):
        alike.setdefault((stage.ratio, stage.groups), []).append(i)
    shortcut = None if network.kind == "plain" else ""
    note = "" if shortcut is None else "where the shape changes, a 1×1 convolution is in the shortcut"
    panels: list[Panel] = []
    for (ratio, groups), stages in alike.items():
        middle = f"conv 3×3, {groups} groups" if groups > 1 else "conv 3×3"
        row: list[tuple[str, Look]] = [("conv 3×3", "convolution")] * 2
        if network.kind == "bottleneck":
            neck = "1×1" if ratio == 1 else f"1×1 to {ratio:g} of the width"
            row = [(f"conv {neck}", "convolution"), (middle, "convolution"), ("conv 1×1", "convolution")]
        title = f"block of {places(stages, 'stage')}"
        panels.append(residual_block(title, row, shortcut, note if not panels else ""))
    return tuple(panels)


def _get(choices: Mapping[str, Choice], name: str) -> Choice:
    if name not in choices:
        raise InvalidArchitecture(f"no choice for {name}", hint=did_you_mean(name, choices))
    return choices[name]
