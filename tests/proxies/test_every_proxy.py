"""What holds of every built-in proxy, and of the capabilities that it has."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from eproxyctl import plugins
from eproxyctl.contracts import Composite, Learner, Proxy, Readable, Relative, Tunable
from eproxyctl.testing import (
    CompositeConformance,
    LearnerConformance,
    ProxyConformance,
    ReadableConformance,
    RelativeConformance,
    TunableConformance,
)

REGISTRY = plugins.load_plugins(plugins.Sources(installed=False))
EPROXY: dict[str, Any] = {
    "kind": "eproxy",
    "iterations": 3,
    "map_size": 4,
    "branches": [{"features": ["net", "wave_mid", "dot"], "transform_channels": 8, "target_channels": 4}],
}
VARIANTS: dict[str, dict[str, Any]] = {kind: {"kind": kind} for kind in REGISTRY.kinds("proxy")} | {
    "eproxy": EPROXY,
    "ensemble": {"kind": "ensemble", "members": ["params", "synflow", EPROXY]},
    "few-shot": {"kind": "few-shot", "members": ["params", "naswot"]},
}


def made(name: str) -> Any:
    return REGISTRY.create("proxy", REGISTRY.parse("proxy", VARIANTS[name]))


def of(capability: type[Any]) -> list[str]:
    return [name for name in VARIANTS if issubclass(REGISTRY.get("proxy", name).cls, capability)]


class Chosen:
    name: ClassVar[str]

    def proxy(self) -> Any:
        return made(self.name)


@pytest.fixture(autouse=True)
def _chosen(request: pytest.FixtureRequest) -> None:
    if hasattr(request, "param"):
        request.cls.name = request.param


def each(capability: type[Any]) -> Any:
    return pytest.mark.parametrize("_chosen", of(capability), indirect=True)


@each(Proxy)
class TestEveryProxy(Chosen, ProxyConformance):
    pass


@each(Tunable)
class TestTunable(Chosen, TunableConformance):
    architectures = 1
    points = 3


@each(Readable)
class TestReadable(Chosen, ReadableConformance):
    architectures = 1


@each(Composite)
class TestComposite(Chosen, CompositeConformance):
    pass


@pytest.mark.parametrize("_chosen", sorted(set(of(Relative)) - set(of(Learner))), indirect=True)
class TestRelative(Chosen, RelativeConformance):
    pass


@each(Learner)
class TestLearner(Chosen, LearnerConformance):
    pass
