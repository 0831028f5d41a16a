"""All tests that fit, run without pytest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from eproxyctl.contracts import Composite, Learner, Proxy, Readable, Relative, Space, Task, Trainable, Tunable
from eproxyctl.testing.capabilities import (
    CompositeConformance,
    LearnerConformance,
    ReadableConformance,
    RelativeConformance,
    TunableConformance,
)
from eproxyctl.testing.proxy import ProxyConformance
from eproxyctl.testing.space import SpaceConformance
from eproxyctl.testing.task import TaskConformance
from eproxyctl.testing.trainable import TrainableConformance

FITTING: tuple[tuple[type, type, str], ...] = (
    (Space, SpaceConformance, "space"),
    (Task, TaskConformance, "task"),
    (Trainable, TrainableConformance, "task"),
    (Proxy, ProxyConformance, "proxy"),
    (Tunable, TunableConformance, "proxy"),
    (Readable, ReadableConformance, "proxy"),
    (Composite, CompositeConformance, "proxy"),
    (Relative, RelativeConformance, "proxy"),
    (Learner, LearnerConformance, "proxy"),
)
"""Contract or capability, its tests, and the method of them that makes one."""


def check(make: Callable[[], Space | Task | Proxy]) -> tuple[str, ...]:
    """Run every test that fits what `make` returns.

    Args:
        make: a new space, task or proxy, the same one each time.

    Returns:
        what was tested, as `SpaceConformance.test_keys_round_trip`.

    Raises:
        AssertionError: of the first test that it fails.
        TypeError: neither a space nor a task nor a proxy.
    """
    made, done = make(), []
    for contract, conformance, method in FITTING:
        if isinstance(made, contract):
            tests: Any = type(conformance.__name__, (conformance,), {method: lambda self: make()})
            for name in sorted(vars(conformance)):
                if name.startswith("test_"):
                    getattr(tests(), name)()
                    done.append(f"{conformance.__name__}.{name}")
    if not done:
        raise TypeError(f"{type(made).__name__} is no Space, Task or Proxy")
    return tuple(done)
