"""Sizes by arithmetic, beside those of the networks that are built."""

from __future__ import annotations

import csv
import gzip
import itertools
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eproxyctl import plugins
from eproxyctl.contracts import FULL, Fidelity, Sized, Space
from eproxyctl.errors import InvalidArchitecture
from eproxyctl.networks.counting import SizeCache, size_of
from eproxyctl.networks.size import Operations, count
from eproxyctl.spaces.nasbench201 import NasBench201Space
from eproxyctl.spaces.transnasbench101 import TransNasBench101Space

REGISTRY = plugins.load_plugins(plugins.Sources(installed=False))
IMAGENET = {"stem": "imagenet"}
VARIANTS: list[dict[str, Any]] = [
    {"kind": "declared"},
    {"kind": "nasbench201"},
    {"kind": "nasbench201", "affine": False, "channels": 7, "cells": 2},
    {"kind": "nasbench101"},
    {"kind": "nasbench101", "channels": 13, "stacks": 2, "cells": 1},
    {"kind": "transnasbench101"},
    {"kind": "transnasbench101", "stem_stride": 1, "halvings": 1, "channels": 9},
    {"kind": "transnasbench101", "level": "macro"},
    {"kind": "transnasbench101", "level": "macro", "stem_stride": 2, "channels": 5},
    {"kind": "nasbench-mr", "join": 1},
    {"kind": "nasbench-mr", "stem_stride": 1, "join": 3},
    {"kind": "nasbench-nlp"},
    {"kind": "nasbench-nlp", "tied": False, "width": 33, "embedding": 21, "layers": 2, "nodes": 6},
    {"kind": "mobilenet"},
    {"kind": "mobilenet", "width": 0.35, "stem_stride": 1},
    *({"kind": "nds-residual", "family": family} for family in ("ResNet", "ResNeXt-A", "ResNeXt-B", "Vanilla")),
    {"kind": "nds-residual", "family": "ResNeXt-A_in", **IMAGENET},
    *({"kind": "nds-cells", "family": family} for family in ("NASNet", "Amoeba", "PNAS", "ENAS", "DARTS")),
    {"kind": "nds-cells", "family": "NASNet_in", "aux": True, **IMAGENET},
    {"kind": "nds-cells", "family": "DARTS", "aux": True},
    {"kind": "darts"},
    {"kind": "darts", "widths": [10, 36], "depths": [3, 7], "stem": "auto"},
]
IMAGES = [((3, 32, 32), 10), ((1, 75, 66), 4), ((5, 80), 7), ((2, 17, 9, 24), 3)]
TOKENS = [((11, 5), 11), ((9, 6), 4)]
SHRUNK = Fidelity.model_validate({"width": 0.5, "depth": 0.4})


def space(fields: dict[str, Any]) -> Space:
    made: Space = REGISTRY.create("space", REGISTRY.get("space", fields["kind"]).options.model_validate(fields))
    return made


def named(fields: dict[str, Any]) -> str:
    return " ".join(map(str, fields.values()))


def built(space: Space, key: str, shape: tuple[int, ...], outputs: int, fidelity: Fidelity, pruned: bool) -> Any:
    return count(lambda: space.build(key, shape, outputs, fidelity, pruned=pruned), shape)


@pytest.mark.parametrize("fields", VARIANTS, ids=named)
def test_they_are_those_of_the_networks(fields: dict[str, Any]) -> None:
    """Of sequences, images and volumes, shrunk and not, with what is dead and without."""
    tested = space(fields)
    assert isinstance(tested, Sized)
    inputs = [(shape, n) for shape, n in (IMAGES if 2 in tested.ranks else TOKENS) if len(shape) - 1 in tested.ranks]
    ways = [(FULL, False), (FULL, True), (SHRUNK, True), (SHRUNK, False)]
    keys = [tested.largest(), *itertools.islice(tested.sample(11), 3)]
    draw = random.Random(named(fields))
    for i, key in enumerate(keys):
        shape, outputs = inputs[i % len(inputs)] if i else inputs[0]
        fidelity, pruned = draw.choice(ways) if i > 1 else ways[0]
        expected = built(tested, key, shape, outputs, fidelity, pruned)
        assert size_of(tested, key, shape, outputs, fidelity, pruned=pruned) == expected, (key, shape, fidelity, pruned)


