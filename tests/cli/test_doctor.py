"""`eproxyctl doctor`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from conftest import Cli

from eproxyctl import plugins
from eproxyctl.doctor import installation as doctor
from eproxyctl.doctor import speed as measure

TASK = """\
from typing import TYPE_CHECKING
from eproxyctl import Batches, Task
{top}
class Noise(Task):
    kind = "noise"
    shape = (3, 8, 8)
    def batch(self, seed, fidelity, n):
        import torch
        return Batches(torch.zeros(1, 3, 8, 8))
"""


def test_it_names_versions_devices_threads_and_the_cache(tiny: Path, cli: Cli) -> None:
    found = json.loads(cli("doctor", "--no-measure", "--format", "json").stdout)
    topics = {fact["topic"] for fact in found}
    assert topics == {"version", "device", "threads", "cache"}
    assert {"topic": "version", "name": "torch", "value": torch.__version__, "unit": "", "note": ""} in found


@pytest.mark.parametrize(
    ("top", "slow"),
    [
        ("import torch", True),
        ("from torch.nn import functional", True),
        ("if True:\n    import torch.nn", True),
        ("try:\n    import torch\nexcept ImportError:\n    pass", True),
        ("if TYPE_CHECKING:\n    import torch", False),
        ("def late():\n    import torch", False),
        ("", False),
    ],
)
def test_it_names_plugins_that_import_torch_at_their_top(tmp_path: Path, top: str, slow: bool) -> None:
    path = tmp_path / "noise.py"
    path.write_text(TASK.format(top=top))
    assert doctor.imports_torch(str(path)) is slow
    facts = doctor.facts(plugins.load_plugins(plugins.Sources((str(tmp_path),))))
    (fact,) = (fact for fact in facts if fact.topic == "plugin")
    assert fact.value == "task noise"
    assert ("imports torch at its top" in fact.note) is slow


def test_it_names_broken_plugins(tiny: Path, cli: Cli) -> None:
    folder = tiny.parent / "plugins"
    folder.mkdir()
    (folder / "bad.py").write_text("x = 1\nraise RuntimeError('no camera')\n")
    found = json.loads(cli("doctor", "--no-measure", "--format", "json").stdout)
    (fact,) = (fact for fact in found if fact["topic"] == "plugin")
    assert fact["value"] == "broken"
    assert fact["note"] == "plugins/bad.py:2: RuntimeError: no camera"


def test_it_measures_peaks_and_their_share(monkeypatch: pytest.MonkeyPatch) -> None:
    small = measure.Workload("small", "nasbench201", {"channels": 4, "cells": 1}, measure.WORKLOADS[0].key)
    monkeypatch.setattr(measure, "MATMUL_SIDE", 64)
    monkeypatch.setattr(measure, "CONVOLUTIONS", ((8, 8),))
    registry = plugins.load_plugins(plugins.Sources((), installed=False))
    found = {fact.name: fact for fact in doctor.measured(registry, (small,), 0.01)}
    assert list(found) == ["matrix products", "convolutions", "small", "small, share of peak"]
    assert all(isinstance(fact.value, float) and fact.value > 0 for fact in found.values())


def test_the_operations_counted_are_those_of_the_formula() -> None:
    """A cell of nothing but the input: stem, two reductions, transform and barrier are what is left."""
    nothing = measure.Workload("nothing", "nasbench201", {"channels": 4, "cells": 1}, measure.NOTHING)
    (speed,) = measure.speeds(plugins.load_plugins(plugins.Sources((), installed=False)), (nothing,))
    stem = 3 * 4 * 9 * 32**2
    reduction = {c: (c * 2 * c * 9 + 2 * c * 2 * c * 9 + c * 2 * c) * side**2 for c, side in ((4, 16), (8, 8))}
    transform, barrier = 16 * 512 * 8**2, 512 * 64 * 9 * 8**2
    forward = stem + sum(reduction.values()) + transform + barrier
    backward = stem + 2 * sum(reduction.values()) + 2 * transform + barrier
    assert speed.flops == 2 * 16 * (10 * forward + 9 * backward)
