"""Blocks from plugins enter by the door of the built-in ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from eproxyctl import plugins
from eproxyctl.errors import SpecError
from eproxyctl.networks.size import count
from eproxyctl.spec.loading import load_spec

PLUGIN = '''
from pydantic import Field
from eproxyctl import Block, BlockOptions, Spot


class DoubledBlock(Block):
    """Two convolutions of one kernel."""

    kind = "doubled"

    class Options(BlockOptions):
        kernel: int = Field(3, ge=1, le=9)

    def build(self, spot: Spot):
        from torch import nn

        around = self.options.kernel // 2
        first = nn.Conv2d(spot.inputs, spot.outputs, self.options.kernel, stride=spot.stride, padding=around)
        return nn.Sequential(first, nn.Conv2d(spot.outputs, spot.outputs, 1))

    ranks = (2,)
'''
SPEC = """\
version: 1
task: {kind: images, source: {kind: photos}}
proxy: {kind: eproxy}
space:
  kind: declared
  stages:
    - {block: doubled, channels: 8, stride: 2, depth: {choose: [1, 2]}, kernel: {choose: [3, 5]}, each: block}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "doubled.py").write_text(PLUGIN)
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC)
    return path


def test_a_block_of_a_plugin_is_declared_built_and_counted(spec: Path) -> None:
    registry = plugins.load_plugins(plugins.Sources((str(spec.parent / "plugins"),), installed=False))
    options = load_spec(spec, registry).spec.space
    space = registry.create("space", options)
    assert space.largest() == "d2:k5:k5"
    assert space.ranks == (2,)
    built = count(lambda: space.build("d2:k3:k5", (3, 16, 16), 4), (3, 16, 16))
    assert space.params_and_macs("d2:k3:k5", (3, 16, 16), 4) == built
    again = registry.parse("space", options.model_dump(mode="json"))
    assert registry.create("space", again).parameters() == space.parameters()


def test_without_the_plugin_its_block_is_unknown(spec: Path) -> None:
    with pytest.raises(SpecError) as failure:
        load_spec(spec, plugins.load_plugins(plugins.Sources(installed=False)))
    assert failure.value.problems[0].message.endswith("no block is called 'doubled'")
    assert failure.value.problems[0].where.endswith("spec.yaml:7:15")


def test_the_wrong_value_of_a_plugins_option_is_told_at_its_place(spec: Path) -> None:
    registry = plugins.load_plugins(plugins.Sources((str(spec.parent / "plugins"),), installed=False))
    spec.write_text(SPEC.replace("[3, 5]", "[3, 50]"))
    with pytest.raises(SpecError) as failure:
        load_spec(spec, registry)
    assert failure.value.problems[0].where.endswith("spec.yaml:7:94")
