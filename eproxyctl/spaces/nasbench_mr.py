"""NAS-Bench-MR: multi-resolution networks of four stages, each with one more parallel branch than the one before."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Literal, TypeVar

from pydantic import Field

from eproxyctl.contracts import FULL, Choice, Diagram, Drawable, Fidelity, Level, Sized, Space, SpaceOptions, Vertex
from eproxyctl.errors import InvalidArchitecture
from eproxyctl.networks.counting.nasbench_mr import nasbench_mr
from eproxyctl.spaces.diagrams import settled_vertices, times
from eproxyctl.spaces.notation import checked, integers, listed, literal, shown

if TYPE_CHECKING:
    from eproxyctl.contracts import Network

T = TypeVar("T")
STAGES = (1, 2, 3, 4)
"""The number of branches of each stage."""
COUNTS = (1, 2, 3, 4)
WIDTHS = tuple(range(8, 129, 8))
SETTINGS = ("inverted_residual_setting", "network_setting")
GROUP = re.compile(r"[0-9]{1,3}(_[0-9]{1,3})*")


@dataclass(frozen=True)
class MrStage:
    """`modules` equal modules in a row; `blocks` and `widths` are those of each branch, the finest first."""

    modules: int
    blocks: tuple[int, ...]
    widths: tuple[int, ...]


@dataclass(frozen=True)
class MrArchitecture:
    """What a key says: the channels of the two stem convolutions, the four stages, the channels of the last layer."""

    stem: tuple[int, ...]
    stages: tuple[MrStage, ...]
    last: int

    @property
    def key(self) -> str:
        groups = [self.stem]
        groups += [(s.modules, len(s.blocks), *s.blocks, *s.widths) for s in self.stages]
        return "-".join("_".join(map(str, group)) for group in (*groups, (self.last,)))


class NasBenchMrSpace(Space, Sized, Drawable):
    """NAS-Bench-MR: 10²⁴ multi-resolution networks of 27 choices, 2,507 of them trained on nine tasks.

    A network is a stem and four stages. Stage s has s parallel branches, each at half the resolution of the one before,
    and one to four equal modules: neighbouring branches are fused, then each goes through its residual blocks. At the
    end all branches are brought to one resolution and joined. The choices: for each stage the number of modules, and
    for each branch its blocks and its channels; the channels of the stem and of the last layer.
    Maps are the joined output and the joined branches of the two modules before the last, as Eproxy's authors have it.
    """

    kind = "nasbench-mr"
    ranks = (1, 2, 3)
    example = "32_16-1_1_1_32-3_2_3_2_16_32-1_3_1_1_1_112_48_32-2_4_4_3_4_2_32_64_32_112-128"
    source = "Ding et al., Learning Versatile Neural Architectures by Propagating Network Codes, ICLR 2022"

    class Options(SpaceOptions):
        stem_stride: Literal[1, 2, 4] = Field(
            4, description="how much the stem divides the resolution; Eproxy's authors score 32×32 inputs with 1"
        )
        join: Literal[0, 1, 2, 3] = Field(
            0,
            description="branch whose resolution the joined maps have: 0 the finest, as for segmentation; 3 the "
            "coarsest, as for classification; Eproxy's authors score with 2",
        )

    options: Options

    def parameters(self) -> Mapping[str, tuple[Choice, ...]]:
        parameters: dict[str, tuple[Choice, ...]] = {"stem-1": WIDTHS, "stem-2": WIDTHS}
        for stage in STAGES:
            parameters[f"modules-{stage}"] = COUNTS
            parameters |= {f"blocks-{stage}-{b}": COUNTS for b in range(1, stage + 1)}
            parameters |= {f"width-{stage}-{b}": WIDTHS for b in range(1, stage + 1)}
        return parameters | {"last": WIDTHS}

    def encode(self, choices: Mapping[str, Choice]) -> str:
        chosen = checked(choices, self.parameters())
        return _from_code(tuple(int(value) for value in chosen.values())).key

    def choices(self, key: str) -> dict[str, Choice]:
        architecture = _architecture(key)
        code = [*architecture.stem]
        for stage in architecture.stages:
            code += [stage.modules, *stage.blocks, *stage.widths]
        return dict(zip(self.parameters(), [*code, architecture.last], strict=True))

    def parse(self, notation: object) -> str:
        """The key itself, the benchmark's own code; its record of channels and modules; its 27 numbers."""
        if isinstance(notation, str):
            text = notation.strip()
            return self.parse(literal(text)) if text[:1] in ("[", "(", "{") else _architecture(text).key
        if isinstance(notation, Mapping):
            return _from_record(notation).key
        code = integers(notation)
        if code is not None and len(code) == len(self.parameters()):
            return _from_code(code).key
        raise InvalidArchitecture(f"not a NAS-Bench-MR architecture: {shown(notation)}", hint=_hint())

    def largest(self) -> str:
        stages = tuple(MrStage(COUNTS[-1], COUNTS[-1:] * n, WIDTHS[-1:] * n) for n in STAGES)
        return MrArchitecture(WIDTHS[-1:] * 2, stages, WIDTHS[-1]).key

    def traits(self, key: str) -> dict[str, float]:
        architecture = _architecture(key)
        traits = {"last": float(architecture.last), "stem": float(architecture.stem[-1])}
        blocks, weights = dict.fromkeys(STAGES, 0), dict.fromkeys(STAGES, 0)
        for stage in architecture.stages:
            for branch, (count, width) in enumerate(zip(stage.blocks, stage.widths, strict=True), start=1):
                blocks[branch] += stage.modules * count
                weights[branch] += stage.modules * count * width
        traits |= {f"blocks.{branch}": float(blocks[branch]) for branch in STAGES}
        traits |= {f"width.{branch}": weights[branch] / blocks[branch] for branch in STAGES}
        modules = sum(stage.modules for stage in architecture.stages)
        deepest = sum(stage.modules * max(stage.blocks) for stage in architecture.stages)
        return traits | {"modules": float(modules), "depth": 2.0 * deepest + modules + 3}

    def diagram(self, key: str) -> Diagram:
        architecture, shrink = _architecture(key), self.options.stem_stride
        vertices, arrows = [Vertex("in", "stem", "input", detail=f"{architecture.stem[-1]} channels")], []
        levels = [Level("stem", architecture.stem[-1], shrink)]
        for s, stage in enumerate(architecture.stages, start=1):
            for b, (blocks, width) in enumerate(zip(stage.blocks, stage.widths, strict=True)):
                label = times(stage.modules, f"{blocks} block{'s' if blocks > 1 else ''}, {width}")
                detail = (
                    f"stage {s}, 1/{shrink * 2**b} of the side: {times(stage.modules, f'{blocks} residual blocks')}"
                )
                vertices.append(Vertex(f"{s}.{b}", label, "convolution", detail=f"{detail}, {width} channels"))
                arrows += [(f"{s - 1}.{c}" if s > 1 else "in", f"{s}.{b}") for c in _fused(s, b)]
            levels.append(Level(f"stage {s}", sum(stage.widths), shrink))
        last = len(STAGES)
        vertices.append(Vertex("out", "join, 1×1", "output", detail=f"{architecture.last} channels"))
        arrows += [(f"{last}.{b}", "out") for b in range(last)]
        levels.append(Level("join, 1×1", architecture.last, shrink * 2**self.options.join))
        note = "modules × residual blocks, channels; a branch has half the resolution of the one above it"
        network = settled_vertices(
            "branches of the four stages", vertices, arrows, sources=["in"], outputs=["out"], note=note
        )
        return Diagram((network,), tuple(levels))

    def size(self) -> int:
        size = 1
        for options in self.parameters().values():
            size *= len(options)
        return size

    def build(
        self, key: str, shape: tuple[int, ...], outputs: int, fidelity: Fidelity = FULL, *, pruned: bool = True
    ) -> Network:
        """Nothing is ever dead, so pruned is the official network."""
        from eproxyctl.networks.nasbench_mr import NasBenchMr

        return self._made(NasBenchMr, key, shape, outputs, fidelity, pruned)

    def params_and_macs(
        self, key: str, shape: tuple[int, ...], outputs: int, fidelity: Fidelity = FULL, *, pruned: bool = False
    ) -> tuple[int, int]:
        return self._made(nasbench_mr, key, shape, outputs, fidelity, pruned)

    def _made(
        self, make: Callable[..., T], key: str, shape: tuple[int, ...], outputs: int, fidelity: Fidelity, pruned: bool
    ) -> T:
        """The network, or its size: of the same arguments."""
        architecture = _architecture(key)
        return make(
            shape,
            outputs,
            stem=[fidelity.scale(width, fidelity.width) for width in architecture.stem],
            stem_stride=self.options.stem_stride,
            modules=[module for stage in architecture.stages for module in _modules(stage, fidelity)],
            last=fidelity.scale(architecture.last, fidelity.width),
            join=self.options.join,
        )


