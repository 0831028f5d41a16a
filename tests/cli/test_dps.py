"""`dps` from the outside: a result that is held out for good, equal after a kill, continued to a total."""

from __future__ import annotations

import csv
import io
import json
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli, spawn
from ruamel.yaml import YAML
from scipy import stats

from eproxyctl.scoring.labelling import pick_spread

SMALL = ("--set", "proxy.fidelity.width=0.5", "--set", "proxy.iterations=2", "--set", "task.batch_size=2")
QUICK = ("--set", "proxy.kind=quick")
PLUGIN = """\
from eproxyctl import Proxy, ProxyOptions, Score, Tunable, derive

class Quick(Proxy, Tunable):
    "A proxy of another kind that DPS can tune: a random function of settings and weights."
    kind = "quick"

    class Options(ProxyOptions):
        a: int = 0
        b: int = 0

    def parameters(self):
        return {"a": tuple(range(50)), "b": tuple(range(50))}

    def encode(self, choices):
        return self.options.model_copy(update=dict(choices))

    def score(self, network, batches, seed):
        return Score(float(derive(self.options.a, self.options.b, seed.weights) % 1000))
"""


@pytest.fixture
def quick(table: Path) -> Path:
    """The spec with a table, and a plugin proxy that costs nothing."""
    (table.parent / "plugins").mkdir()
    (table.parent / "plugins" / "quick.py").write_text(PLUGIN)
    return table


def test_without_a_table_it_says_which_three_lines_to_add(tiny: Path, cli: Cli) -> None:
    result = cli("dps", tiny)
    assert result.exit_code == 5
    assert "add three lines under `task:`" in result.stderr
    for line in ("table:", "path: table.csv", "metric: accuracy"):
        assert line in result.stderr


def test_result_baselines_and_provenance(table: Path, cli: Cli) -> None:
    result = cli("dps", table, *SMALL)
    assert result.exit_code == 0
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["proxy"] for row in rows[-3:]] == ["proxy of the spec", "params", "macs"]
    assert len(rows) == 6
    values = [float(row["training"]) for row in rows[:3]]
    assert values == sorted(values, reverse=True)
    assert rows[0]["held_out"]
    assert not rows[1]["held_out"]
    text = Path("runs/tiny/dps/proxy.yaml").read_text()
    assert text.startswith("# A proxy tuned by `eproxyctl dps` on 5 architectures")
    proxy = YAML(typ="safe").load(text)
    assert len(proxy["provenance"]["training"]) == 5
    assert len(proxy["provenance"]["table_sha256"]) == 64


