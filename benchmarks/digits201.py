"""Make the embedded benchmark again: 250 cells trained with several seeds, and one table of means and spreads.

    python benchmarks/digits201.py                       # an hour or so of one core; the same command continues
    python benchmarks/digits201.py --repeats 4 --workers 2
    python benchmarks/digits201.py --output table.csv

Each seed is a run of `eproxyctl benchmark specs/digits201.yaml --set train.repeat=N` with a run directory of its own.
Beside the table it prints the facts that the header of the spec states: how well seeds agree, how reliable their mean
is, and what size alone would rank.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from eproxyctl.ranking import spearman

ROOT = Path(__file__).resolve().parents[1]
SPEC = ROOT / "specs" / "digits201.yaml"
TABLE = ROOT / "eproxyctl" / "data" / "digits201.csv"
METRIC = "accuracy"
EQUAL = ("params", "macs", "epochs")
"""Columns that no seed changes."""

Rows = list[dict[str, str]]
"""The records of one table."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what has no row yet, write the table, print what is known of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="seeds of training (default: 3)")
    parser.add_argument("--workers", type=int, default=1, help="processes that train (default: 1)")
    parser.add_argument("--runs", type=Path, default=Path("runs/digits201"), help="folder of the run directories")
    parser.add_argument("--output", type=Path, default=TABLE, help="the table (default: the embedded one)")
    chosen = parser.parse_args(arguments)
    tables = [train(repeat, chosen.runs, chosen.workers) for repeat in range(chosen.repeats)]
    merged = merge(tables)
    with chosen.output.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(merged[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(merged)
    sys.stdout.writelines(f"{line}\n" for line in facts(tables, merged))


def train(repeat: int, runs: Path, workers: int) -> Rows:
    """One seed's table. A run that was interrupted goes on; one that is complete takes no time.

    Raises:
        CalledProcessError: `benchmark` failed; it has said why.
    """
    folder = runs / f"repeat-{repeat}"
    command = [sys.executable, "-m", "eproxyctl", "benchmark", str(SPEC), "--run", str(folder)]
    command += ["--set", f"train.repeat={repeat}", "--workers", str(workers), "--format", "csv"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with (folder / "table.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def merge(tables: Sequence[Rows]) -> Rows:
    """One row an architecture, in the order of the first table.

    The metric and the loss are means over the tables; `spread` is the standard deviation of the metric (n − 1), empty
    for one table. What size the networks have is the same in all.

    Raises:
        ValueError: tables of other architectures, a row without a metric, or sizes that differ.
    """
    others = [{row["key"]: row for row in table} for table in tables]
    merged: Rows = []
    for first in tables[0]:
        key = first["key"]
        rows = [table.get(key, {}) for table in others]
        if any(row.get("status") != "ok" or any(row[name] != first[name] for name in EQUAL) for row in rows):
            raise ValueError(f"{key} is not trained alike in every table: {rows}")
        metric = [float(row[METRIC]) for row in rows]
        spread = f"{statistics.stdev(metric):.4g}" if len(metric) > 1 else ""
        loss = statistics.fmean(float(row["loss"]) for row in rows)
        values = {METRIC: f"{statistics.fmean(metric):.6g}", "spread": spread, "loss": f"{loss:.6f}"}
        merged.append({"key": key} | values | {name: first[name] for name in EQUAL} | {"repeats": str(len(rows))})
    if any(len(table) != len(merged) for table in others):
        raise ValueError(f"tables of {sorted(len(table) for table in others)} architectures: finish each run")
    return merged


def reliability(agreement: float, repeats: int) -> float:
    """Expected agreement of two means over `repeats` seeds each, where two seeds agree so (Spearman–Brown)."""
    return repeats * agreement / (1 + (repeats - 1) * agreement)


def facts(tables: Sequence[Rows], merged: Rows) -> list[str]:
    """Lines on how well the seeds agree, the range of the metric, and what size would rank."""
    metric = [float(row[METRIC]) for row in merged]
    lowest, first, median, third, highest = np.percentile(metric, (0, 25, 50, 75, 100))
    lines = [
        f"{len(merged)} architectures, {len(tables)} seeds each",
        f"{METRIC}: {lowest:.1f} to {highest:.1f}, median {median:.1f}, half between {first:.1f} and {third:.1f}",
    ]
    if len(tables) > 1:
        pairs = [rho(a, b, METRIC, METRIC) for a, b in itertools.combinations(tables, 2)]
        agreement = statistics.fmean(pairs)
        spreads = [float(row["spread"]) for row in merged]
        lines += [
            f"rho of two seeds: {', '.join(f'{value:.3f}' for value in pairs)}; mean {agreement:.3f}",
            f"rho expected of two means of {len(tables)}: {reliability(agreement, len(tables)):.3f} (Spearman-Brown)",
            f"standard deviation over seeds: median {statistics.median(spreads):.2f} points, root mean square "
            f"{statistics.fmean(value**2 for value in spreads) ** 0.5:.2f}, most {max(spreads):.2f}",
        ]
    lines += [f"rho with {name}: {rho(merged, merged, METRIC, name):.2f}" for name in ("params", "macs")]
    seconds = sum(float(row["seconds"]) for table in tables for row in table)
    return [*lines, f"trained in {seconds / 60:.0f} minutes, summed over processes"]


def rho(a: Rows, b: Rows, first: str, second: str) -> float:
    """Spearman's ρ between a column of one table and a column of another, by architecture; NaN if one is constant."""
    other = {row["key"]: float(row[second]) for row in b}
    return spearman(np.array([float(row[first]) for row in a]), np.array([other[row["key"]] for row in a]))


if __name__ == "__main__":
    main()
