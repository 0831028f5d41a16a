"""`eproxyctl.benchmark` from a program: a metric table of really trained architectures."""

from __future__ import annotations

from pathlib import Path

import pytest

import eproxyctl
from eproxyctl.errors import DataError

DIGITS = {
    "task": {"kind": "images", "source": {"kind": "digits"}, "resolution": 8, "grey": True, "batch_size": 8},
    "train": {"architectures": 3, "epochs": 1, "images": 60, "batch_size": 20},
}


def test_a_table_is_made_read_back_and_used(tiny: Path) -> None:
    found = eproxyctl.benchmark(tiny, workers=0, set=DIGITS)
    assert (found.metric, found.goal, len(found.rows)) == ("accuracy", "maximize", 3)
    assert [row["accuracy"] for row in found.ranked] == sorted((row["accuracy"] for row in found.rows), reverse=True)
    again = eproxyctl.load(found.folder)
    assert isinstance(again, type(found))
    assert again.best["key"] == found.best["key"]
    table = {"task.table": {"path": str(found.table), "metric": "accuracy"}, "space.architectures": {"table": True}}
    scored = eproxyctl.score(tiny, workers=0, set={"proxy": "params", "task": DIGITS["task"], **table})
    assert {c.estimate.n for c in scored.correlations} == {3}


def test_examples_without_labels_are_refused(tiny: Path) -> None:
    with pytest.raises(DataError, match="the photos have no labels"):
        eproxyctl.benchmark(tiny, workers=0, set={"train": DIGITS["train"]})
