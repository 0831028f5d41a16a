"""Metric tables in the formats of public benchmarks; bad rows are named."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from eproxyctl.contracts import TableOptions
from eproxyctl.errors import DataError
from eproxyctl.spaces.nasbench201 import NasBench201Space
from eproxyctl.spaces.nasbench_nlp import NasBenchNlpSpace
from eproxyctl.tasks.table import load_table

SPACE = NasBench201Space(NasBench201Space.Options())
KEYS = [key for _, key in zip(range(5), SPACE.keys(), strict=False)]


def read(path: Path, text: str | bytes, **options: object):  # type: ignore[no-untyped-def]
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_table(TableOptions.model_validate({"path": str(path)} | options), SPACE)


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
    "nan.csv": (f"key,a\n{KEYS[0]},nan\n", "line 2: no finite metric: 'nan' task.table.missing: skip"),
    "null.json": (f'[["{KEYS[0]}", null]]', "row 1: no finite metric: None task.table.missing: skip"),
    "twice.csv": (
        f"key,a\n{KEYS[0]},1\n{KEYS[0]},2\n",
        "1 of 2 rows cannot be used\n  line 3: repeats the architecture of line 2 task.table.repeats: mean or first",
    ),
    "short.csv": (f"key,a\n{KEYS[0]},1,2\n", ":2: 3 values under 2 columns"),
    "many.csv": (f"key,a,b\n{KEYS[0]},1,2\n", "several metrics"),
    "one.csv": ("key\nx\n", "at least two columns"),
    "empty.csv": ("", "at least two columns"),
    "header.csv": ("key,a\n", "no rows"),
    "x.json": ("[[", "no JSON"),
    "dict.json": ('{"a": 1}', "none of 1 rows names an architecture of the space 'nasbench201'"),
    "number.json": ("1", "expected a list"),
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


LOSSES = [
    {"key": KEYS[0], "loss": 2.0, "status": "OK", "epochs": 50},
    {"key": KEYS[1], "status": "OK", "epochs": 50},
    {"key": KEYS[0], "loss": 5.0, "status": "OK", "epochs": 12},
    {"key": KEYS[2], "loss": None, "status": "nan", "epochs": 3},
    {"key": KEYS[2], "loss": 7.0, "status": "nan", "epochs": 3},
    {"key": KEYS[3], "loss": float("inf"), "status": "OK", "epochs": 50},
]


@pytest.mark.parametrize("suffix", ["json", "csv"])
def test_rows_are_left_out_and_joined_only_as_asked_and_counted(tmp_path: Path, suffix: str) -> None:
    text = json.dumps(LOSSES)
    if suffix == "csv":
        names = list(LOSSES[0])
        text = "\n".join([",".join(names)] + [",".join(str(row.get(n) or "") for n in names) for row in LOSSES])
    path, fields = tmp_path / f"t.{suffix}", {"key": "key", "metric": "loss", "goal": "minimize"}
    with pytest.raises(DataError, match="4 of 6 rows cannot be used"):
        read(path, text, **fields)
    mean = read(path, text, **fields, missing="skip", repeats="mean")
    assert mean.metric == {KEYS[0]: 3.5, KEYS[2]: 7.0}
    assert mean.note == (
        "2 architectures of 6 rows: 3 left out without a metric, 1 repeat an architecture (repeats: mean)"
    )
    first = read(path, text, **fields, missing="skip", repeats="first", where={"status": "OK", "epochs": 50})
    assert first.metric == {KEYS[0]: 2.0}
    assert (first.rows, first.filtered, first.missing, first.repeated) == (6, 3, 2, 0)


def test_a_table_used_whole_has_nothing_to_note(tmp_path: Path) -> None:
    assert read(tmp_path / "t.csv", f"key,a\n{KEYS[0]},1\n", missing="skip", repeats="mean").note == ""


@pytest.mark.parametrize("missing", ["refuse", "skip"])
def test_a_misspelt_field_is_no_missing_metric(tmp_path: Path, missing: str) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path / "t.json", json.dumps(LOSSES), key="key", metric="los", missing=missing)
    assert "did you mean loss?" in caught.value.hint


def test_where_that_nothing_meets_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="6 left out by where"):
        read(tmp_path / "t.json", json.dumps(LOSSES), key="key", metric="loss", where={"status": "fine"})
    with pytest.raises(DataError, match="no column 'state'"):
        read(tmp_path / "t.csv", f"key,a\n{KEYS[0]},1\n", where={"state": 1})


def test_the_whole_nas_bench_nlp_table(benchmarks: Path) -> None:
    space = NasBenchNlpSpace(NasBenchNlpSpace.Options())
    fields = {"path": str(benchmarks / "nasbenchnlp" / "ptb.json.gz"), "metric": "val_loss_best", "goal": "minimize"}
    finished = fields | {"where": {"status": "OK"}, "repeats": "mean"}
    table = load_table(TableOptions.model_validate(finished), space)
    assert (table.rows, table.filtered, table.missing) == (14_322, 2_724, 0)
    assert len(table.metric) + table.repeated == 11_598
    values = [4.940715704449152, 4.935107256355932]
    assert min(values) - 0.01 < table.metric["lin.x.h0-tanh.1~2"] < max(values)
    with pytest.raises(DataError) as caught:
        load_table(TableOptions.model_validate(fields), space)
    assert "missing: skip" in caught.value.hint
    assert "repeats: mean" in caught.value.hint


def test_the_public_tables(benchmarks: Path) -> None:
    options = TableOptions(path=str(benchmarks / "nasbench201" / "cifar10valid.json"))
    assert len(load_table(options, SPACE).metric) == 15_625
    options = TableOptions(path=str(benchmarks / "peers" / "nasbench201-cifar10.csv"), metric="val_accuracy")
    assert len(load_table(options, SPACE).metric) == 9_445
