"""A space that knows sizes without building."""

from __future__ import annotations

from abc import ABC, abstractmethod

from eproxyctl.contracts.base import FULL, Fidelity


class Sized(ABC):
    """A capability of a Space: the size of a network from its key, by arithmetic.

    Millions of architectures are counted this way where building takes tens of milliseconds each. A space without it is
    counted by building; so is one that derives from a sized space and builds other networks than that does.
    """

    @abstractmethod
    def params_and_macs(
        self, key: str, shape: tuple[int, ...], outputs: int, fidelity: Fidelity = FULL, *, pruned: bool = False
    ) -> tuple[int, int]:
        """Size of the network that `Space.build` makes of the same arguments, equal to the last unit.

        Args:
            key: an architecture of this space.
            shape: (channels, *spatial) of one input.
            outputs: width of the classifier.
            fidelity: how far it is shrunk.
            pruned: without what no output depends on; the size columns are those of the official network.

        Returns:
            parameters, classifier included; and multiply-adds of convolutions and linear layers for one input.
        """
