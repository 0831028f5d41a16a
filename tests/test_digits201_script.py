"""The script that makes the embedded benchmark: several seeds of training become one table."""

from __future__ import annotations

import csv
import importlib.util
import io
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
KEYS = ("a", "b", "c")
SMALL = """\
version: 1
space: {kind: nasbench201, channels: 2, cells: 1, architectures: {sample: 3}}
task: {kind: images, source: {kind: digits}, resolution: 8, grey: true}
train: {architectures: 2, epochs: 2, images: 100, validation: 0.1, batch_size: 10}
proxy: params
"""


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("digits201", ROOT / "benchmarks" / "digits201.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def table(*metric: float, **columns: str) -> list[dict[str, str]]:
    """One seed's table of the first KEYS."""
    same = {"loss": "0.5", "params": "7", "macs": "9", "epochs": "2", "seconds": "60", "status": "ok"} | columns
    return [{"key": key, "accuracy": str(value)} | same for key, value in zip(KEYS, metric, strict=False)]


def test_a_row_is_the_mean_of_the_seeds_with_their_standard_deviation(script: ModuleType) -> None:
    merged = script.merge([table(90, 80), table(92, 80, loss="1.0"), table(94, 86)])
    assert merged[0] == {
        "key": "a",
        "accuracy": "92",
        "spread": "2",
        "loss": "0.666667",
        "params": "7",
        "macs": "9",
        "epochs": "2",
        "repeats": "3",
    }
    assert (merged[1]["accuracy"], merged[1]["spread"]) == ("82", "3.464")


def test_architectures_are_joined_by_key_in_the_order_of_the_first_table(script: ModuleType) -> None:
    merged = script.merge([table(90, 80), table(92, 84)[::-1]])
    assert [(row["key"], row["accuracy"]) for row in merged] == [("a", "91"), ("b", "82")]


def test_one_seed_has_no_spread(script: ModuleType) -> None:
    assert script.merge([table(90)])[0]["spread"] == ""


@pytest.mark.parametrize(
    "other",
    [
        table(90),
        table(90, 80, 70),
        table(90, 80, status="failed"),
        table(90, 80, params="8"),
        table(90, 80, epochs="3"),
    ],
    ids=["fewer", "more", "failed", "another size", "longer"],
)
def test_tables_that_are_not_of_the_same_are_refused(script: ModuleType, other: list[dict[str, str]]) -> None:
    with pytest.raises(ValueError, match=r"not trained alike|tables of \[2, 3\]"):
        script.merge([table(90, 80), other])


def test_the_facts_are_those_of_the_tables(script: ModuleType) -> None:
    tables = [table(90, 80, 70), table(91, 83, 85)]
    for rows in tables:
        rows[0]["params"] = "8"
    lines = "\n".join(script.facts(tables, script.merge(tables)))
    assert "3 architectures, 2 seeds each" in lines
    assert "accuracy: 77.5 to 90.5, median 81.5" in lines
    assert "rho of two seeds: 0.500; mean 0.500" in lines
    assert "two means of 2: 0.667" in lines  # 2 · .5 / (1 + .5)
    assert "most 10.61" in lines  # 15 / √2
    assert "rho with params: 0.87" in lines  # ranks 3 1 2 beside two tied
    assert "trained in 6 minutes" in lines


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_it_trains_each_seed_in_a_run_of_its_own(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    monkeypatch.setattr(script, "SPEC", tmp_path / "small.yaml")
    out = tmp_path / "digits.csv"
    script.main(["--runs", str(tmp_path / "runs"), "--output", str(out), "--workers", "0", "--repeats", "2"])
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    assert [row["repeats"] for row in rows] == ["2", "2"]
    assert any(float(row["spread"]) > 0 for row in rows)
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"repeat-0", "repeat-1"}
