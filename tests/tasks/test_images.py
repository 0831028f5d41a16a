"""Images from every source, drawn once from a seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eproxyctl.contracts import Fidelity
from eproxyctl.errors import DataError
from eproxyctl.tasks.images import ImagesTask


def task(**options: object) -> ImagesTask:
    return ImagesTask(ImagesTask.Options.model_validate(options))


def folder(root: Path) -> Path:
    generator = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True)
        for i in range(6):
            pixels = generator.integers(0, 256, (20, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    Image.fromarray(np.arange(400, dtype=np.uint8).reshape(20, 20)).save(root / "cat" / "grey.png")
    Image.fromarray(generator.integers(0, 256, (20, 20, 4), dtype=np.uint8)).save(root / "dog" / "alpha.png")
    return root


def cifar(root: Path, name: str = "data_batch_{}.bin") -> Path:
    root.mkdir()
    for i in range(1, 6):
        records = np.random.default_rng(i).integers(0, 256, (7, 3073), dtype=np.uint8)
        records[:, 0] %= 10
        records.tofile(root / name.format(i))
    return root


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, dict[str, object]]:
    images = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    np.savez(tmp_path / "x.npz", images=images, labels=np.arange(20) % 4)
    return {
        "photos": {"kind": "photos"},
        "digits": {"kind": "digits"},
        "npz": {"kind": "npz", "path": str(tmp_path / "x.npz")},
        "folder": {"kind": "folder", "path": str(folder(tmp_path / "images"))},
        "cifar10": {"kind": "cifar10", "path": str(cifar(tmp_path / "cifar"))},
    }


@pytest.mark.parametrize("name", ["photos", "digits", "npz", "folder", "cifar10"])
def test_a_minibatch_is_normalised_and_comes_from_the_seed(sources: dict[str, dict[str, object]], name: str) -> None:
    one = task(source=sources[name], batch_size=8, resolution=16)
    batch = one.batch(seed=0)
    assert batch.inputs.shape == (8, 3, 16, 16)
    assert batch.inputs.mean((0, 2, 3)).abs().max() < 1e-5
    assert (batch.inputs.std((0, 2, 3), correction=0) - 1).abs().max() < 1e-4
    assert batch.inputs.equal(one.batch(seed=0).inputs)
    assert not batch.inputs.equal(one.batch(seed=1).inputs)
    assert (batch.labels is None) == (name == "photos")
    assert one.outputs == {"photos": 10, "digits": 10, "npz": 4, "folder": 2, "cifar10": 10}[name]


def test_fidelity_shrinks_the_minibatch() -> None:
    fidelity = Fidelity.model_validate({"resolution": 8, "batch": 2})
    assert task().batch(0, fidelity).inputs.shape == (2, 3, 8, 8)
    assert task(grey=True).batch(0).inputs.shape == (16, 1, 32, 32)


def test_cifar_records_are_read_as_published(tmp_path: Path) -> None:
    root = cifar(tmp_path / "cifar")
    record = np.fromfile(root / "data_batch_1.bin", dtype=np.uint8)[:3073]
    source = task(source={"kind": "cifar10", "path": str(root)}).options.source
    images, labels = source.draw(35, __import__("random").Random(0))
    assert labels is not None
    wanted = record[1:].reshape(3, 32, 32).transpose(1, 2, 0)
    assert any((image == wanted).all() and label == record[0] for image, label in zip(images, labels, strict=True))


def damaged(root: Path) -> dict[str, dict[str, object]]:
    np.savez(root / "float.npz", images=np.zeros((20, 32, 32, 3)))
    np.savez(root / "flat.npz", images=np.zeros((20, 32), dtype=np.uint8))
    np.savez(root / "none.npz", pictures=np.zeros(3))
    np.savez(root / "labels.npz", images=np.zeros((20, 8, 8, 3), dtype=np.uint8), labels=np.zeros(3, dtype=int))
    np.savez(root / "object.npz", images=np.array([None] * 20))
    np.savez(root / "black.npz", images=np.zeros((20, 8, 8, 3), dtype=np.uint8))
    (root / "text.npz").write_text("no archive")
    (root / "empty").mkdir()
    (root / "broken").mkdir()
    (root / "broken" / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n no image")
    (root / "short").mkdir()
    for i in range(1, 6):
        (root / "short" / f"data_batch_{i}.bin").write_bytes(b"123")
    (root / "few").mkdir()
    Image.new("RGB", (8, 8)).save(root / "few" / "x.png")
    npz = {
        name: {"kind": "npz", "path": str(root / f"{name}.npz")}
        for name in ("float", "flat", "none", "labels", "object", "black", "text", "missing")
    }
    folders: dict[str, dict[str, object]] = {
        name: {"kind": "folder", "path": str(root / name)} for name in ("empty", "broken", "few", "nowhere")
    }
    cifars: dict[str, dict[str, object]] = {
        f"cifar {name}": {"kind": "cifar10", "path": str(root / name)} for name in ("short", "empty")
    }
    return npz | folders | cifars


CAUSES = {
    "float": "float64",
    "flat": "[20, 32]",
    "none": "no array 'images'",
    "labels": "20 images, but 3 labels",
    "object": "no readable npz",
    "black": "constant",
    "text": "no readable npz",
    "missing": "no file",
    "empty": "no images",
    "broken": "cannot read the image",
    "few": "has 1",
    "nowhere": "no folder",
    "cifar short": "3 bytes",
    "cifar empty": "download: true",
}


@pytest.mark.parametrize("name", CAUSES)
def test_images_that_cannot_be_used_are_explained(tmp_path: Path, name: str) -> None:
    source = damaged(tmp_path)[name]
    size = 1 if name == "broken" else 16
    with pytest.raises(DataError) as caught:
        task(source=source, batch_size=size).batch(0)
    assert CAUSES[name] in caught.value.message + caught.value.hint


def test_real_cifar_images(benchmarks: Path) -> None:
    path = benchmarks / "images" / "cifar10-test-2000.npz"
    one = task(source={"kind": "npz", "path": str(path)})
    assert one.outputs == 10
    assert one.batch(0).inputs.shape == (16, 3, 32, 32)
