"""`eproxyctl.score` and `rank` from a program: results, what they leave alone, what they say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import eproxyctl
from eproxyctl import EproxyError
from eproxyctl.errors import DataError, RunError, SpecError, UsageError
from eproxyctl.runs.progress import Progress

SIZE = {"proxy": "params"}


def test_a_spec_by_path_by_mapping_and_loaded_gives_the_same_rows(tiny: Path) -> None:
    from ruamel.yaml import YAML

    from eproxyctl.spec.request import requested

    values = YAML(typ="safe").load(tiny)
    first = eproxyctl.score(tiny, workers=0, set=SIZE)
    second = eproxyctl.score(values | {"proxy": {"kind": "params"}}, workers=0)
    third = eproxyctl.score(requested(str(tiny), {"set": SIZE}), workers=0, run="third")
    fourth = eproxyctl.score(requested(tiny, {"set": SIZE}).spec, workers=0)
    assert first.rows == second.rows == third.rows == fourth.rows
    assert (first.folder, third.folder) == (Path("runs/tiny/score"), Path("third"))
    assert second.folder == eproxyctl.score(values | {"proxy": {"kind": "params"}}, workers=0).folder
    assert len(first.rows) == 6
    assert first.best["params"] == max(row["params"] for row in first.rows)


def test_it_prints_nothing_and_leaves_the_callers_threads(tiny: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import torch

    torch.set_num_threads(2)
    try:
        eproxyctl.score(tiny, workers=0)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert capfd.readouterr() == ("", "")


def test_progress_and_rows_come_as_they_are_done(tiny: Path) -> None:
    events: list[Progress] = []
    rows: list[object] = []
    found = eproxyctl.score(tiny, workers=0, progress=events.append, on_row=rows.append, set=SIZE)
    assert rows == found.rows
    assert [event.done for event in events] == [0, 1, 2, 3, 4, 5, 6]
    assert {(event.what, event.total) for event in events} == {("scoring tiny", 6)}


def test_a_finished_run_is_read_back(table: Path) -> None:
    everything = {"proxy": "params", "space.architectures": {"table": True}}
    found = eproxyctl.score(table, workers=0, set=everything)
    again = eproxyctl.load(found.folder)
    assert isinstance(again, type(found))
    assert [(c.column, c.statistic, c.estimate.value) for c in again.correlations] == [
        (c.column, c.statistic, c.estimate.value) for c in found.correlations
    ]
    assert (again.best["key"], again.best["score"]) == (found.best["key"], found.best["score"])
    frame = found.to_pandas() if _has_pandas() else None
    assert frame is None or list(frame["key"]) == [row["key"] for row in found.rows]
    assert "<table>" in found._repr_html_()
    assert str(found).startswith("tiny: 60 architectures scored, Spearman's ρ of score with the metric ")


def _has_pandas() -> bool:
    from importlib.util import find_spec

    return find_spec("pandas") is not None


@pytest.mark.parametrize("damage", ["cut", "digit", "header", "meaning"])
def test_a_damaged_result_is_refused_and_made_again_from_its_rows(table: Path, damage: str) -> None:
    everything = {"proxy": "params", "space.architectures": {"table": True}}
    found = eproxyctl.score(table, workers=0, set=everything)
    path = found.folder / ("scores.json" if damage == "meaning" else "scores.csv")
    whole = path.read_bytes()
    damaged = {"cut": whole[:-2], "digit": whole.replace(b"1", b"2", 1), "header": whole[4:], "meaning": b"{}"}
    path.write_bytes(damaged[damage])
    with pytest.raises(RunError, match=f"{path.name} is damaged"):
        eproxyctl.load(found.folder)
    with pytest.raises(RunError, match=f"{path.name} is damaged"):
        eproxyctl.compare([found.folder])
    eproxyctl.score(table, workers=0, set=everything)
    assert path.read_bytes() == whole


def test_a_changed_digit_of_a_row_is_said_and_changes_nothing(tiny: Path) -> None:
    first = eproxyctl.score(tiny, workers=0, set=SIZE)
    assert first.notes == ()
    path = first.folder / "rows.jsonl"
    whole = path.read_bytes()
    score = json.loads(whole.splitlines()[2])["score"]
    path.write_bytes(whole.replace(f'"score":{score}'.encode(), f'"score":{score + 1}'.encode(), 1))
    second = eproxyctl.score(tiny, workers=0, set=SIZE)
    assert len(second.notes) == 1
    assert "rows.jsonl: 1 damaged (line " in second.notes[0]
    assert second.rows == first.rows
    assert path.read_bytes() == whole


def test_few_architectures_in_the_table_and_none_are_said(table: Path) -> None:
    some = eproxyctl.score(table, workers=0, set={"proxy": "params", "space.architectures": {"sample": 40}})
    (share,) = [note for note in some.notes if "metric table" in note]
    assert share.startswith(("the metric table has ", "none of the 40"))
    none = eproxyctl.score(
        table, workers=0, run="none", set={"proxy": "params", "space.architectures": {"keys": [NONE]}}
    )
    assert none.correlations == ()
    assert "none of the 1 architectures is in the metric table" in none.notes[0]


NONE = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"


def test_equal_scores_share_a_rank_and_are_said(tiny: Path) -> None:
    keys = [f"|{a}~0|+|none~0|{b}~1|+|skip_connect~0|none~1|{c}~2|" for a in POOLS for b in POOLS for c in POOLS]
    found = eproxyctl.score(tiny, workers=0, set={"proxy": "params", "space.architectures": {"keys": keys}})
    assert [row["rank"] for row in found.top(20)] == [1] * 20
    assert found.notes == ("the best 27 architectures have one and the same score: their order is that of the spec",)


POOLS = ("none", "skip_connect", "avg_pool_3x3")


@pytest.mark.parametrize(
    ("spec", "changes", "error", "words"),
    [
        ("none.yaml", {}, SpecError, "no file none.yaml"),
        ({"space": {"kind": "nasbench201"}}, {}, SpecError, "problem"),
        (None, {"set": ["space.channels"]}, UsageError, "no value"),
        (None, {"device": "cuda:9"}, DataError, "no device cuda:9"),
    ],
)
def test_refusals(tiny: Path, spec: object, changes: dict[str, object], error: type[EproxyError], words: str) -> None:
    with pytest.raises(error, match=words):
        eproxyctl.score(spec, workers=0, **changes)  # type: ignore[arg-type]


def test_modules_are_ranked_and_stay_as_they_are() -> None:
    import torch
    from torch import nn

    def network(width: int, depth: int) -> nn.Module:
        layers: list[nn.Module] = [nn.Conv2d(3, width, 3, stride=2, padding=1), nn.ReLU()]
        for _ in range(depth):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 5))

    models = {f"{w}x{d}": network(w, d) for w in (4, 8) for d in (1, 3)}
    before = {name: [p.clone() for p in model.parameters()] for name, model in models.items()}
    batch = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    found = eproxyctl.rank(models, batch, "params")
    assert [row["name"] for row in found.rows] == ["8x3", "8x1", "4x3", "4x1"]
    assert found.best["params"] == sum(p.numel() for p in models["8x3"].parameters())
    small = {"kind": "eproxy", "iterations": 2, "branches": [{"transform_channels": 8, "target_channels": 4}]}
    for proxy in ("naswot", "az-nas", small):
        first, again = (eproxyctl.rank(models, batch, proxy) for _ in range(2))
        assert first == again
        assert {row["status"] for row in first.rows} == {"ok"}
    listed = eproxyctl.rank(list(models.values()), batch, "macs")
    assert {row["name"] for row in listed.rows} == {"0", "1", "2", "3"}
    assert all(
        torch.equal(a, b)
        for name, model in models.items()
        for a, b in zip(model.parameters(), before[name], strict=True)
    )
    with pytest.raises(DataError, match="needs labels"):
        eproxyctl.rank(models, batch, "snip")
    with pytest.raises(UsageError, match="no models"):
        eproxyctl.rank({}, batch)


def test_the_quickstart_from_a_program_needs_no_terminal_packages(tmp_path: Path) -> None:
    text = "import sys, eproxyctl; print(eproxyctl.score(workers=0)); print({'typer', 'rich'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("quickstart: ")
    assert done.stdout.endswith("set()\n")
