"""Tests that every space, task and proxy must pass, for whoever writes one.

A plugin's test derives from the class of its contract, and from those of its capabilities, and says how to make it:

    class TestPlain(SpaceConformance):
        def space(self) -> Space:
            return PlainSpace(PlainSpace.Options())

pytest then collects every `test_…` of the class; without pytest, `check(make)` runs those that fit what `make` returns.
The tests are plain assertions and need torch, which is imported when one runs.
"""

from eproxyctl.testing.capabilities import (
    CompositeConformance,
    LearnerConformance,
    ReadableConformance,
    RelativeConformance,
    TunableConformance,
)
from eproxyctl.testing.checking import check
from eproxyctl.testing.proxy import ProxyConformance
from eproxyctl.testing.space import SpaceConformance
from eproxyctl.testing.task import TaskConformance
from eproxyctl.testing.trainable import TrainableConformance

__all__ = [
    "CompositeConformance",
    "LearnerConformance",
    "ProxyConformance",
    "ReadableConformance",
    "RelativeConformance",
    "SpaceConformance",
    "TaskConformance",
    "TrainableConformance",
    "TunableConformance",
    "check",
]
