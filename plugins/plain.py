"""A worked space plugin: plain convolutional networks that differ in width and depth only."""

from collections.abc import Iterator, Mapping
from itertools import pairwise, product
from typing import Any

from eproxyctl import FULL, Arrow, Choice, Diagram, Drawable, Fidelity, InvalidArchitecture, Level, Panel, Space, Vertex

CHOICES: dict[str, tuple[int, ...]] = {"depth": (1, 2, 3, 4), "width": (8, 16, 32)}


class PlainSpace(Space, Drawable):
    """Plain: rows of 1 to 4 equal convolutions of 8, 16 or 32 channels, 12 networks in all."""

    kind = "plain"
    example = "2x16"

    def parameters(self) -> Mapping[str, tuple[Choice, ...]]:
        return CHOICES

    def encode(self, choices: Mapping[str, Choice]) -> str:
        return f"{choices['depth']}x{choices['width']}"

    def choices(self, key: str) -> dict[str, Choice]:
        depth, width = self.parse(key).split("x")
        return {"depth": int(depth), "width": int(width)}

    def parse(self, notation: object) -> str:
        if notation not in set(self.keys()):
            raise InvalidArchitecture(f"not an architecture: {notation!r}", hint="write depth x width, as 2x16")
        return str(notation)

    def largest(self) -> str:
        return "4x32"

    def keys(self) -> Iterator[str]:
        return (f"{depth}x{width}" for depth, width in product(*CHOICES.values()))

    def size(self) -> int:
        return 12

    def diagram(self, key: str) -> Diagram:
        depth, width = (int(part) for part in self.parse(key).split("x"))
        layers = [Vertex(str(layer), "conv 3×3", "convolution") for layer in range(1, depth + 1)]
        row = (Vertex("in", "in", "input"), *layers, Vertex("out", "out", "output"))
        arrows = tuple(Arrow(before.name, after.name) for before, after in pairwise(row))
        return Diagram((Panel("network", row, arrows),), (Level(f"{depth} × conv", width),))

    def build(
        self, key: str, shape: tuple[int, ...], outputs: int, fidelity: Fidelity = FULL, *, pruned: bool = True
    ) -> Any:
        from torch import Tensor, nn

        depth, width = (int(part) for part in key.split("x"))
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
                self.blocks = nn.Sequential(*blocks)
                self.classifier = nn.Linear(width, outputs)

            def features(self, batch: Tensor) -> list[Tensor]:
                return [self.blocks(batch)]

            def forward(self, batch: Tensor) -> Tensor:
                return self.classifier(self.features(batch)[0].flatten(2).mean(2))

        return Network()
