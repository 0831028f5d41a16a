"""Sequences from every source, drawn once from a seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eproxyctl.contracts import Fidelity
from eproxyctl.errors import DataError
from eproxyctl.tasks.sequences import SequencesTask

TEXT = "the cat sat on the mat, and the dog sat on the log; " * 20


def task(**options: object) -> SequencesTask:
    return SequencesTask(SequencesTask.Options.model_validate(options))


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, dict[str, object]]:
    sequences = np.random.default_rng(0).normal(3, 2, (40, 5, 50)).astype(np.float32)
    np.savez(tmp_path / "x.npz", sequences=sequences, labels=np.arange(40) % 4)
    np.savez(tmp_path / "bare.npz", sequences=(sequences * 10).astype(np.int16))
    (tmp_path / "x.txt").write_text(TEXT)
    return {
        "digits": {"kind": "digits"},
        "npz": {"kind": "npz", "path": str(tmp_path / "x.npz")},
        "bare": {"kind": "npz", "path": str(tmp_path / "bare.npz")},
        "text": {"kind": "text"},
        "file": {"kind": "text", "path": str(tmp_path / "x.txt"), "vocabulary": 10},
    }


SHAPES = {"digits": (8, 8), "npz": (5, 50), "bare": (5, 50), "text": (64, 32), "file": (10, 32)}


@pytest.mark.parametrize("name", SHAPES)
def test_a_minibatch_comes_from_the_seed(sources: dict[str, dict[str, object]], name: str) -> None:
    one = task(source=sources[name])
    batch = one.batch(seed=0)
    assert one.shape == SHAPES[name]
    assert batch.inputs.shape == (16, *one.shape)
    assert batch.inputs.equal(one.batch(seed=0).inputs)
    assert not batch.inputs.equal(one.batch(seed=1).inputs)
    assert (batch.labels is None) == (name == "bare")
    assert one.outputs == {"digits": 10, "npz": 4, "bare": 10, "text": 64, "file": 10}[name]


@pytest.mark.parametrize("name", ["digits", "npz", "bare"])
def test_values_are_normalised_per_channel(sources: dict[str, dict[str, object]], name: str) -> None:
    inputs = task(source=sources[name]).batch(0).inputs
    spread = inputs.std((0, 2), correction=0)
    assert inputs.mean((0, 2)).abs().max() < 1e-5
    assert (((spread - 1).abs() < 1e-4) | (spread == 0)).all()


def test_text_is_one_hot_and_its_label_is_the_next_character(sources: dict[str, dict[str, object]]) -> None:
    batch = task(source=sources["file"], length=40, batch_size=8).batch(0)
    assert batch.inputs.sum(1).equal(batch.inputs.new_ones(8, 40))
    frequent = sorted(set(TEXT), key=lambda c: (-TEXT.count(c), c))[:9]
    text = "".join(c if c in frequent else "?" for c in TEXT)
    assert batch.labels is not None
    for window, label in zip(batch.inputs.argmax(1).tolist(), batch.labels.tolist(), strict=True):
        assert "".join([*frequent, "?"][token] for token in [*window, label]) in text


def test_windows_and_fidelity_shorten_the_sequences(sources: dict[str, dict[str, object]]) -> None:
    assert task(source=sources["npz"], length=20).batch(0).inputs.shape == (16, 5, 20)
    fidelity = Fidelity.model_validate({"resolution": 8, "batch": 2})
    for name in SHAPES:
        assert task(source=sources[name]).batch(0, fidelity, 3).inputs.shape == (6, SHAPES[name][0], 8)


def damaged(root: Path) -> dict[str, dict[str, object]]:
    np.savez(root / "flat.npz", sequences=np.zeros((20, 32)))
    np.savez(root / "none.npz", images=np.zeros(3))
    np.savez(root / "nan.npz", sequences=np.full((20, 2, 8), np.nan))
    np.savez(root / "labels.npz", sequences=np.ones((20, 2, 8)), labels=np.zeros(3, dtype=int))
    np.savez(root / "object.npz", sequences=np.array([None] * 20))
    np.savez(root / "constant.npz", sequences=np.ones((20, 2, 8)))
    np.savez(root / "few.npz", sequences=np.ones((2, 2, 8)))
    (root / "text.npz").write_text("no archive")
    (root / "short.txt").write_text("short")
    (root / "binary.txt").write_bytes(b"\xff\xfe\xfa")
    npz = ("flat", "none", "nan", "labels", "object", "constant", "few", "text", "missing")
    texts = {name: {"kind": "text", "path": str(root / name)} for name in ("short.txt", "binary.txt", "missing.txt")}
    return texts | {name: {"kind": "npz", "path": str(root / f"{name}.npz")} for name in npz}


CAUSES = {
    "flat": "[20, 32]",
    "none": "no array 'sequences'",
    "nan": "finite numbers",
    "labels": "20 sequences, but 3 labels",
    "object": "no readable npz",
    "constant": "constant",
    "few": "has 2",
    "text": "no readable npz",
    "missing": "no file",
    "short.txt": "5 characters",
    "binary.txt": "cannot read the text",
    "missing.txt": "no file",
}


@pytest.mark.parametrize("name", CAUSES)
def test_sequences_that_cannot_be_used_are_explained(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError) as caught:
        task(source=damaged(tmp_path)[name]).batch(0)
    assert CAUSES[name] in caught.value.message + caught.value.hint


def test_windows_longer_than_the_sequences_are_refused() -> None:
    with pytest.raises(DataError, match="9 steps asked for, sequences have 8"):
        task(length=9).batch(0)
