"""Metric tables in the formats of public benchmarks; bad rows are named."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from eproxyctl.contracts import TableOptions
from eproxyctl.errors import DataError
from eproxyctl.spaces.nasbench201 import NasBench201Space
from eproxyctl.tasks.table import load

SPACE = NasBench201Space(NasBench201Space.Options())
KEYS = [key for _, key in zip(range(5), SPACE.keys(), strict=False)]


def read(path: Path, text: str | bytes, **options: object):  # type: ignore[no-untyped-def]
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(TableOptions.model_validate({"path": str(path)} | options), SPACE)


def test_csv(tmp_path: Path) -> None:
    table = read(tmp_path / "t.csv", f"key,accuracy\n{KEYS[0]},1.5\n{KEYS[1]},2\n\n")
    assert table.metric == {KEYS[0]: 1.5, KEYS[1]: 2.0}
    wide = f"n,arch,a,b\n1,{KEYS[0]},3,4\n"
    assert read(tmp_path / "t.csv", wide, metric="b").metric == {KEYS[0]: 4.0}


def test_goal_minimize_turns_the_metric_round(tmp_path: Path) -> None:
    table = read(tmp_path / "t.csv", f"key,loss\n{KEYS[0]},1\n{KEYS[1]},2\n", goal="minimize")
    assert table.value(KEYS[0]) > table.value(KEYS[1])
    assert table.value("elsewhere") is None


def test_json_pairs_records_and_parts(tmp_path: Path) -> None:
    pairs = json.dumps([[[[0], [0, 0], [0, 0, 1]], 7], [KEYS[0], 8]])
    assert list(read(tmp_path / "t.json", pairs).metric.values()) == [7.0, 8.0]
    records = json.dumps({"top": [{"id": KEYS[0], "e": [9, 5.5]}], "mid": [{"id": KEYS[1], "e": [1, 2]}]})
    assert read(tmp_path / "t.json", records, key="id", metric="e[-1]").metric == {KEYS[0]: 5.5, KEYS[1]: 2.0}
    assert len(read(tmp_path / "t.json.gz", gzip.compress(pairs.encode())).metric) == 2


BAD = {
    "unknown.csv": (f"key,a\n{KEYS[0]},1\n|conv~0|,2\n", "line 3"),
    "text.csv": (f"key,a\n{KEYS[0]},many\n", "'many', not a number"),
    "nan.csv": (f"key,a\n{KEYS[0]},nan\n", "not a finite number"),
    "twice.csv": (f"key,a\n{KEYS[0]},1\n{KEYS[0]},2\n", "repeats the architecture of line 2"),
    "short.csv": (f"key,a\n{KEYS[0]},1,2\n", ":2: 3 values under 2 columns"),
    "many.csv": (f"key,a,b\n{KEYS[0]},1,2\n", "several metrics"),
    "one.csv": ("key\nx\n", "at least two columns"),
    "empty.csv": ("", "at least two columns"),
    "header.csv": ("key,a\n", "no rows"),
    "x.json": ("[[", "no JSON"),
    "dict.json": ('{"a": 1}', "expected a list"),
    "row.json": ("[[1, 2, 3]]", "row 1 is neither"),
    "arch.json": ("[[[[9], [0, 0], [0, 0, 0]], 1]]", "row 1: no operation has index 9"),
    "record.json": ('[{"a": 1}]', "task.table.metric"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_rows_are_named(tmp_path: Path, name: str) -> None:
    text, expected = BAD[name]
    with pytest.raises(DataError) as caught:
        read(tmp_path / name, text)
    assert expected in f"{caught.value.message} {caught.value.hint}"


def test_a_misspelt_column_gets_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path / "t.csv", f"key,accuracy\n{KEYS[0]},1\n", metric="acuracy")
    assert "did you mean accuracy?" in caught.value.hint


def test_the_public_tables(benchmarks: Path) -> None:
    options = TableOptions(path=str(benchmarks / "nasbench201" / "cifar10valid.json"))
    assert len(load(options, SPACE).metric) == 15_625
    options = TableOptions(path=str(benchmarks / "peers" / "nasbench201-cifar10.csv"), metric="val_accuracy")
    assert len(load(options, SPACE).metric) == 9_445
