"""A worked space plugin: plain convolutional networks that differ in width, depth and skips only."""

from collections.abc import Iterator, Mapping
from itertools import pairwise, product
from typing import Any

from eproxyctl import FULL, Arrow, Choice, Diagram, Drawable, Fidelity, InvalidArchitecture, Level, Panel, Space, Vertex

CHOICES: dict[str, tuple[int, ...]] = {"depth": (1, 2, 3, 4), "width": (8, 16, 32), "skip": (0, 1)}


class PlainSpace(Space, Drawable):
    """Plain: rows of 1 to 4 equal convolutions of 8, 16 or 32 channels, with skips or without: 24 keys, 21 networks."""

    kind = "plain"
    example = "2x16s1"

    def parameters(self) -> Mapping[str, tuple[Choice, ...]]:
        return CHOICES

    def encode(self, choices: Mapping[str, Choice]) -> str:
        return f"{choices['depth']}x{choices['width']}s{choices['skip']}"

    def choices(self, key: str) -> dict[str, Choice]:
        depth, width, skip = _read(self.parse(key))
        return {"depth": depth, "width": width, "skip": skip}

    def parse(self, notation: object) -> str:
        if not isinstance(notation, str) or notation.strip() not in set(self.keys()):
            raise InvalidArchitecture(
                f"not an architecture: {notation!r}", hint="write depth x width s skip, as 2x16s1"
            )
        return notation.strip()

    def canonical(self, key: str) -> str:
        """With one block there is nothing to skip: `1x16s1` is the network that `1x16s0` is, and is scored once.

        Without `canonical`, an architecture that the proxy was tuned on could be held out too, under another key.
        """
        depth, width, skip = _read(key)
        return f"{depth}x{width}s{skip if depth > 1 else 0}"

    def traits(self, key: str) -> dict[str, float]:
        """Structure, read from the key: what few-shot and `pick: spread` know of an architecture besides its size."""
        depth, width, skip = _read(self.canonical(key))
        return {"depth": float(depth), "width": float(width), "count.skip": float(skip * (depth - 1))}

    def largest(self) -> str:
        return "4x32s1"

    def keys(self) -> Iterator[str]:
        return (f"{depth}x{width}s{skip}" for depth, width, skip in product(*CHOICES.values()))

    def size(self) -> int:
        return 24

    def diagram(self, key: str) -> Diagram:
        depth, width, skip = _read(self.parse(key))
        label = "conv 3×3 + skip" if skip and depth > 1 else "conv 3×3"
        layers = [Vertex(str(layer), label, "convolution") for layer in range(1, depth + 1)]
        row = (Vertex("in", "in", "input"), *layers, Vertex("out", "out", "output"))
        arrows = tuple(Arrow(before.name, after.name) for before, after in pairwise(row))
        return Diagram((Panel("network", row, arrows),), (Level(f"{depth} × conv", width),))

    def build(
        self, key: str, shape: tuple[int, ...], outputs: int, fidelity: Fidelity = FULL, *, pruned: bool = True
    ) -> Any:
        from torch import Tensor, nn

        depth, width, skip = _read(key)
        depth, width = fidelity.scale(depth, fidelity.depth), fidelity.scale(width, fidelity.width)

        class Network(nn.Module):
            channels = (width,)

            def __init__(self) -> None:
                super().__init__()
                sizes = [shape[0]] + [width] * depth
                blocks = [
                    nn.Sequential(nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU())
                    for a, b in pairwise(sizes)
                ]
                self.blocks = nn.ModuleList(blocks)
                self.classifier = nn.Linear(width, outputs)

            def features(self, batch: Tensor) -> list[Tensor]:
                maps = self.blocks[0](batch)
                for block in self.blocks[1:]:
                    maps = block(maps) + maps if skip else block(maps)
                return [maps]

            def forward(self, batch: Tensor) -> Tensor:
                logits: Tensor = self.classifier(self.features(batch)[0].flatten(2).mean(2))
                return logits

        return Network()


def _read(key: str) -> tuple[int, int, int]:
    """Depth, width and skip of a key."""
    depth, _, rest = key.partition("x")
    width, _, skip = rest.partition("s")
    return int(depth), int(width), int(skip)
