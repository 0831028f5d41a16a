"""The embedded benchmark: the spec that ships with it makes it again, and the quickstart works on it offline."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from conftest import Cli
from ruamel.yaml import YAML
from scipy import stats

from eproxyctl.spaces.nasbench201 import NasBench201Space
from eproxyctl.spec.loading import quickstart

SPEC = Path(__file__).parents[2] / "specs" / "digits201.yaml"
TABLE = quickstart().parent / "digits201.csv"
SPACE = NasBench201Space(NasBench201Space.Options())
NOISE = 5.9
"""Standard deviation of an accuracy over seeds of training, in points, as specs/digits201.yaml states."""


def shipped() -> dict[str, float]:
    return {row["key"]: float(row["accuracy"]) for row in csv.DictReader(io.StringIO(TABLE.read_text()))}


def test_at_least_200_architectures_that_differ_by_tens_of_points() -> None:
    metric = shipped()
    assert len(metric) >= 200
    assert len({SPACE.canonical(key) for key in metric}) == len(metric)
    ordered = sorted(metric.values())
    assert ordered[-len(ordered) // 10] - ordered[len(ordered) // 10] > 30


def test_the_quickstart_is_the_spec_that_makes_the_table() -> None:
    safe = YAML(typ="safe")
    mine, full = safe.load(quickstart().read_text("utf-8")), safe.load(SPEC.read_text("utf-8"))
    assert mine["task"].pop("table")["metric"] == full["task"].pop("table")["metric"]
    assert mine["train"].pop("architectures") < full["train"].pop("architectures") == len(shipped())
    for spec in (mine, full):
        del spec["space"]["architectures"]
        del spec["dps"]
    assert mine == full


@pytest.mark.parametrize(("count", "agreement"), [(2, None), pytest.param(10, 0.5, marks=pytest.mark.slow)])
def test_training_again_agrees_with_the_shipped_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli, count: int, agreement: float | None
) -> None:
    """Equal on the machine it was made on; on another within what another seed of training changes."""
    monkeypatch.chdir(tmp_path)
    metric = shipped()
    keys = list(metric)[:: len(metric) // count][:count]
    result = cli("benchmark", SPEC, *(word for key in keys for word in ("--architecture", key)))
    assert result.exit_code == 0
    found = {row["key"]: float(row["accuracy"]) for row in csv.DictReader(io.StringIO(result.stdout))}
    differences = [found[key] - metric[key] for key in keys]
    assert max(map(abs, differences)) < 4 * NOISE
    if agreement is not None:
        assert sum(d * d for d in differences) / count < (2 * NOISE) ** 2
        assert stats.spearmanr([found[key] for key in keys], [metric[key] for key in keys]).statistic > agreement


def test_dps_works_without_a_spec_and_without_a_net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    monkeypatch.chdir(tmp_path)
    small = ("--set", "proxy.iterations=2", "--set", "proxy.fidelity.depth=0.3", "--set", "task.batch_size=2")
    less = ("--trials", 1, "--set", "dps.architectures=5", "--set", "dps.held_out=6")
    result = cli("dps", *small, *less)
    assert result.exit_code == 0
    assert "using the built-in quickstart" in result.stderr
    assert Path("runs/quickstart/dps/proxy.yaml").exists()


def test_score_without_a_spec_gives_correlations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    monkeypatch.chdir(tmp_path)
    small = ("--set", "proxy.iterations=2", "--set", "task.batch_size=2", "--set", "space.architectures.sample=6")
    result = cli("score", *small, "--format", "table")
    assert result.exit_code == 0
    assert "Correlations with the metric" in result.stdout
