"""Architectures as pictures: a space says what is in one (`contracts.Drawable`), this lays it out and writes SVG."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from eproxyctl.contracts import Drawable, Space
from eproxyctl.drawing.opening import opened_space
from eproxyctl.drawing.svg import render
from eproxyctl.errors import UsageError

__all__ = ["Drawing", "draw", "drawing", "opened_space"]


@dataclass(frozen=True)
class Drawing:
    """A picture; a notebook shows it.

    Attributes:
        svg: a whole SVG document.
    """

    svg: str

    def _repr_svg_(self) -> str:
        return self.svg


def draw(space: Space | str | Path, key: object) -> Drawing:
    """An architecture as a picture.

    Args:
        space: itself; or its kind, or a path: to a spec, to a YAML file of its section alone, or to a run directory.
        key: an architecture, in any notation the space reads.

    Raises:
        UsageError: a space that does not say what its architectures look like.
        SpecError: no space, or no architecture of it.
    """
    if isinstance(space, Space):
        return drawing(space, key)
    found = opened_space(space)
    return drawing(found.space, key, resolution=found.resolution)


def drawing(space: Space, key: object, *, heading: bool = True, resolution: int | None = None) -> Drawing:
    """As `draw`, of a space at hand.

    Args:
        heading: whether kind and key stand above the picture.
        resolution: side of an input in pixels; with it the sides of all maps are known.
    """
    if not isinstance(space, Drawable):
        raise UsageError(
            f"space '{space.kind}' does not say what its architectures look like",
            hint="a space that can be drawn derives from eproxyctl.Drawable too, and has a `diagram`",
        )
    name = space.parse(key)
    return Drawing(render(space.diagram(name), f"{space.kind}: {name}", heading=heading, resolution=resolution))