def test_training_architectures_are_held_out_of_every_later_correlation(table: Path, cli: Cli) -> None:
    assert cli("dps", table, *SMALL).exit_code == 0
    use = (
        "--set",
        "proxy=runs/tiny/dps/proxy.yaml",
        "--set",
        "space.architectures={table: true}",
        "--set",
        "task.batch_size=2",
    )
    result = cli("score", table, *use, "--format", "json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    training = set(YAML(typ="safe").load(Path("runs/tiny/dps/proxy.yaml").read_text())["provenance"]["training"])
    from eproxyctl.spaces.nasbench201 import NasBench201Space

    space = NasBench201Space(NasBench201Space.Options())
    rest = [row for row in document["rows"] if space.canonical(row["key"]) not in training]
    left_out = len(document["rows"]) - len(rest)
    assert left_out >= 5
    assert f"{left_out} architecture(s) equal one the proxy was tuned on" in result.stderr
    found = document["correlations"][0]
    assert found["n"] == len(rest)
    expected = stats.spearmanr([-row["score"] for row in rest], [row["metric"] for row in rest]).statistic
    assert found["value"] == pytest.approx(expected)


@pytest.mark.parametrize("sampler", ["evolution", "tpe", "random"])
def test_trials_are_a_total_and_workers_change_nothing(quick: Path, cli: Cli, sampler: str) -> None:
    args = ("dps", quick, *QUICK, "--set", f"dps.sampler={sampler}")
    cli(*args, "--trials", 3, "--run", "steps")
    stepped = cli(*args, "--trials", 12, "--run", "steps")
    once = cli(*args, "--trials", 12, "--run", "once", "--workers", 1)
    assert stepped.exit_code == once.exit_code == 0
    assert stepped.stdout == once.stdout
    assert Path("steps/proxy.yaml").read_bytes() == Path("once/proxy.yaml").read_bytes()
    assert cli(*args, "--trials", 2, "--run", "steps").stdout.count("trial ") == 2


@pytest.mark.parametrize("kills", [(7, 40, 80), pytest.param((7, 25, 43, 61, 79), marks=pytest.mark.slow)])
def test_killed_several_times_it_ends_with_the_same_proxy(quick: Path, cli: Cli, kills: tuple[int, ...]) -> None:
    args = ("dps", quick, *QUICK, "--trials", 20)
    assert cli(*args, "--run", "whole").exit_code == 0
    rows = Path("killed/rows.jsonl")
    for wanted in kills:
        process = spawn(*args, "--run", "killed", "--workers", 0, cwd=quick.parent)
        deadline = time.monotonic() + 100
        while time.monotonic() < deadline and (not rows.exists() or rows.read_bytes().count(b"\n") < wanted):
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert cli(*args, "--run", "killed").exit_code == 0
    assert Path("killed/proxy.yaml").read_bytes() == Path("whole/proxy.yaml").read_bytes()
    paid = [(line["point"], line["key"]) for line in map(json.loads, rows.read_text().splitlines())]
    assert len(paid) == len(set(paid))


def test_read_outs_of_the_trace_are_chosen_without_training(table: Path, cli: Cli) -> None:
    cli("dps", table, *SMALL, "--run", "paper")
    found = cli("dps", table, *SMALL, "--run", "trace", "--set", "dps.readout=trace")
    assert found.exit_code == 0
    paper, trace = (
        [json.loads(line) for line in Path(run, "rows.jsonl").read_text().splitlines()] for run in ("paper", "trace")
    )
    count = 3 * 5 + 5 + 6 + 6
    assert len(paper) <= count
    assert len(trace) <= count
    best = [json.loads(Path(run, "result.json").read_text())[0]["training"] for run in ("paper", "trace")]
    assert best[1] >= best[0]


def test_sqlite_storage_and_a_bad_one(table: Path, cli: Cli) -> None:
    result = cli("dps", table, *SMALL, "--trials", 1, "--storage", "sqlite:///study.db")
    assert result.exit_code == 0
    assert Path("study.db").exists()
    bad = cli("dps", table, *SMALL, "--run", "x", "--storage", "postgresql://me:secret@127.0.0.1:1/x")
    assert bad.exit_code == 6
    assert "secret" not in bad.stderr


def test_a_small_space_is_exhausted(quick: Path, cli: Cli) -> None:
    path = quick.parent / "plugins" / "quick.py"
    path.write_text(path.read_text().replace("range(50)", "range(2)"))
    result = cli("dps", quick, *QUICK, "--trials", 9)
    assert result.exit_code == 0
    assert "exhausted: 100 draws in a row repeated a point; 4 of 9 trials" in result.stderr


def test_a_table_that_is_too_small(table: Path, cli: Cli) -> None:
    result = cli("dps", table, "--set", "dps.architectures=500")
    assert result.exit_code == 5
    assert "dps.architectures is 500, and the table has" in result.stderr


def test_what_over_fits_the_training_labels_ranks_nothing_held_out(quick: Path, cli: Cli) -> None:
    """A control: the plugin's scores have nothing to do with the metric, and the best of 8 seems to."""
    options = ("--set", "dps.architectures=12", "--set", "dps.held_out=30", "--trials", 8, "--format", "json")
    results = [cli("dps", quick, *QUICK, *options, "--seed", seed, "--run", seed) for seed in range(3)]
    assert "tiny: params ranks held-out architectures better: " in results[0].stderr
    found = [json.loads(result.stdout)[0] for result in results]
    assert np.mean([row["training"] for row in found]) > 0.2
    assert abs(np.mean([row["held_out"] for row in found])) < 0.25


def test_it_says_where_tuning_gained_nothing(quick: Path, cli: Cli) -> None:
    """Untuned, the plugin counts parameters, which the table's metric follows; tuned, it is chance."""
    path = quick.parent / "plugins" / "quick.py"
    sizes = "Score(float(sum(p.numel() for p in network.parameters())))"
    text = path.read_text().replace("range(50)", "range(1, 50)")
    path.write_text(text.replace("return Score", f"return {sizes} if not self.options.a else Score"))
    result = cli("dps", quick, *QUICK, "--trials", 2, "--set", "dps.architectures=12")
    assert "no trial ranks the training architectures better than the proxy of the spec" in result.stderr


def test_failed_rows_rank_last_and_are_said(quick: Path, cli: Cli) -> None:
    path = quick.parent / "plugins" / "quick.py"
    text = path.read_text().replace(
        "        return Score(",
        "        if seed.weights % 3 == 0:\n            raise RuntimeError('no')\n        return Score(",
    )
    path.write_text(text)
    result = cli("dps", quick, *QUICK, "--trials", 3)
    assert result.exit_code == 1
    assert "row(s) failed and ranked last" in result.stderr
    assert result.stdout.count("trial ") == 3
    assert Path("runs/tiny/dps/proxy.yaml").exists()


def test_several_specs_give_one_summary_with_the_mean(quick: Path, cli: Cli) -> None:
    other = quick.with_name("other.yaml")
    other.write_text(quick.read_text().replace("seed: 0", "seed: 1"))
    rows = list(csv.DictReader(io.StringIO(cli("dps", quick, other, *QUICK, "--trials", 2).stdout)))
    assert [row["spec"] for row in rows] == ["tiny", "other", "mean"]
    first = json.loads(Path("runs/tiny/dps/result.json").read_text())
    assert float(rows[0]["result"]) == pytest.approx(first[0]["held_out"])
    assert float(rows[0]["params"]) == pytest.approx(first[-2]["held_out"])
    assert float(rows[2]["result"]) == pytest.approx((float(rows[0]["result"]) + float(rows[1]["result"])) / 2)
    none = cli("dps", quick, other, *QUICK, "--trials", 2, "--set", "dps.held_out=0")
    assert none.exit_code == 0
    assert none.stdout.splitlines()[1].startswith("tiny,,")


def test_architectures_to_label_may_be_spread(quick: Path, cli: Cli) -> None:
    """The choice is that of `scoring.labelling`, and part of the run's identity."""
    from eproxyctl.spaces.nasbench201 import NasBench201Space

    space = NasBench201Space(NasBench201Space.Options())
    assert cli("dps", quick, *QUICK, "--pick", "spread").exit_code == 0
    training = YAML(typ="safe").load(Path("runs/tiny/dps/proxy.yaml").read_text())["provenance"]["training"]
    with (quick.parent / "table.csv").open() as lines:
        keys = sorted(row["key"] for row in csv.DictReader(lines))
    random.Random("dps 0").shuffle(keys)
    assert training == sorted(space.canonical(key) for key in pick_spread(space, keys, 5, 0))
    assert cli("dps", quick, *QUICK).exit_code == 6
    assert "pick" in cli("dps", quick, *QUICK, "--pick", "all", "--run", "x").stderr


FRONT = (
    *("--set", "dps.sampler=nsga2", "--set", "dps.fidelity={width: [1, 0.5], resolution: [16, 8], iterations: [3, 2]}"),
    *("--set", "proxy.branches=[{features: [dot], transform_channels: 8, target_channels: 4}]"),
)


def test_nsga2_gives_the_front_of_validated_rho_and_counted_cost(table: Path, cli: Cli) -> None:
    result = cli("dps", table, *SMALL, *FRONT, "--trials", 8, "--format", "json")
    assert result.exit_code == 0
    rows = json.loads(result.stdout)
    trials = [row for row in rows if row["proxy"].startswith("trial")]
    values, costs = [row["cross-validated"] for row in trials], [row["cost"] for row in trials]
    by_cost = sorted(zip(costs, values, strict=True))
    assert [value for _, value in by_cost] == sorted(values)
    assert len(set(values)) == len(values)
    assert all(row["seconds"] > 0 for row in trials)
    assert costs[0] == min(costs[:1] + [c for c, v in zip(costs, values, strict=True) if v >= values[0]])
    every = list(csv.DictReader(Path("runs/tiny/dps/trials.csv").read_text().splitlines()))
    assert len(every) == 8
    for cost, value in by_cost:
        assert not [e for e in every if float(e["cost"]) < cost and float(e["objective"]) >= value]
    settings = [json.loads(e["proxy"]) for e in every]
    assert {s["fidelity"]["width"] for s in settings} == {1.0, 0.5}
    assert {s["fidelity"]["resolution"] for s in settings} == {None, 8}
    assert "seconds" not in Path("runs/tiny/dps/result.json").read_text()


def test_a_counted_cost_is_iterations_times_network_and_heads(table: Path, cli: Cli) -> None:
    words = ("dps", table, "--set", "proxy=naswot", "--set", "dps.fidelity={width: [1, 0.5], depth: [1]}")
    rows = json.loads(cli(*words, "--trials", 9, "--format", "json", "--run", "a").stdout)
    halves = [row["cost"] for row in rows if row["proxy"].startswith("trial")]
    assert len(halves) == 2
    assert halves[0] != halves[1]
    one = json.loads(cli("dps", table, *SMALL, "--trials", 1, "--format", "json").stdout)
    four = ("--set", "proxy.iterations=4", "--run", "four")
    twice = json.loads(cli("dps", table, *SMALL, *four, "--trials", 1, "--format", "json").stdout)
    assert [row["cost"] for row in twice[:2]] == [2 * row["cost"] for row in one[:2]]


def test_fidelity_that_is_not_there_is_refused(table: Path, cli: Cli) -> None:
    result = cli("dps", table, "--set", "proxy=naswot", "--set", "dps.fidelity={iterations: [2]}")
    assert result.exit_code == 2
    assert "dps.fidelity.iterations: not with space 'nasbench201' and proxy 'naswot'" in result.stderr


def test_finalists_compete_over_several_seeds_and_only_they(table: Path, cli: Cli) -> None:
    words = ("dps", table, *SMALL, "--trials", 7, "--set", "dps.seeds=2", "--set", "dps.objective=quantile")
    rows = json.loads(cli(*words, "--format", "json").stdout)
    lines = [json.loads(line) for line in Path("runs/tiny/dps/rows.jsonl").read_text().splitlines()]
    assert sum(len(line["traces"]) == 2 for line in lines) == 5 * 5
    every = list(csv.DictReader(Path("runs/tiny/dps/trials.csv").read_text().splitlines()))
    best = sorted(every, key=lambda e: (-float(e["objective"]), int(e["trial"])))[:5]
    shown = [row["proxy"] for row in rows if row["proxy"].startswith("trial")]
    assert sorted(shown) == sorted(f"trial {e['trial']}" for e in best)
    assert YAML(typ="safe").load(Path("runs/tiny/dps/proxy.yaml").read_text())["repeats"] == 1


def test_pruning_saves_rows_and_changes_no_result(quick: Path, cli: Cli) -> None:
    words = ("dps", quick, *QUICK, "--trials", 30, "--set", "dps.sampler=random", "--set", "dps.architectures=12")
    whole = cli(*words, "--run", "whole")
    pruned = cli(*words, "--run", "pruned", "--set", "dps.prune=true")
    assert whole.exit_code == pruned.exit_code == 0
    assert pruned.stdout == whole.stdout
    assert Path("pruned/proxy.yaml").read_bytes() == Path("whole/proxy.yaml").read_bytes()
    rows = [Path(run, "rows.jsonl").read_text().count("\n") for run in ("whole", "pruned")]
    assert rows[1] < 0.9 * rows[0]
    counts = [e["architectures"] for e in csv.DictReader(Path("pruned/trials.csv").read_text().splitlines())]
    assert set(counts) <= {"6", "9", "12"}
    assert len(set(counts)) > 1
    refused = cli(*words, "--run", "x", "--set", "dps.prune=true", "--set", "dps.objective=kendall")
    assert refused.exit_code == 3
    assert "prune can bound objective: spearman only" in refused.stderr
