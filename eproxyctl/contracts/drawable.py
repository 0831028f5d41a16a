"""What a space may also do: say what an architecture looks like, so that it can be drawn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Literal

from eproxyctl.errors import PluginError

Look = Literal[
    "input",
    "output",
    "value",
    "convolution",
    "separable",
    "pooling",
    "skip",
    "none",
    "linear",
    "activation",
    "arithmetic",
]
"""What a vertex is, which decides its colour: an end, a value in between (a sum, or values joined), or an operation."""


@dataclass(frozen=True)
class Vertex:
    """An operation, or a value.

    Attributes:
        name: unlike all others of its panel.
        label: what is written in it, short.
        look: what it is.
        dead: no output depends on it.
        detail: what a pointer over it shows; the label where empty.
    """

    name: str
    label: str
    look: Look
    dead: bool = False
    detail: str = ""


@dataclass(frozen=True)
class Arrow:
    """What flows from one vertex into another, both by name."""

    source: str
    target: str
    dead: bool = False


@dataclass(frozen=True)
class Panel:
    """One directed graph without circles: a cell, a block, or a whole network; `note` stands below it.

    Raises:
        PluginError: two vertices of one name, an arrow from or to nothing, a circle, or no vertex at all.
    """

    title: str
    vertices: tuple[Vertex, ...]
    arrows: tuple[Arrow, ...]
    note: str = ""

    def __post_init__(self) -> None:
        names = [vertex.name for vertex in self.vertices]
        loose = {end for arrow in self.arrows for end in (arrow.source, arrow.target)} - set(names)
        fault = ""
        if not names:
            fault = "it has no vertices"
        elif len(set(names)) < len(names):
            fault = "two of its vertices have the same name"
        elif loose:
            fault = f"an arrow names '{min(loose)}', which is no vertex"
        else:
            try:
                TopologicalSorter(self.before).prepare()
            except CycleError:
                fault = "its arrows make a circle"
        if fault:
            raise PluginError(f"the picture '{self.title}' cannot be drawn: {fault}", hint="mend the space's diagram")

    @property
    def before(self) -> dict[str, list[str]]:
        """By the name of each vertex the names of those that feed it."""
        before: dict[str, list[str]] = {vertex.name: [] for vertex in self.vertices}
        for arrow in self.arrows:
            before[arrow.target].append(arrow.source)
        return before


@dataclass(frozen=True)
class Level:
    """A part of the whole network, in the order in which an input goes through it.

    Attributes:
        title: what stands there, such as `5 × cell`.
        channels: that leave it.
        shrink: sides of its input image divided by those of its maps; None where there are no maps.
    """

    title: str
    channels: int
    shrink: int | None = 1


@dataclass(frozen=True)
class Diagram:
    """An architecture as a picture: the graphs of its cells or blocks, and the row of levels they are put into."""

    panels: tuple[Panel, ...]
    levels: tuple[Level, ...] = ()


class Drawable(ABC):
    """A space whose architectures can be drawn derives from this too; `eproxyctl draw` and reports ask for it."""

    @abstractmethod
    def diagram(self, key: str) -> Diagram:
        """The full network of an architecture, dead parts included and marked.

        Args:
            key: an architecture of this space.

        Raises:
            InvalidArchitecture: the key names none.
        """
