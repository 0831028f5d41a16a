"""Sizes of networks: by arithmetic where the space knows how, else by building them; torch is imported only then."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from eproxyctl.contracts import FULL, BySize, Fidelity, Proxy, Sized, Space

if TYPE_CHECKING:
    from eproxyctl.networks.size import Operations

KNOWN = 4_096
"""Keys whose sizes are kept."""


class SizeCache:
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
    if isinstance(space, Sized) and _kept_up(type(space), "params_and_macs", "build"):
        return space.params_and_macs(key, shape, outputs, fidelity, pruned=pruned)
    from eproxyctl.networks.size import count

    return count(lambda: space.build(key, shape, outputs, fidelity, pruned=pruned), shape, operations)


def by_size(proxy: Proxy) -> BySize | None:
    """The proxy, where it scores by size alone."""
    return proxy if isinstance(proxy, BySize) and _kept_up(type(proxy), "of_size", "score") else None


def _kept_up(cls: type, quick: str, whole: str) -> bool:
    """Whether no class changed the method `whole` after `quick`, the shorter way to the same, was written."""
    order = [vars(parent) for parent in cls.__mro__]
    written, changed = (next(i for i, names in enumerate(order) if name in names) for name in (quick, whole))
    return written <= changed
