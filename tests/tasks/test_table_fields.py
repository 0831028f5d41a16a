"""Metric tables from anywhere: where the architecture or the metric is not found, the message says what to write."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from eproxyctl.contracts import TableOptions
from eproxyctl.errors import DataError
from eproxyctl.spaces.mobilenet import MobileNetSpace
from eproxyctl.spaces.nasbench101 import NasBench101Space
from eproxyctl.spaces.nasbench201 import NasBench201Space
from eproxyctl.tasks.table import Table, load_table

SPACE = NasBench201Space(NasBench201Space.Options())
KEYS = [key for _, key in zip(range(30), SPACE.keys() or (), strict=False)]
CELL = [[3], [3, 1], [1, 2, 4]]


def read(path: Path, document: object, **options: object) -> Table:
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return load_table(TableOptions.model_validate({"path": str(path)} | options), SPACE)


def refused(path: Path, document: object, **options: object) -> tuple[str, str]:
    with pytest.raises(DataError) as caught:
        read(path, document, **options)
    return caught.value.message, caught.value.hint


FORMS: dict[str, tuple[object, dict[str, object]]] = {
    "values": ({KEYS[0]: 1.5, KEYS[1]: 2}, {}),
    "one field": ({KEYS[0]: {"acc": 1.5}, KEYS[1]: {"acc": 2}}, {}),
    "records": ({KEYS[0]: {"acc": 1.5, "loss": 3}, KEYS[1]: {"acc": 2, "loss": 4}}, {"metric": "acc"}),
    "lists": ({KEYS[0]: [9, 1.5], KEYS[1]: [9, 2]}, {"metric": "[-1]"}),
    "numbered": ({"0": {"arch": KEYS[0], "acc": 1.5}, "1": {"arch": KEYS[1], "acc": 2}}, {"key": "arch"}),
    "arch": ([{"arch": KEYS[0], "acc": 1.5}, {"arch": KEYS[1], "acc": 2}], {}),
    "nested": ([{"net": {"cell": KEYS[0]}, "acc": 1.5}, {"net": {"cell": KEYS[1]}, "acc": 2}], {"key": "net.cell"}),
}


@pytest.mark.parametrize("name", FORMS)
def test_json_in_every_form(tmp_path: Path, name: str) -> None:
    document, options = FORMS[name]
    table = read(tmp_path / "t.json", document, **options)
    assert table.metric == {KEYS[0]: 1.5, KEYS[1]: 2.0}


def test_an_object_that_names_the_data_set_first(tmp_path: Path) -> None:
    table = {key: {"acc": i, "n": 1} for i, key in enumerate(KEYS)}
    assert len(read(tmp_path / "t.json", {"cifar10": table}, metric="acc").metric) == 30
    message, _ = refused(tmp_path / "t.json", {"cifar10": table, "cifar100": table}, metric="acc")
    assert "has several tables: cifar10, cifar100" in message


def test_the_public_tables_of_proxies_are_read_as_they_are(benchmarks: Path) -> None:
    space = NasBench101Space(NasBench101Space.Options())
    options = TableOptions(path=str(benchmarks / "peers" / "nasbench101.json"), metric="params", repeats="first")
    table = load_table(options, space)
    assert (table.rows, table.repeated) == (500, 199)


def test_lines_of_json_and_csv_with_lone_carriage_returns(tmp_path: Path) -> None:
    lines = "\n".join(json.dumps({"key": key, "acc": i}) for i, key in enumerate(KEYS[:2])) + "\n"
    assert read(tmp_path / "t.jsonl", lines).metric == {KEYS[0]: 0.0, KEYS[1]: 1.0}
    assert read(tmp_path / "t.csv", f"key,acc\r{KEYS[0]},0\r{KEYS[1]},1\r").metric == {KEYS[0]: 0.0, KEYS[1]: 1.0}


def test_records_that_are_architectures_need_no_key(tmp_path: Path) -> None:
    space = MobileNetSpace(MobileNetSpace.Options())
    records = [{**space.choices(key), "acc": i} for i, key in zip(range(3), space.sample(0), strict=False)]
    path = tmp_path / "t.json"
    pairs = [[{name: value for name, value in record.items() if name != "acc"}, record["acc"]] for record in records]
    path.write_text(json.dumps(pairs))
    assert len(load_table(TableOptions(path=str(path)), space).metric) == 3


def test_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table({"id": [7, 8], "arch": KEYS[:2], "acc": [1.5, 2.0]})
    parquet.write_table(table, tmp_path / "t.parquet")
    options = TableOptions(path=str(tmp_path / "t.parquet"), metric="acc")
    assert load_table(options, SPACE).metric == {KEYS[0]: 1.5, KEYS[1]: 2.0}
    whole = (tmp_path / "t.parquet").read_bytes()
    (tmp_path / "t.parquet").write_bytes(whole[:-30] + whole[-10:])
    with pytest.raises(DataError, match="cannot read the metric table"):
        load_table(options, SPACE)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match="Parquet needs pyarrow") as caught:
        load_table(options, SPACE)
    assert caught.value.hint == "pip install pyarrow"


def test_a_metric_of_pairs_is_told_to_be_left_out(tmp_path: Path) -> None:
    pairs = [[key, i] for i, key in enumerate(KEYS)]
    for document in (pairs, {KEYS[0]: 1}):
        message, hint = refused(tmp_path / "t.json", document, metric="accuracy")
        assert "has no 'accuracy'" in message
        assert hint == "leave task.table.metric out"
        assert "\n" not in message


def test_a_key_that_is_not_found_is_written_for_the_person(tmp_path: Path) -> None:
    records = [{"n": i, "cell": key, "val": {"acc": i, "loss": -i}} for i, key in enumerate(KEYS)]
    message, hint = refused(tmp_path / "t.json", records, metric="val.acc")
    assert "none of 30 rows names an architecture of the space 'nasbench201'" in message
    assert "its fields are n (number), cell (text), val (an object), val.acc (number), val.loss (number)" in message
    assert hint == "task.table.key: cell"
    assert message.count("\n") == 2
    assert len(read(tmp_path / "t.json", records, metric="val.acc", key="cell").metric) == 30
    text = "n,cell,acc\n" + "".join(f"{i},{key},{i}\n" for i, key in enumerate(KEYS))
    message, hint = refused(tmp_path / "t.csv", text, metric="acc")
    assert hint == "task.table.key: cell"


def test_a_key_and_a_metric_that_are_not_named_are_told_at_once(tmp_path: Path) -> None:
    message, hint = refused(tmp_path / "t.json", [{"cell": KEYS[0], "acc": 1, "loss": 2}])
    assert "its fields are cell (text), acc (number), loss (number)" in message
    assert hint == "set task.table.metric: acc | loss; task.table.key: cell"


@pytest.mark.parametrize("suffix", ["json", "csv"])
@pytest.mark.parametrize(("option", "name"), [("key", "arhc"), ("metric", "acx"), ("where", "statsu")])
def test_a_field_that_is_not_there_gets_those_that_are(tmp_path: Path, suffix: str, option: str, name: str) -> None:
    document: Any = [{"arch": key, "acc": i, "status": "ok"} for i, key in enumerate(KEYS)]
    if suffix == "csv":
        document = "arch,acc,status\n" + "".join(f"{key},{i},ok\n" for i, key in enumerate(KEYS))
    options = {"key": "arch", "metric": "acc"} | {option: {name: "ok"} if option == "where" else name}
    message, hint = refused(tmp_path / f"t.{suffix}", document, **options)
    assert f"'{name}'" in message
    assert "arch (text), acc (number), status (text)" in message
    assert "did you mean" in hint


def test_a_text_as_metric_gets_the_fields_of_numbers(tmp_path: Path) -> None:
    records = [{"arch": key, "note": "good", "acc": i} for i, key in enumerate(KEYS)]
    message, hint = refused(tmp_path / "t.json", records, key="arch", metric="note")
    assert "30 of 30 rows cannot be used" in message
    assert message.count("row ") == 10
    assert "and 20 more" in message
    assert hint == "set task.table.metric to a field of numbers: acc"


@pytest.mark.parametrize("name", ["key", "acc", "status"])
def test_a_column_that_is_there_twice_is_refused(tmp_path: Path, name: str) -> None:
    text = f"key,acc,status,{name}\n{KEYS[0]},1,ok,2\n"
    message, _ = refused(tmp_path / "t.csv", text, metric="acc", where={"status": "ok"})
    assert f"2 columns '{name}'" in message


def test_a_key_that_an_object_has_twice_is_refused(tmp_path: Path) -> None:
    message, _ = refused(tmp_path / "t.json", f'{{"{KEYS[0]}": 1, "{KEYS[0]}": 2}}')
    assert "is there twice" in message


HOSTILE: dict[str, tuple[str, str, str]] = {
    "long field": ("t.csv", f"key,acc\n{'x' * 131_073},1\n", "t.csv:2: no CSV"),
    "quote": ("t.csv", f'key,acc\n"{KEYS[0]}', "1 values under 2 columns"),
    "nul": ("t.csv", f"key,acc\n{KEYS[0]}\0,1\n", "1 rows"),
    "401 digits": ("t.json", f'[["{KEYS[0]}", {"9" * 401}]]', "more than 308 digits"),
    "5,000 digits": ("t.json", f'[["{KEYS[0]}", {"9" * 5000}]]', "more than 4,300 digits"),
    "nested": ("t.json", "[" * 100_000, "t.json: no JSON that can be read: it is nested too deeply"),
    "nested value": ("t.json", f'[["{KEYS[0]}", {"[" * 300 + "]" * 300}]]', "the value is a list of 1"),
    "true": ("t.json", f'[["{KEYS[0]}", true]]', "the metric is true, not a number"),
    "deep key": ("t.json", f"[[{'[' * 900 + ']' * 900}, 1]]", "none of 1 rows"),
    "deep text": ("t.csv", f"key,acc\n{'(' * 50_000},1\n", "none of 1 rows"),
    "signs": ("t.csv", f"key,acc\n({'-' * 50_000}1,1\n", "none of 1 rows"),
    "huge index": ("t.json", f"[[[[{'9' * 4000}], [0, 0], [0, 0, 0]], 1]]", "none of 1 rows"),
    "latin": ("t.csv", "key,acc\n\udcff,1\n", "no UTF-8"),
    "no gzip": ("t.csv.gz", "key,acc\n", "cannot unpack"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_table_is_one_short_error(tmp_path: Path, name: str) -> None:
    file, text, expected = HOSTILE[name]
    (tmp_path / file).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError) as caught:
        load_table(TableOptions(path=str(tmp_path / file)), SPACE)
    assert expected in caught.value.message
    assert len(caught.value.message) < 1500
    assert caught.value.exit_code == 5


def test_every_space_answers_a_hostile_notation_shortly(tmp_path: Path) -> None:
    from eproxyctl import plugins

    registry = plugins.load_plugins(plugins.Sources((), installed=False))
    notations = ["[" * 5000, "(" * 100_000, "{" * 5000, '{"a":' * 5000, "x" * 200_000, [[]] * 10_000, {"net": {}}, -1]
    for entry in registry.of("space"):
        space = registry.create("space", registry.parse("space", {"kind": entry.kind}))
        (tmp_path / "t.json").write_text(json.dumps([[notation, 1] for notation in notations]))
        with pytest.raises(DataError) as caught:
            load_table(TableOptions(path=str(tmp_path / "t.json")), space)
        assert len(caught.value.message) < 6000