def _modules(stage: MrStage, fidelity: Fidelity) -> Iterator[tuple[list[int], list[int]]]:
    """(blocks, widths) of each module. Depth is taken from the modules first, what is left from the blocks."""
    modules = fidelity.scale(stage.modules, fidelity.depth)
    share = min(1.0, fidelity.depth * stage.modules / modules)
    for _ in range(modules):
        yield (
            [fidelity.scale(blocks, share) for blocks in stage.blocks],
            [fidelity.scale(width, fidelity.width) for width in stage.widths],
        )


def _fused(stage: int, branch: int) -> list[int]:
    """Branches of the stage before that flow into a branch of a stage."""
    before = max(1, stage - 1)
    return [c for c in range(before) if abs(c - branch) <= 1]


@lru_cache(maxsize=4_096)
def _architecture(key: str) -> MrArchitecture:
    groups = key.split("-")
    if len(groups) != len(STAGES) + 2 or not all(GROUP.fullmatch(group) for group in groups):
        raise InvalidArchitecture(f"not a NAS-Bench-MR key: {shown(key)}", hint=_hint())
    numbers = [[int(number) for number in group.split("_")] for group in groups]
    code = list(numbers[0])
    for branches, group in zip(STAGES, numbers[1:-1], strict=True):
        if len(group) != 2 + 2 * branches or group[1] != branches:
            raise InvalidArchitecture(
                f"{'_'.join(map(str, group))} is no stage of {branches} branches in {shown(key)}",
                hint="a stage is modules_branches, the blocks of each branch, the channels of each branch",
            )
        code += [group[0], *group[2:]]
    return _from_code((*code, *numbers[-1]))


