"""The plugin is found, and does what a space must: keys, canonical keys, traits, networks."""

from pathlib import Path

from eproxyctl.contracts import Space
from eproxyctl.plugins import Sources, load_plugins
from eproxyctl.testing import SpaceConformance


class TestPlain(SpaceConformance):
    def space(self) -> Space:
        registry = load_plugins(Sources((str(Path(__file__).parent),), installed=False))
        space: Space = registry.create("space", registry.parse("space", {"kind": "plain"}))
        return space
