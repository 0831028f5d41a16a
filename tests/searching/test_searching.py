"""`eproxyctl.search` and `export` from a program: the best within limits, read back, written as a network."""

from __future__ import annotations

from pathlib import Path

import pytest

import eproxyctl
from eproxyctl.errors import SpecError, UsageError


def test_the_best_within_limits_is_found_read_back_and_exported(tiny: Path) -> None:
    found = eproxyctl.search(
        tiny, workers=0, set={"proxy": "params", "search.evaluations": 16, "search.limits": {"params": 2000}}
    )
    assert found.evaluations == 16
    assert max(row["params"] for row in found.rows) == found.best["params"] <= 2000
    assert [row["rank"] for row in found.rows] == sorted(row["rank"] for row in found.rows)
    again = eproxyctl.load(found.folder)
    assert isinstance(again, type(found))
    assert again.best == found.best
    (source,) = eproxyctl.export(found.folder, output="written")
    assert source == Path("written/top1.py")
    assert "class Network" in source.read_text()


def test_refusals(tiny: Path) -> None:
    with pytest.raises(SpecError, match="no architecture that was drawn is within"):
        eproxyctl.search(tiny, workers=0, set={"proxy": "params", "search.limits": {"params": 1}})
    with pytest.raises(UsageError, match="ranks architectures together"):
        eproxyctl.search(tiny, workers=0, set={"proxy": {"kind": "ensemble", "members": ["params", "macs"]}})
    with pytest.raises(UsageError, match="name a run of search"):
        eproxyctl.export()
