"""The few-shot proxy with members that score networks: what it is told, and that it learns nothing from noise."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import numpy as np
from conftest import Cli

from eproxyctl.contracts import Fidelity
from eproxyctl.plugins import Sources, load_plugins

MEMBERS = "proxy={kind: few-shot, fidelity: {width: 0.5}, members: [az-nas, {kind: naswot, fidelity: {depth: 0.5}}]}"
FEW = ("--set", "dps.architectures=8", "--set", "dps.held_out=8")
FRAGILE = """\
from eproxyctl import Proxy, Score

class Fragile(Proxy):
    "Fails on a third of the architectures."
    kind = "fragile"

    def score(self, network, batches, seed):
        if seed.weights % 3 == 0:
            raise RuntimeError("no")
        return Score(1.0)
"""


def scores(text: str) -> dict[str, float]:
    return {row["key"]: float(row["score"]) for row in csv.DictReader(text.splitlines())}


def test_a_prediction_does_not_depend_on_what_else_is_scored(table: Path, cli: Cli) -> None:
    assert cli("dps", table, "--set", MEMBERS, *FEW).exit_code == 0
    tuned = ("score", table, "--set", "proxy=runs/tiny/dps/proxy.yaml")
    many = scores(cli(*tuned, "--set", "space.architectures={table: true, sample: 12}", "--run", "many").stdout)
    few = scores(cli(*tuned, "--set", "space.architectures={table: true, sample: 2}", "--run", "few").stdout)
    assert few == {key: many[key] for key in few}
    assert len(set(many.values())) > 6


def test_members_share_a_fidelity_but_for_those_with_their_own() -> None:
    registry = load_plugins(Sources(installed=False))
    members = [{"kind": "naswot"}, {"kind": "synflow", "fidelity": {"depth": 0.5}}]
    section = {"kind": "few-shot", "fidelity": {"width": 0.5}, "members": members}
    proxy = registry.create("proxy", registry.parse("proxy", section))
    assert [m.fidelity for m in proxy.members()] == [
        Fidelity.model_validate({"width": 0.5}),
        Fidelity.model_validate({"depth": 0.5}),
    ]


def test_what_a_member_fails_on_is_said_and_learned_around(table: Path, cli: Cli) -> None:
    (table.parent / "plugins").mkdir()
    (table.parent / "plugins" / "fragile.py").write_text(FRAGILE)
    result = cli("dps", table, "--set", "proxy={kind: few-shot, members: [fragile]}", *FEW)
    assert result.exit_code == 1
    assert "row(s) failed" in result.stderr
    assert Path("runs/tiny/dps/proxy.yaml").exists()


def test_permuted_labels_rank_nothing(table: Path, cli: Cli) -> None:
    path = table.parent / "table.csv"
    rows = list(csv.DictReader(path.read_text().splitlines()))
    found = []
    for seed in range(4):
        labels = [row["accuracy"] for row in rows]
        random.Random(seed).shuffle(labels)
        lines = [f"{row['key']},{label}" for row, label in zip(rows, labels, strict=True)]
        path.write_text("key,accuracy\n" + "\n".join(lines) + "\n")
        words = ("--set", "proxy={kind: few-shot, members: [params]}", "--set", "dps.architectures=20")
        result = cli("dps", table, *words, "--set", "dps.held_out=40", "--run", seed, "--format", "json")
        found.append(json.loads(result.stdout)[0]["held_out"])
    assert abs(np.mean(found)) < 0.25
