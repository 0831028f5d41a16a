"""`eproxyctl.tune` from a program: the result, held out, read back."""

from __future__ import annotations

from pathlib import Path

import pytest

import eproxyctl
from eproxyctl.errors import DataError, UsageError
from eproxyctl.runs.progress import Progress


def test_a_tuned_proxy_is_checked_held_out_and_read_back(table: Path) -> None:
    events: list[Progress] = []
    found = eproxyctl.tune(table, workers=0, progress=events.append)
    assert found.proxy.read_text().startswith("# A proxy tuned by `eproxyctl dps` on 5 architectures")
    assert len(found.training) == 5
    assert len(found.held_out) == 6
    assert not set(found.training) & set(found.held_out)
    assert found.best["proxy"].startswith("trial ")
    assert {"proxy of the spec", "params", "macs"} <= {row["proxy"] for row in found.rows}
    assert events[-1].what == "dps tiny"
    assert any("6 held-out architectures cannot tell" in note for note in found.notes)
    again = eproxyctl.load(found.folder)
    assert isinstance(again, type(found))
    assert again.best["held_out"] == found.best["held_out"]
    scored = eproxyctl.score(table, workers=0, run="tuned", set={"proxy": str(found.proxy)})
    assert len(scored.rows) == 6


def test_a_few_shot_proxy_learns(table: Path) -> None:
    changes = {"proxy": {"kind": "few-shot", "members": ["params"]}, "dps": {"architectures": 10, "held_out": 40}}
    found = eproxyctl.tune(table, workers=0, set=changes)
    assert found.best["proxy"] == "result"
    assert not any("cannot tell" in note for note in found.notes)


def test_refusals(table: Path, tiny: Path) -> None:
    with pytest.raises(UsageError, match="only the best 5 are known"):
        eproxyctl.tune(table, workers=0, finalists=9, set={"dps.prune": True})
    with pytest.raises(UsageError, match="has no settings to tune"):
        eproxyctl.tune(table, workers=0, set={"proxy": "naswot"})
    with pytest.raises(DataError, match="no metric table"):
        eproxyctl.tune(table, workers=0, set={"task.table": None})


def test_the_callers_logging_is_left_alone(table: Path) -> None:
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.INFO)
    try:
        eproxyctl.search(table, workers=0, set={"proxy": "params", "search.evaluations": 8})
        assert optuna.logging.get_verbosity() == optuna.logging.INFO
    finally:
        optuna.logging.set_verbosity(before)
