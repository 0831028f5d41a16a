"""Residual networks of three stages as plain values: their keys, and the records of NDS.

A key is `BLOCK-STEM-STAGE-STAGE-STAGE`: block plain, basic or bottleneck; the stem's width; each stage as
`BLOCKSxWIDTH`, for bottlenecks with `bMULTIPLIERgGROUPS` behind it. A stride is written, as `s1`, only where it is not
the usual one: 1, 2, 2.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, cast

from eproxyctl.errors import InvalidArchitecture, did_you_mean

Kind = Literal["plain", "basic", "bottleneck"]
KINDS: dict[str, Kind] = {
    "double_plain_block": "plain",
    "vanilla_block": "plain",
    "res_basic_block": "basic",
    "res_bottleneck_block": "bottleneck",
}
"""Blocks by their names in the records."""
STAGES = 3
STRIDES = (1, 2, 2)
STEM_STRIDES = (1, 2, 4, 8)
MOST_BLOCKS, MOST_WIDTH = 512, 65_536
KEY = re.compile(r"(plain|basic|bottleneck)-(\d{1,5})(?:s(\d))?-(\S+)")
STAGE = re.compile(r"(\d{1,3})x(\d{1,5})(?:b(\d{1,3}(?:\.\d{1,6})?)g(\d{1,5}))?(?:s(\d))?")


@dataclass(frozen=True)
class ResidualStage:
    """Blocks of one width.

    Attributes:
        ratio: the bottleneck's channels as a share of the width.
        groups: of the bottleneck's 3×3 convolution.
        stride: of the first block.
    """

    blocks: int
    width: int
    stride: int
    ratio: float = 1.0
    groups: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.blocks <= MOST_BLOCKS:
            raise InvalidArchitecture(f"a stage of {self.blocks} blocks", hint=f"1 to {MOST_BLOCKS}")
        if not 1 <= self.width <= MOST_WIDTH:
            raise InvalidArchitecture(f"a stage of width {self.width}", hint=f"1 to {MOST_WIDTH}")
        if self.stride not in (1, 2):
            raise InvalidArchitecture(f"a stage of stride {self.stride}", hint="1 or 2")
        if not 0 < self.ratio <= 16:
            raise InvalidArchitecture(f"a bottleneck multiplier of {self.ratio}", hint="above 0, such as 0.25, to 16")
        if self.groups < 1 or self.inner < 1 or self.inner % self.groups:
            raise InvalidArchitecture(
                f"{self.groups} groups of {self.inner} channels (width {self.width} times {self.ratio:g})",
                hint="the number of groups divides the bottleneck's channels",
            )

    @property
    def inner(self) -> int:
        """Channels inside the bottleneck."""
        return round(self.width * self.ratio)


@dataclass(frozen=True)
class Residual:
    """A whole architecture; `stem_stride` is 0 where the stem is the usual one of the data set."""

    kind: Kind
    stem_width: int
    stem_stride: int
    stages: tuple[ResidualStage, ...]

    def __post_init__(self) -> None:
        if not 2 <= self.stem_width <= MOST_WIDTH or self.stem_width % 2:
            raise InvalidArchitecture(f"a stem of width {self.stem_width}", hint=f"an even number, 2 to {MOST_WIDTH}")
        if self.stem_stride not in (0, *STEM_STRIDES):
            raise InvalidArchitecture(f"a stem of stride {self.stem_stride}", hint="1, 2, 4 or 8")
        if len(self.stages) != STAGES:
            raise InvalidArchitecture(
                f"{len(self.stages)} stages", hint=f"{STAGES}; entry 0 of a record's ds, ws, ss is the stem"
            )

    @property
    def key(self) -> str:
        stem = f"{self.stem_width}s{self.stem_stride}" if self.stem_stride else str(self.stem_width)
        stages = []
        for stage, stride in zip(self.stages, STRIDES, strict=True):
            neck = f"b{_decimal(stage.ratio)}g{stage.groups}" if self.kind == "bottleneck" else ""
            stages.append(f"{stage.blocks}x{stage.width}{neck}{f's{stage.stride}' if stage.stride != stride else ''}")
        return f"{self.kind}-{stem}-{'-'.join(stages)}"


@lru_cache(maxsize=4_096)
def residual_from_key(key: str) -> Residual:
    """The architecture a key names."""
    hint = "write it as bottleneck-64-1x16b1g1-2x128b0.25g4-16x64b0.5g2 or basic-16-3x64-2x128-4x256"
    match = KEY.fullmatch(key)
    if not match:
        raise InvalidArchitecture(f"not a residual network: {key[:200]}", hint=hint)
    kind = cast(Kind, match[1])
    texts = match[4].split("-")
    stages = []
    for text, stride in zip(texts, STRIDES, strict=False):
        stage = STAGE.fullmatch(text)
        if not stage or (stage[3] is not None) != (kind == "bottleneck"):
            raise InvalidArchitecture(f"not a stage of {kind} blocks: {text[:60]}", hint=hint)
        own = int(stage[5]) if stage[5] else stride
        neck = (float(stage[3]), int(stage[4])) if stage[3] else (1.0, 1)
        stages.append(ResidualStage(int(stage[1]), int(stage[2]), own, *neck))
    if len(texts) != STAGES:
        raise InvalidArchitecture(f"{len(texts)} stages in {key[:200]}", hint=hint)
    return _usual(Residual(kind, int(match[2]), int(match[3] or 0), tuple(stages)))


def residual_from_record(record: Mapping[str, object]) -> Residual:
    """A record of NDS or its `net`."""
    net = record.get("net", record)
    if not isinstance(net, Mapping):
        raise InvalidArchitecture(f"net is no record: {net!r:.80}", hint="the names and values that NDS publishes")
    block = net.get("block_type")
    if not isinstance(block, str) or block not in KINDS:
        raise InvalidArchitecture(f"block_type {block!r:.80}", hint=did_you_mean(str(block), KINDS))
    kind = KINDS[block]
    ds, ws, ss = (_column(net, name) for name in ("ds", "ws", "ss"))
    ratios: Sequence[object] = [1.0] * len(ds)
    groups: Sequence[object] = [1] * len(ds)
    if kind == "bottleneck":
        ratios, groups = _column(net, "bot_muls"), _column(net, "num_gs")
    if len({len(column) for column in (ds, ws, ss, ratios, groups)}) > 1:
        raise InvalidArchitecture("ds, ws, ss, bot_muls and num_gs differ in length", hint="one entry for each stage")
    rows = list(zip(ds, ws, ss, ratios, groups, strict=True))
    stages = tuple(
        ResidualStage(integer(d, "ds"), integer(w, "ws"), integer(s, "ss"), real(r, "bot_muls"), integer(g, "num_gs"))
        for d, w, s, r, g in rows[1:]
    )
    return _usual(Residual(kind, integer(ws[0], "ws"), integer(ss[0], "ss"), stages))


def _usual(network: Residual) -> Residual:
    """Strides 1 and 8 are those of CIFAR-10 and ImageNet, which the space's option `stem` decides."""
    return replace(network, stem_stride=0) if network.stem_stride in (1, 8) else network


def _column(net: Mapping[str, object], name: str) -> Sequence[object]:
    column = net.get(name)
    if not isinstance(column, Sequence) or isinstance(column, str) or not column:
        raise InvalidArchitecture(f"{name} {column!r:.80}", hint="a list: the stem, then the stages")
    return column


def integer(value: object, name: str) -> int:
    """`value`, if it is a whole number; `name` is what it is called."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidArchitecture(f"{name} has {value!r:.80}", hint="whole numbers")
    return value


def real(value: object, name: str) -> float:
    """`value`, if it is a finite number; `name` is what it is called."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidArchitecture(f"{name} has {value!r:.80}", hint="numbers such as 0.25")
    return float(value)


def _decimal(ratio: float) -> str:
    return f"{ratio:.6f}".rstrip("0").rstrip(".")
