"""Pictures of architectures: true to the networks, legible, well-formed, and asked for by one command."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from itertools import islice, pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from typer.testing import Result

from eproxyctl import drawing, plugins
from eproxyctl.contracts import Arrow, Diagram, Drawable, Panel, Space, Vertex
from eproxyctl.drawing.layout import Box, lay
from eproxyctl.drawing.svg import _size, render
from eproxyctl.errors import PluginError, UsageError
from eproxyctl.spaces.cell_graph import parametric
from eproxyctl.spaces.cell_graph import simplified_graph as simplify_cell
from eproxyctl.spaces.cell_space import CellSpace
from eproxyctl.spaces.genotype import genotype_from_key
from eproxyctl.spaces.nasbench201 import _cell
from eproxyctl.spaces.node_cells import simplify
from eproxyctl.spaces.recipe import live, recipe_from_key

SVG = "{http://www.w3.org/2000/svg}"
ROOT = Path(__file__).parents[2]
REGISTRY = plugins.load_plugins(plugins.Sources((str(ROOT / "plugins"),), installed=False))
VARIANTS: dict[str, dict[str, Any]] = {
    **{kind: {"kind": kind} for kind in REGISTRY.kinds("space")},
    **{f"nds {f}": {"kind": "nds-cells", "family": f} for f in ("ENAS_in", "NASNet", "Amoeba")},
    **{f"nds {f}": {"kind": "nds-residual", "family": f} for f in ("Vanilla", "ResNet", "ResNeXt-B_in")},
    "transnasbench101 macro": {"kind": "transnasbench101", "level": "macro", "halvings": 2},
    "nasbench101 small": {"kind": "nasbench101", "channels": 32, "stacks": 2, "cells": 1},
    "mobilenet wide": {"kind": "mobilenet", "width": 1.4, "stem_stride": 1},
}


def make(fields: dict[str, Any]) -> Any:
    return REGISTRY.create("space", REGISTRY.get("space", fields["kind"]).options.model_validate(fields))


SPACES = {name: make(fields) for name, fields in VARIANTS.items()}
every_space = pytest.mark.parametrize("name", SPACES)


def keys(space: Space, count: int = 4) -> list[str]:
    return [space.largest(), *islice(space.sample(5), count)]


@every_space
def test_every_space_has_a_picture_that_holds_all_its_operations(name: str) -> None:
    space = SPACES[name]
    for key in keys(space):
        root = ElementTree.fromstring(drawing.draw(space, key).svg)
        assert root.tag == f"{SVG}svg"
        shown = [text.text for text in root.iter(f"{SVG}text")]
        for panel in space.diagram(key).panels:
            assert panel.title in shown
            for vertex in panel.vertices:
                assert vertex.label in shown
        assert root.get("aria-label") == f"{space.kind}: {key}"


@every_space
def test_nothing_overlaps_and_arrows_run_from_left_to_right(name: str) -> None:
    space = SPACES[name]
    for key in keys(space):
        for panel in space.diagram(key).panels:
            laid = lay(panel, {vertex.name: _size(vertex) for vertex in panel.vertices})
            boxes = list(laid.boxes.values())
            assert not any(overlap(a, b) for i, a in enumerate(boxes) for b in boxes[:i])
            assert all(
                b.x + b.width / 2 <= laid.width + 0.01 and b.y + b.height / 2 <= laid.height + 0.01 for b in boxes
            )
            assert all(b.x - b.width / 2 >= -0.01 and b.y - b.height / 2 >= -0.01 for b in boxes)
            for arrow, points in laid.ways:
                start, end = laid.boxes[arrow.source], laid.boxes[arrow.target]
                assert points[0] == (start.x + start.width / 2, start.y)
                assert points[-1] == (end.x - end.width / 2, end.y)
                assert [x for x, _ in points] == sorted(x for x, _ in points)


def overlap(a: Box, b: Box) -> bool:
    return abs(a.x - b.x) < (a.width + b.width) / 2 and abs(a.y - b.y) < (a.height + b.height) / 2


@every_space
def test_levels_are_those_of_the_network(name: str) -> None:
    space = SPACES[name]
    sequence = 2 not in space.ranks
    shape = (6, 5) if sequence else (3, 64, 64)
    key = (
        re.sub(r"x\d+-", "x4-", next(space.sample(5)), count=1)
        if isinstance(space, CellSpace)
        else next(space.sample(5))
    )
    with torch.device("meta"):
        maps = space.build(key, shape, 5).features(torch.zeros(1, *shape))
    levels = [(level.channels, level.shrink) for level in space.diagram(key).levels]
    for each in maps:
        assert (each.shape[1], None if sequence else 64 // each.shape[2]) in levels


def live_of(panel: Panel, *looks: str) -> int:
    return sum(vertex.look in looks and not vertex.dead for vertex in panel.vertices)


def test_dead_parts_of_nasbench201_are_those_that_pruning_drops() -> None:
    space = SPACES["nasbench201"]
    for key in islice(space.sample(0), 300):
        (panel,) = space.diagram(key).panels
        terms, _ = simplify(_cell(key))
        assert live_of(panel, "convolution") == sum("conv" in operation for operation, _ in terms)


@pytest.mark.parametrize("name", ["darts", "nds ENAS_in", "nds NASNet"])
def test_dead_parts_of_cells_are_those_that_pruning_drops(name: str) -> None:
    space = SPACES[name]
    for key in islice(space.sample(0), 100):
        genotype = genotype_from_key(key)
        for panel, cell, reduction in zip(
            space.diagram(key).panels, (genotype.normal, genotype.reduce), (False, True), strict=True
        ):
            terms = simplify_cell(cell, reduction).terms
            heavy = sum(parametric(*t, reduction=reduction) and t[0] != "skip_connect" for t in terms)
            assert live_of(panel, "convolution", "separable") == heavy


def test_dead_parts_of_recurrent_cells_are_those_that_pruning_drops() -> None:
    space = SPACES["nasbench-nlp"]
    for key in [*islice(space.sample(0), 30), "lin.x.h0-tanh.1-lin.x.h1~2.3"]:
        (panel,) = space.diagram(key).panels
        assert live_of(panel, "linear") == sum(operation == "lin" for operation, _ in live(recipe_from_key(key)).nodes)
    assert sum(vertex.dead for vertex in panel.vertices) == 3  # the second lin, the state it reads and becomes


def test_a_cell_of_nothing_is_dead_but_for_its_output() -> None:
    space = SPACES["nasbench201"]
    key = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    (panel,) = space.diagram(key).panels
    assert [vertex.name for vertex in panel.vertices if not vertex.dead] == ["3"]
    assert "dead: no output depends on it" in drawing.draw(space, key).svg


def test_resolutions_are_told_where_that_of_the_input_is_known() -> None:
    space = SPACES["nasbench201"]
    assert "32×32" not in drawing.drawing(space, space.example).svg
    picture = drawing.drawing(space, space.example, resolution=32).svg
    assert all(f"{side}×{side}" in picture for side in (32, 16, 8))


HOSTILE = "<script>alert(1)</script>\"'&]]>\x00"


def test_names_are_text_whatever_they_hold() -> None:
    panel = Panel(
        HOSTILE, (Vertex("a", HOSTILE, "input"), Vertex("b", "b", "output", detail=HOSTILE)), (Arrow("a", "b"),)
    )
    root = ElementTree.fromstring(render(Diagram((panel,)), HOSTILE))
    assert not list(root.iter(f"{SVG}script"))
    shown = HOSTILE.replace("\x00", "\ufffd")
    assert root.get("aria-label") == shown
    assert [text.text for text in root.iter(f"{SVG}text")].count(shown) == 3


@pytest.mark.parametrize(
    ("vertices", "arrows", "fault"),
    [
        ("", "", "no vertices"),
        ("aa", "", "same name"),
        ("ab", "ac", "'c', which is no vertex"),
        ("abc", "ab bc ca", "circle"),
    ],
)
def test_what_cannot_be_drawn_is_said(vertices: str, arrows: str, fault: str) -> None:
    with pytest.raises(PluginError, match=fault):
        Panel("p", tuple(Vertex(v, v, "value") for v in vertices), tuple(Arrow(*pair) for pair in arrows.split()))


def test_a_long_chain_is_no_trouble() -> None:
    names = [str(i) for i in range(1500)]
    panel = Panel("p", tuple(Vertex(n, n, "skip") for n in names), tuple(Arrow(a, b) for a, b in pairwise(names)))
    assert render(Diagram((panel,)), "chain").count("<rect") > 1500


def test_a_notebook_shows_it() -> None:
    shown = drawing.draw("nasbench101", "c3~0+out~1")
    assert shown._repr_svg_() == shown.svg
    assert "conv 3×3" in shown.svg


def test_a_space_without_pictures_says_so() -> None:
    class Bare(type(SPACES["plain"]).__mro__[1]):  # type: ignore[misc]
        kind = "bare"
        parameters = encode = choices = parse = largest = build = lambda self, *args: ""

    assert not issubclass(Bare, Drawable)
    with pytest.raises(UsageError, match="'bare' does not say what its architectures look like"):
        drawing.draw(Bare(None), "x")


Cli = Callable[..., Result]


def test_the_command_draws_kinds_specs_sections_runs_and_plugins(cli: Cli, tiny: Path) -> None:
    result = cli("draw", "transnasbench101", "[3, 1, 2, 0, 2, 1]")
    assert result.exit_code == 0
    ElementTree.fromstring(result.stdout)
    key = "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    assert cli("draw", tiny, key, "-o", "cell.svg").exit_code == 0
    assert "16×16" in Path("cell.svg").read_text()  # the resolution of the spec's task
    Path("space.yaml").write_text("kind: nasbench201\nchannels: 7\n")
    assert "28 ch" in cli("draw", "space.yaml", key).stdout
    Path("spec.yaml").write_text("space: space.yaml\n")
    assert "28 ch" in cli("draw", "spec.yaml", key).stdout
    Path("run").mkdir()
    Path("run/resolved.yaml").write_text(tiny.read_text())
    assert "8 ch" in cli("draw", "run", key).stdout
    assert "32 ch" in cli("draw", "plain", "4x32s0", "--plugins", ROOT / "plugins").stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("nasbench21", "x"), 3, "nasbench201"),
        (("nasbench201", "x"), 3, "not a NAS-Bench-201 key"),
        (("nothing.yaml", "x"), 3, "no file nothing.yaml"),
        (("nasbench101", "out~0", "-o", "cell.png"), 2, "cell.svg"),
        (("broken.yaml", "x"), 3, "broken.yaml:2:11"),
        (("kindless.yaml", "x"), 3, "a space needs a kind"),
    ],
)
def test_bad_input_is_explained(cli: Cli, tiny: Path, words: tuple[str, ...], code: int, said: str) -> None:
    Path("broken.yaml").write_text("kind: nasbench201\nchannels: many\n")
    Path("kindless.yaml").write_text("space: {channels: 3}\n")
    result = cli("draw", *words)
    assert result.exit_code == code
    assert said in result.stderr


def test_drawing_imports_no_torch(tmp_path: Path) -> None:
    code = "import sys; from eproxyctl.drawing import draw; draw('darts', {!r}); sys.exit('torch' in sys.modules)"
    words = [sys.executable, "-c", code.format(SPACES["darts"].example)]
    assert subprocess.run(words, cwd=tmp_path, check=False).returncode == 0
