"""A declared architecture as a picture: its blocks in a row, equal ones in a row as one, and its stages as levels."""

from __future__ import annotations

import itertools

from eproxyctl.contracts import Arrow, Diagram, Level, Look, Panel, Vertex
from eproxyctl.spaces.declared.architecture import Built, Standing

LOOKS: dict[str, Look] = {
    "conv": "convolution",
    "basic": "convolution",
    "bottleneck": "convolution",
    "separable": "separable",
    "mbconv": "separable",
    "fused_mbconv": "separable",
    "convnext": "separable",
    "pool": "pooling",
    "identity": "skip",
    "patch": "convolution",
    "vit": "linear",
    "mixer": "linear",
}
"""How built-in blocks look; blocks of plugins look like arithmetic."""


def picture(built: Built, shape: tuple[int, ...]) -> Diagram:
    """The picture of an architecture that takes inputs of a shape (channels, *spatial)."""
    parts = [("stem", built.stem), *((f"stage {i}", stage) for i, stage in enumerate(built.stages, start=1))]
    vertices = [Vertex("in", "in", "input")]
    for title, blocks in parts:
        for count, standing in _counted(blocks):
            kind = standing.made.block.kind
            label = kind if count == 1 else f"{count} × {kind}"
            name = f"{title} {len(vertices)}"
            vertices.append(Vertex(name, label, LOOKS.get(kind, "arithmetic"), detail=f"{title}: {standing.made.name}"))
    vertices.append(Vertex("out", "head", "output"))
    arrows = [Arrow(one.name, other.name) for one, other in itertools.pairwise(vertices)]
    titles = [title for title, _ in parts][-len(built.ends) :]
    levels = [
        Level(title, channels, max(1, round(shape[1] / sides[0])) if sides else None)
        for title, (channels, sides, _, _) in zip(titles, built.ends, strict=True)
    ]
    return Diagram((Panel("blocks", tuple(vertices), tuple(arrows)),), tuple(levels))


def _counted(blocks: tuple[Standing, ...]) -> list[tuple[int, Standing]]:
    """Equal blocks in a row as one, with their number."""
    groups = (list(group) for _, group in itertools.groupby(blocks, key=lambda standing: standing.made.name))
    return [(len(group), group[0]) for group in groups]
