"""Volumes from every source, drawn once from a seed, and all of them to train on; sequences to train on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eproxyctl.contracts import Fidelity
from eproxyctl.errors import DataError
from eproxyctl.tasks.sequences import SequencesTask
from eproxyctl.tasks.volumes import VolumesTask


def task(**options: object) -> VolumesTask:
    return VolumesTask(VolumesTask.Options.model_validate(options))


def saved(path: Path, **arrays: Any) -> dict[str, str]:
    np.savez(path / "x.npz", **arrays)
    return {"kind": "npz", "path": str(path / "x.npz")}


def test_digits_are_reliefs() -> None:
    one = task()
    assert (one.shape, one.outputs) == ((1, 8, 8, 8), 10)
    volumes = one.options.source.volumes()
    assert (np.diff(volumes.astype(int), axis=2) <= 0).all()
    batch = one.batch(0, Fidelity.model_validate({"resolution": 6, "batch": 4}), 2)
    assert batch.inputs.shape == (8, 1, 6, 6, 6)
    assert batch.labels is not None
    assert float(batch.inputs.mean()) == pytest.approx(0, abs=1e-6)


def test_an_archive(tmp_path: Path) -> None:
    volumes = np.random.default_rng(0).normal(5, 3, (20, 2, 3, 4, 5))
    one = task(source=saved(tmp_path, x=volumes, y=np.arange(20) % 4), batch_size=6)
    assert (one.shape, one.outputs) == ((2, 3, 4, 5), 4)
    assert one.batch(1).inputs.equal(one.batch(1).inputs)
    found = one.examples(0, 0.25)
    assert (len(found.training), len(found.validation)) == (15, 5)
    normalised, _ = one.pairs(found, found.training)
    assert normalised.mean((0, 2, 3, 4)).abs().max() < 1e-5


X = np.random.default_rng(0).normal(0, 1, (8, 1, 3, 3, 3))
BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "rank": ({"volumes": X[0, 0]}, "[3, 3, 3]"),
    "nan": ({"volumes": np.where(X > 2, np.nan, X) * np.nan, "labels": np.arange(8) % 2}, "finite numbers"),
    "none": ({"pictures": X}, "no array 'volumes'"),
    "unlabelled": ({"volumes": X}, "no labels"),
    "count": ({"volumes": X, "labels": np.arange(7) % 2}, "8 volumes, but 7 labels"),
    "fractions": ({"volumes": X, "labels": np.arange(8) % 2 + 0.5}, "whole numbers from 0, one an example"),
    "one class": ({"volumes": X, "labels": np.zeros(8, int)}, "the volumes are all of one class"),
    "lonely": ({"volumes": X, "labels": np.array([0] * 7 + [1])}, "class '1' has one volume"),
    "constant": ({"volumes": 0 * X, "labels": np.arange(8) % 2}, "constant"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_volumes_that_cannot_be_used_are_explained(tmp_path: Path, name: str) -> None:
    arrays, expected = BROKEN[name]
    with pytest.raises(DataError) as caught:
        task(source=saved(tmp_path, **arrays)).examples(0, 0.25)
    assert expected in caught.value.message + caught.value.hint


def test_a_truncated_archive_is_explained(tmp_path: Path) -> None:
    source = saved(tmp_path, volumes=X)
    path = Path(source["path"])
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match="no readable npz archive"):
        task(source=source).batch(0)


def test_sequences_to_train_on(tmp_path: Path) -> None:
    sequences = np.random.default_rng(0).normal(0, 1, (20, 3, 30)) + np.arange(30)
    source = saved(tmp_path, x=sequences, y=np.arange(20) % 2)
    one = SequencesTask(SequencesTask.Options.model_validate({"source": source, "length": 12}))
    found = one.examples(0, 0.25)
    assert found.inputs.shape == (20, 3, 12)
    assert found.inputs.equal(one.examples(0, 0.25).inputs)
    assert not found.inputs.equal(one.examples(1, 0.25).inputs)
    saved(tmp_path, x=sequences, y=np.zeros(20, int))
    with pytest.raises(DataError, match="the sequences are all of one class"):
        one.examples(0, 0.25)
    with pytest.raises(DataError, match="a text has no classes"):
        SequencesTask(SequencesTask.Options.model_validate({"source": {"kind": "text"}})).examples(0, 0.25)
