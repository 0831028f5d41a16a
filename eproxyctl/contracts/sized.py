"""Spaces that know sizes without building, and proxies that need nothing else."""

from __future__ import annotations

from abc import ABC, abstractmethod

from eproxyctl.contracts.base import FULL, Fidelity
from eproxyctl.contracts.proxy import Score


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


class BySize(ABC):
    """A capability of a Proxy: its score is a function of the size alone, so that no network is built for it.

    A proxy that derives from such a one and scores otherwise is given its network again.
    """

    @abstractmethod
    def of_size(self, params: int, macs: int) -> Score:
        """The score of a network of so many parameters and multiply-adds, equal to that of `Proxy.score`."""
