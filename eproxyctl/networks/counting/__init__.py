"""Sizes of networks: by arithmetic where the space knows how, else by building them. Imports no torch by itself."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from eproxyctl.contracts import FULL, Fidelity, Sized, Space

if TYPE_CHECKING:
    from eproxyctl.networks.size import Operations

KNOWN = 4_096
"""Keys whose sizes are kept."""


class Sizes:
    """(params, macs) of the full official networks of one space, for inputs of one shape.

    Args:
        space: of the keys.
        shape: (channels, *spatial) of one input.
        outputs: width of the classifier.
    """

    def __init__(self, space: Space, shape: tuple[int, ...], outputs: int) -> None:
        self._space, self._shape, self._outputs = space, shape, outputs
        self._known: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._operations: Operations = {}

    def __call__(self, key: str) -> tuple[int, int]:
        """Parameters, classifier included, and multiply-adds of one input; raises as `Space.build` does."""
        if key not in self._known:
            found = size_of(self._space, key, self._shape, self._outputs, operations=self._operations)
            if len(self._known) >= KNOWN:
                self._known.popitem(last=False)
            self._known[key] = found
        return self._known[key]


def size_of(
    space: Space,
    key: str,
    shape: tuple[int, ...],
    outputs: int,
    fidelity: Fidelity = FULL,
    *,
    pruned: bool = False,
    operations: Operations | None = None,
) -> tuple[int, int]:
    """(params, macs) of one network.

    Args:
        space, key, shape, outputs, fidelity, pruned: see `Space.build`.
        operations: what is known of operations from networks that were built before; is added to.
    """
    if isinstance(space, Sized) and _knows_what_it_builds(type(space)):
        return space.params_and_macs(key, shape, outputs, fidelity, pruned=pruned)
    from eproxyctl.networks.size import count

    return count(lambda: space.build(key, shape, outputs, fidelity, pruned=pruned), shape, operations)


def _knows_what_it_builds(space: type[Space]) -> bool:
    """Whether the sizes are of the class that builds, or of one that came after it."""
    order = [vars(cls) for cls in space.__mro__]
    sizes, builds = (next(i for i, names in enumerate(order) if n in names) for n in ("params_and_macs", "build"))
    return sizes <= builds