def _from_code(code: tuple[int, ...]) -> MrArchitecture:
    """From the 27 numbers, stage by stage: modules, blocks of each branch, channels of each branch."""
    if len(code) != 3 + sum(1 + 2 * branches for branches in STAGES):
        raise InvalidArchitecture(f"a NAS-Bench-MR code has 27 numbers, not {len(code)}", hint=_hint())
    stages, at = [], 2
    for branches in STAGES:
        blocks, widths = code[at + 1 : at + 1 + branches], code[at + 1 + branches : at + 1 + 2 * branches]
        stages.append(MrStage(_count(code[at]), tuple(map(_count, blocks)), tuple(map(_width, widths))))
        at += 1 + 2 * branches
    return MrArchitecture(tuple(map(_width, code[:2])), tuple(stages), _width(code[-1]))


def _from_record(record: Mapping[object, object]) -> MrArchitecture:
    setting = next((listed(record[name]) for name in SETTINGS if name in record), None)
    stem, last = integers(record.get("input_channel")), integers([record.get("last_channel")])
    if setting is None or stem is None or len(stem) != 2 or last is None:
        raise InvalidArchitecture(
            f"not a NAS-Bench-MR record: {shown(dict(record))}",
            hint="it has input_channel [a, b], inverted_residual_setting and last_channel",
        )
    modules = [_module(module) for module in setting]
    stages = [(module, len(list(group))) for module, group in groupby(modules)]
    if [len(blocks) for (blocks, _), _ in stages] != list(STAGES):
        raise InvalidArchitecture(
            f"not four stages of 1, 2, 3 and 4 branches, the modules of a stage equal: {shown(setting)}",
            hint="list the modules in order: first those of one branch, last those of four",
        )
    code: list[int] = [*stem]
    for (blocks, widths), count in stages:
        code += [count, *blocks, *widths]
    return _from_code((*code, *last))


def _module(module: object) -> tuple[tuple[int, ...], tuple[int, ...]]:
    parts = listed(module)
    if parts is not None and len(parts) == 3:
        blocks, widths = integers(parts[1]), integers(parts[2])
        if blocks is not None and widths is not None and parts[0] == len(blocks) == len(widths):
            return blocks, widths
    raise InvalidArchitecture(
        f"not a module of NAS-Bench-MR: {shown(module)}", hint="write it as [branches, [blocks, …], [channels, …]]"
    )


def _count(number: int) -> int:
    if number not in COUNTS:
        raise InvalidArchitecture(f"{number} modules or blocks", hint="1 to 4")
    return number


def _width(number: int) -> int:
    if number not in WIDTHS:
        raise InvalidArchitecture(f"{number} channels", hint="a multiple of 8, from 8 to 128")
    return number


def _hint() -> str:
    return f"write it as {NasBenchMrSpace.example} or as the benchmark's record"