def test_every_built_in_space_knows_its_sizes() -> None:
    kinds = [entry.kind for (section, _), entry in REGISTRY.entries.items() if section == "space"]
    assert set(kinds) == {fields["kind"] for fields in VARIANTS}


class Wider(NasBench201Space):
    """Builds what its parent does not, and says nothing of sizes."""

    def build(self, key: str, shape: tuple[int, ...], outputs: int, *args: Any, **kwargs: Any) -> Any:
        return super().build(key, shape, outputs + 1, *args, **kwargs)


def test_a_space_that_builds_other_networks_than_its_parent_is_built() -> None:
    wider, parent = (cls(cls.Options()) for cls in (Wider, NasBench201Space))
    (params, macs), key = parent.params_and_macs(parent.example, (3, 8, 8), 10), parent.example
    assert SizeCache(wider, (3, 8, 8), 10)(key) == (params + 65, macs + 64)
    assert SizeCache(parent, (3, 8, 8), 10)(key) == (params, macs)


def test_sizes_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    space, calls = NasBench201Space(NasBench201Space.Options()), list[str]()
    whole = space.params_and_macs

    def noted(key: str, *args: Any, **kwargs: Any) -> tuple[int, int]:
        calls.append(key)
        return whole(key, *args, **kwargs)

    monkeypatch.setattr(space, "params_and_macs", noted)
    monkeypatch.setattr("eproxyctl.networks.counting.KNOWN", 2)
    sizes, keys = SizeCache(space, (3, 8, 8), 10), list(itertools.islice(space.keys(), 3))
    assert [sizes(key) for key in (keys[0], keys[0], keys[1])] == [
        whole(key, (3, 8, 8), 10) for key in (*keys[:1] * 2, keys[1])
    ]
    assert calls == keys[:2]
    sizes(keys[2])
    sizes(keys[0])
    assert calls == [*keys, keys[0]]


def test_operations_of_other_networks_are_looked_up() -> None:
    """Counting by building, with what is known of the operations of networks before: the same sizes."""
    space, known = TransNasBench101Space(TransNasBench101Space.Options()), Operations()
    for key in itertools.islice(space.sample(1), 4):
        alone = count(lambda k=key: space.build(k, (3, 32, 32), 10, pruned=False), (3, 32, 32))
        assert count(lambda k=key: space.build(k, (3, 32, 32), 10, pruned=False), (3, 32, 32), known) == alone
    assert known


def test_an_invalid_key_is_refused_as_it_is_by_build() -> None:
    for fields in VARIANTS:
        with pytest.raises(InvalidArchitecture):
            SizeCache(space(fields), (3, 32, 32), 10)("no such key")


def test_no_torch_is_imported() -> None:
    program = (
        "import sys; from eproxyctl import plugins; from eproxyctl.networks.counting import SizeCache\n"
        "registry = plugins.load_plugins(plugins.Sources(installed=False))\n"
        "for (section, _), entry in registry.entries.items():\n"
        "    if section == 'space':\n"
        "        space = entry.cls(entry.options())\n"
        "        SizeCache(space, (3, 32, 32) if 2 in space.ranks else (9, 4), 10)(space.largest())\n"
        "print('torch' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "False\n"
    )


