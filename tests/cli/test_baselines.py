"""Baselines of a task: published scores of architectures beside the proxy, in `score`, `compare` and `dps`."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from conftest import Cli
from scipy import stats

SAMPLE = "space.architectures={table: true, sample: 20}"


@pytest.fixture
def early(table: Path) -> Path:
    """A baseline of half the table's architectures that is wrong the other way: an error, to be made small."""
    lines = (table.parent / "table.csv").read_text().splitlines()[1:]
    known = {key: float(value) for key, _, value in (line.rpartition(",") for line in lines)}
    rows = [f"{key},{100 - value - 7 * (i % 3)}" for i, (key, value) in enumerate(known.items()) if i % 2]
    (table.parent / "early.csv").write_text("key,error\n" + "\n".join(rows) + "\n")
    return table


def with_baseline(spec: Path, options: str = "path: early.csv, goal: minimize") -> Path:
    text = spec.read_text()
    line = "  table: {path: table.csv}\n"
    assert line in text
    spec.write_text(text.replace(line, f"{line}  baselines: {{12 epochs: {{{options}}}}}\n"))
    return spec


def test_a_baseline_stands_beside_the_score_and_pays_for_nothing_again(early: Path, cli: Cli) -> None:
    cli("score", early, "--set", SAMPLE, "--set", "proxy=naswot", "--run", "a")
    rows = Path("a/rows.jsonl").read_bytes()
    with_baseline(early)
    for name, proxy in {"a": "naswot", "b": "params"}.items():
        assert cli("score", early, "--set", SAMPLE, "--set", f"proxy={proxy}", "--run", name).exit_code == 0
    assert Path("a/rows.jsonl").read_bytes() == rows
    found = {(each["column"], each["statistic"]): each for each in json.loads(Path("a/correlations.json").read_text())}
    columns = list(csv.DictReader(Path("a/scores.csv").read_text().splitlines()))
    known = [(-float(row["12 epochs"]), float(row["metric"])) for row in columns if row["12 epochs"]]
    assert 3 < len(known) < 20
    expected = stats.spearmanr(*zip(*known, strict=True)).statistic
    assert found["12 epochs", "spearman"]["n"] == len(known)
    assert found["12 epochs", "spearman"]["value"] == pytest.approx(expected)
    assert found["score", "spearman"]["n"] == 20
    compared = csv.DictReader(cli("compare", "a", "b").stdout.splitlines())
    assert sorted(row["column"] for row in compared) == ["12 epochs", "a: score", "b: score", "macs", "params"]


def test_dps_checks_a_baseline_on_the_held_out_architectures(early: Path, cli: Cli) -> None:
    with_baseline(early)
    for proxy in ("{kind: eproxy, iterations: 1}", "{kind: few-shot, members: [params]}"):
        words = ("--set", f"proxy={proxy}", "--set", "dps.held_out=40", "--trials", 1)
        result = cli("dps", early, *words, "--run", proxy[7:10])
        assert result.exit_code == 0
        (line,) = [row for row in csv.DictReader(result.stdout.splitlines()) if row["proxy"] == "12 epochs"]
        assert 5 < int(line["n"]) < 40
        assert float(line["held_out"]) > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("path: nowhere.csv", "baseline '12 epochs': no metric table"),
        ("path: nowhere.csv", "check task.baselines.12 epochs.path"),
        ("path: early.csv, metric: accuracy", "accuracy"),
    ],
)
def test_refusals(early: Path, cli: Cli, options: str, message: str) -> None:
    result = cli("score", with_baseline(early, options))
    assert result.exit_code == 5
    assert message in result.stderr


def test_a_baseline_hides_no_other_column(early: Path, cli: Cli) -> None:
    result = cli("score", with_baseline(early), "--set", "task.baselines={macs: {path: early.csv}}")
    assert result.exit_code == 3
    assert "a column would be called 'macs'" in result.stderr
