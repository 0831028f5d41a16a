"""Seconds of what is not scoring: statistics, loading, and continuing a run of 15,625 architectures."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli
from pytest_benchmark.fixture import BenchmarkFixture
from typer.testing import Result

from eproxyctl import plugins
from eproxyctl.contracts import TableOptions
from eproxyctl.networks.counting import SizeCache
from eproxyctl.ranking import STATISTICS, estimate, estimates
from eproxyctl.spaces.nasbench201 import NasBench201Space
from eproxyctl.spec.loading import load_spec
from eproxyctl.tasks.table import load_table

pytestmark = pytest.mark.benchmark
MANY = 15_625


@pytest.mark.parametrize("name", STATISTICS)
def test_statistic_with_its_interval(benchmark: BenchmarkFixture, name: str) -> None:
    random = np.random.default_rng(0)
    scores = random.normal(size=MANY)
    metric = scores + random.normal(size=MANY)
    benchmark.pedantic(lambda: estimate(STATISTICS[name], scores, metric), rounds=1)


def test_every_statistic_of_three_columns(benchmark: BenchmarkFixture) -> None:
    random = np.random.default_rng(0)
    metric = random.normal(size=MANY)
    columns = {str(noise): metric + noise * random.normal(size=MANY) for noise in (1, 2)}
    columns["params"] = random.integers(0, 40, MANY).astype(float)
    benchmark.pedantic(lambda: estimates(columns, metric, given=columns["params"]), rounds=1)


def test_sizes_and_traits_of_a_space(benchmark: BenchmarkFixture) -> None:
    space = NasBench201Space(NasBench201Space.Options.model_validate({}))
    sizes, keys = SizeCache(space, (3, 32, 32), 10), list(space.keys())
    benchmark.pedantic(lambda: [(sizes(key), space.traits(key)) for key in keys], rounds=1)


def test_load_a_spec(benchmark: BenchmarkFixture, tiny: Path) -> None:
    registry = plugins.load_plugins(plugins.Sources((), installed=False))
    benchmark(lambda: load_spec(tiny, registry))


def test_load_a_table(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    space = NasBench201Space(NasBench201Space.Options.model_validate({}))
    path = tmp_path / "table.csv"
    path.write_text("key,accuracy\n" + "".join(f"{key},{i / 200}\n" for i, key in enumerate(space.keys())))
    options = TableOptions.model_validate({"path": str(path)})
    assert len(load_table(options, space).metric) == MANY
    benchmark.pedantic(lambda: load_table(options, space), rounds=3)


def test_a_trial_of_dps(benchmark: BenchmarkFixture, table: Path, cli: Cli) -> None:
    """Five architectures of two channels: what a trial costs beside the training."""
    numbers = itertools.count()
    cli("dps", table, "--trials", 1, "--run", "warm")

    def trial() -> None:
        assert cli("dps", table, "--trials", 1, "--run", f"run{next(numbers)}").exit_code == 0

    benchmark.pedantic(trial, rounds=3)


def test_continue_a_run_of_15625(benchmark: BenchmarkFixture, tiny: Path, cli: Cli) -> None:
    """One row is scored, and stands for all: nothing is left to do but to read them and write them out."""

    def every() -> Result:
        return cli("score", tiny, "--set", "space.architectures={all: true}", "--run", "run")

    assert cli("score", tiny, "--set", "space.architectures.sample=1", "--run", "run").exit_code == 0
    rows = tiny.parent / "run" / "rows.jsonl"
    row = json.loads(rows.read_text())
    keys = NasBench201Space(NasBench201Space.Options.model_validate({})).keys()
    rows.write_text("".join(json.dumps(row | {"key": key}, separators=(",", ":")) + "\n" for key in keys))
    result = benchmark.pedantic(every, rounds=2)
    assert result.exit_code == 0
    assert result.stdout.count("\n") == MANY + 1