TABLES: list[tuple[str, dict[str, Any]]] = [
    ("nasbench201/cifar10valid.json", {"kind": "nasbench201"}),
    ("nasbench101/nasbench1_20.json", {"kind": "nasbench101"}),
    ("nasbench101/nasbench1_2500.json", {"kind": "nasbench101"}),
    ("transnasbench101/micro-jigsaw.json", {"kind": "transnasbench101"}),
    ("transnasbench101/macro-jigsaw.json", {"kind": "transnasbench101", "level": "macro"}),
    ("nasbenchmr/cls-10c.json", {"kind": "nasbench-mr"}),
    ("nasbenchnlp/ptb.json.gz", {"kind": "nasbench-nlp"}),
    ("nds/ResNeXt-A_in.json", {"kind": "nds-residual", "family": "ResNeXt-A_in", **IMAGENET}),
    *(
        (f"nds/{family}.json", {"kind": "nds-cells", "family": family, **IMAGENET})
        for family in ("DARTS_in", "DARTS_fix-w-d_in", "ENAS_in", "NASNet_in")
    ),
]


def listed(path: Path, space: Space) -> Iterator[str]:
    """The architectures of a table that can be read."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as stream:
        found = json.load(stream)
    for row in itertools.chain.from_iterable(found.values()) if isinstance(found, dict) else found:
        try:
            yield space.parse(row[0] if isinstance(row, list) else row)
        except InvalidArchitecture:
            continue


def published(folder: Path) -> Iterator[tuple[dict[str, Any], Any, int, tuple[int, ...], int]]:
    """(space, notation, parameters, shape, outputs) of every architecture whose parameters are published."""
    with (folder / "peers" / "nasbench201-cifar10.csv").open() as stream:
        for row in csv.DictReader(stream):
            yield {"kind": "nasbench201"}, row["key"], round(float(row["params"]) * 1e6), (3, 32, 32), 10
    with (folder / "peers" / "transnasbench101-micro-class_scene.csv").open() as stream:
        for row in csv.DictReader(stream):
            yield {"kind": "transnasbench101"}, row["key"], round(float(row["params"]) * 1e6), (3, 256, 256), 63
    found = json.loads((folder / "peers" / "nasbench101.json").read_text())["nasbench101"]["cifar10"]
    for notation, row in found.items():
        yield {"kind": "nasbench101"}, notation, round(row["params"] * 1e6), (3, 32, 32), 10
    for name, fields in TABLES:
        if name.startswith("nds/"):
            found = json.loads((folder / name).read_text())
            for record in itertools.chain.from_iterable(found.values()) if isinstance(found, dict) else found:
                yield fields, record, record["params"], (3, 224, 224), 1000
    with gzip.open(folder / "nasbenchnlp" / "ptb.json.gz", "rt") as text:
        for record in json.load(text):
            sizes = {"width": record["nhid"], "embedding": record["emsize"], "layers": record["nlayers"]}
            yield {"kind": "nasbench-nlp", **sizes}, record, record["num_params"], (10_000, 35), 10_000


@pytest.mark.slow
def test_parameters_are_those_that_are_published(benchmarks: Path) -> None:
    """Of every architecture of every file that has them."""
    spaces: dict[str, Space] = {}
    wrong, seen = [], 0
    for fields, notation, params, shape, outputs in published(benchmarks):
        tested = spaces.setdefault(named(fields), space(fields))
        try:
            key = tested.parse(notation)
        except InvalidArchitecture:
            continue
        found, seen = size_of(tested, key, shape, outputs)[0], seen + 1
        if found != params:
            wrong.append((named(fields), key, found, params))
    assert not wrong
    assert seen > 20_000


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("name", "fields"), TABLES, ids=[name for name, _ in TABLES])
def test_they_are_those_of_every_architecture_of_a_table(name: str, fields: dict[str, Any], benchmarks: Path) -> None:
    tested, known, compared = space(fields), Operations(), 0
    shape, outputs = ((3, 32, 32), 10) if 2 in tested.ranks else ((50, 2), 50)
    for key in listed(benchmarks / name, tested):
        expected = count(lambda k=key: tested.build(k, shape, outputs, pruned=False), shape, known)
        assert size_of(tested, key, shape, outputs) == expected, key
        compared += 1
    assert compared > 10
