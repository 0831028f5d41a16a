"""Mutated data files: every border of the tasks gives values or one DataError, never another exception.

`EPROXYCTL_FUZZ_SECONDS` is the budget of all kinds together, `EPROXYCTL_FUZZ_SEED` the seed.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from mutations import Mutate, either, of_archive, of_bytes, of_csv, of_json, of_png
from PIL import Image

from eproxyctl import plugins
from eproxyctl.contracts import Space, TableOptions
from eproxyctl.errors import DataError
from eproxyctl.tasks import pixels
from eproxyctl.tasks.images import ImagesTask
from eproxyctl.tasks.masks import VOID
from eproxyctl.tasks.regression import RegressionTask
from eproxyctl.tasks.segmentation import SegmentationTask
from eproxyctl.tasks.self_supervised import RotationTask
from eproxyctl.tasks.sequences import SequencesTask
from eproxyctl.tasks.sources import ImageFolder
from eproxyctl.tasks.table import load_table
from eproxyctl.tasks.volumes import VolumesTask

SECONDS = float(os.environ.get("EPROXYCTL_FUZZ_SECONDS", "5"))
SEED = int(os.environ.get("EPROXYCTL_FUZZ_SEED", "0"))
LEAST = 8
"""Inputs of each kind, however slow the machine is."""
LONGEST = 5.0
"""CPU seconds that one input may take."""

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(240 + 20 * SECONDS)]

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
LABELS = np.arange(20) % 4
SHAPED = np.linspace(0, 255, 64).reshape(8, 8).astype(np.uint8)


def archive(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def picture(format: str, mode: str = "L", **options: Any) -> bytes:
    buffer = io.BytesIO()
    deep = {"I;16": SHAPED.astype(np.uint16) * 257, "F": SHAPED.astype(np.float32) / 255}
    image = Image.fromarray(deep[mode]) if mode in deep else Image.fromarray(SHAPED).convert(mode)
    image.save(buffer, format, **options)
    return buffer.getvalue()


Use = Callable[[Path], object]
"""Reads a file as some part of the tasks does, and checks what comes out."""


@dataclass(frozen=True)
class Kind:
    """A kind of file: a valid one, what changes it, and who reads it."""

    name: str
    valid: tuple[bytes, ...]
    mutate: Mutate
    use: Use


def trained(task: type[Any], /, **options: Any) -> Callable[[Path], None]:
    """A task on a source of one file: the minibatch and all examples are finite, and labels are among the outputs."""

    def use(path: Path) -> None:
        source = {"kind": "npz", "path": str(path)} | options
        one = task(task.Options.model_validate({"source": source, "batch_size": 4}))
        one.notes()
        assert 0 < one.outputs <= 1000
        batch = one.batch(0)
        assert torch.isfinite(batch.inputs).all()
        found = one.examples(0, 0.25, 10)
        inputs, targets = one.pairs(found, found.training)
        assert torch.isfinite(inputs).all()
        assert len(set(found.training.tolist()) & set(found.validation.tolist())) == 0
        if targets.dtype == torch.int64:
            known = targets[targets != VOID] if task is SegmentationTask else targets
            assert 0 <= int(known.min()) <= int(known.max()) < one.outputs
        else:
            assert torch.isfinite(targets).all()

    return use


def drawn(path: Path) -> None:
    options = SequencesTask.Options.model_validate({"source": {"kind": "text", "path": str(path)}, "batch_size": 4})
    assert torch.isfinite(SequencesTask(options).known(SequencesTask(options).batch(0)).inputs).all()


def read(path: Path) -> None:
    for indexed in (False, True):
        image = pixels.read_pixels(path, indexed=indexed)
        assert indexed or (image.dtype == np.uint8 and image.ndim in (2, 3) and image.size)
    pixels.resized(pixels.read_pixels(path), 8, grey=False)


def tabled(space: Space, **options: Any) -> Use:
    def use(path: Path) -> None:
        table = load_table(TableOptions.model_validate({"path": str(path)} | options), space)
        assert table.metric
        assert all(isinstance(value, float) and np.isfinite(value) for value in table.metric.values())
        assert all(space.parse(key) == key for key in table.metric)

    return use


def kinds() -> list[Kind]:
    deep = {"sequences": IMAGES.astype(np.float32), "labels": LABELS}
    parts = {
        f"{part}_{name}": array[:n]
        for part, n in (("train", 20), ("val", 8))
        for name, array in (("images", IMAGES), ("labels", LABELS[:, None]))
    }
    images = (archive(images=IMAGES, labels=LABELS), archive(x=IMAGES, y=LABELS.astype("U")), archive(**parts))
    inside = either(of_archive, of_archive, of_bytes)
    found = [
        Kind("images.npz", images, inside, trained(ImagesTask)),
        Kind("rotation.npz", images, inside, trained(RotationTask)),
        Kind("values.npz", (archive(images=IMAGES, values=LABELS * 0.5),), inside, trained(RegressionTask)),
        Kind("masks.npz", (archive(images=IMAGES, masks=IMAGES % 3),), inside, trained(SegmentationTask)),
        Kind("sequences.npz", (archive(**deep),), inside, trained(SequencesTask)),
        Kind("volumes.npz", (archive(volumes=IMAGES[:, None, None], labels=LABELS),), inside, trained(VolumesTask)),
        Kind("text.txt", (b"the cat sat on the mat, " * 20,), of_bytes, drawn),
        Kind(
            "x.png",
            (picture("PNG"), picture("PNG", "P"), picture("PNG", "RGBA"), picture("PNG", "I;16")),
            either(of_png, of_bytes),
            read,
        ),
        Kind("x.jpg", (picture("JPEG"), picture("JPEG", "CMYK")), of_bytes, read),
        Kind("x.gif", (picture("GIF"),), of_bytes, read),
        Kind("x.bmp", (picture("BMP"), picture("BMP", "RGB")), of_bytes, read),
        Kind(
            "x.tif",
            (picture("TIFF"), picture("TIFF", "F"), picture("TIFF", "I;16"), picture("TIFF", compression="tiff_lzw")),
            of_bytes,
            read,
        ),
        Kind("x.webp", (picture("WEBP"), picture("WEBP", "RGBA", lossless=True)), of_bytes, read),
    ]
    return found + tables()


def tables() -> list[Kind]:
    registry = plugins.load_plugins(plugins.Sources((), installed=False))
    found = []
    for entry in registry.of("space"):
        space = registry.create("space", registry.parse("space", {"kind": entry.kind}))
        if not space.parameters():
            continue
        keys = [key for _, key in zip(range(6), space.sample(0), strict=False)]
        records = [{"arch": key, "acc": i * 0.5, "n": i, "status": "ok"} for i, key in enumerate(keys)]
        forms = (records, [[key, i] for i, key in enumerate(keys)], {key: {"acc": i} for i, key in enumerate(keys)})
        documents = tuple(json.dumps(form).encode() for form in forms)
        lines = ["arch,acc,n", *(f'"{key}",{i}.5,{i}' for i, key in enumerate(keys))]
        metric = {"metric": "acc", "missing": "skip", "repeats": "mean"}
        found += [
            Kind(f"{entry.kind}.json", documents[:1], either(of_json, of_json, of_bytes), tabled(space, **metric)),
            Kind(f"{entry.kind}.keyed.json", documents[1:], either(of_json, of_json, of_bytes), tabled(space)),
            Kind(f"{entry.kind}.csv", ("\n".join(lines).encode(),), either(of_csv, of_bytes), tabled(space, **metric)),
        ]
        if entry.kind == "nasbench201":
            packed = gzip.compress(documents[0], mtime=0)
            found.append(Kind("packed.json.gz", (packed,), of_bytes, tabled(space, **metric)))
            found.append(
                Kind(
                    "t.jsonl", (b"\n".join(json.dumps(r).encode() for r in records),), of_bytes, tabled(space, **metric)
                )
            )
            found += _parquet(records, tabled(space, **metric))
    return found


def _parquet(records: list[dict[str, Any]], use: Use) -> list[Kind]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        return []
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(records), buffer)
    return [Kind("t.parquet", (buffer.getvalue(),), of_bytes, use)]


KINDS = kinds()


def tried(use: Use, path: Path, what: str) -> bool:
    """Whether a file is taken; a refusal must be one short message that can be printed."""
    started, refusal = time.process_time(), None
    try:
        use(path)
    except DataError as error:
        refusal = error
    except Exception as error:
        error.add_note(f"{what}: {path}")
        raise
    assert time.process_time() - started < LONGEST, what
    if refusal is not None:
        text = f"{refusal.message} {refusal.hint}"
        assert refusal.message, what
        assert len(text) < 8000, what
        assert text.replace("\n", " ").isprintable(), (what, text)
        text.encode()
    return refusal is None


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_mutated_file_is_values_or_a_data_error(tmp_path: Path, kind: Kind) -> None:
    path = tmp_path / kind.name
    for valid in kind.valid:
        path.write_bytes(valid)
        assert tried(kind.use, path, "the valid file")
    until, number = time.monotonic() + SECONDS / len(KINDS), 0
    while number < LEAST or time.monotonic() < until:
        draw = random.Random(f"{SEED} {kind.name} {number}")
        path.write_bytes(kind.mutate(draw.choice(kind.valid), draw))
        tried(kind.use, path, f"seed {SEED}, input {number}")
        number += 1
    print(f"{kind.name}: {number} inputs")


LISTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "values": ("name,value", "{}.png,{}.5", {"kind": "folder"}),
    "labels": ("image,label,part", "{}.png,{},train", {"kind": "csv", "split": "part"}),
    "classes": ("image,label", "{}.png,{}", {"kind": "csv"}),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_mutated_list_of_images_is_values_or_a_data_error(tmp_path: Path, name: str) -> None:
    header, line, options = LISTS[name]
    for i, image in enumerate(IMAGES):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    path = tmp_path / "list.csv"
    kind, source = ImagesTask, options | {"path": str(path)}
    if options["kind"] == "folder":
        kind, source = RegressionTask, options | {"path": str(tmp_path), "file": str(path)}
    valid = "\n".join([header, *(line.format(i, i % 2) for i in range(20))]).encode()
    until, number = time.monotonic() + SECONDS / len(KINDS), 0

    def use(_: Path) -> None:
        one = kind(kind.Options.model_validate({"source": source, "batch_size": 4, "resolution": 8}))
        one.notes()
        one.batch(0)
        one.examples(0, 0.25)

    while number < LEAST or time.monotonic() < until:
        draw = random.Random(f"{SEED} {name} {number}")
        path.write_bytes(either(of_csv, of_bytes)(valid, draw))
        tried(use, path, f"seed {SEED}, input {number}")
        number += 1


def together(leaf: tuple[list[bytes], bytes]) -> tuple[bytes, ...]:
    return (*leaf[0], leaf[1])


PARTS = st.sampled_from(
    [b"train", b"val", b"test", b"valid", b"a", b"b", b"c", b"\xff\xfe", b"x\ny", b".hidden", b"a b"]
)
NAMES = st.sampled_from([b"1.png", b"2.PNG", b"bad.png", b"3.txt", b"\xff.png", b"folder.png", b"pipe.png"])
TREES = st.lists(st.tuples(st.lists(PARTS, max_size=3), NAMES), max_size=14, unique_by=together)


def planted(root: Path, tree: list[tuple[list[bytes], bytes]]) -> None:
    for number, (folders, name) in enumerate(tree):
        place = os.path.join(os.fsencode(root), *folders)
        os.makedirs(place, exist_ok=True)
        path = os.path.join(place, name)
        if name.startswith(b"folder"):
            os.makedirs(path, exist_ok=True)
        elif name.startswith(b"pipe"):
            os.mkfifo(path)
        else:
            with open(path, "wb") as stream:
                stream.write(b"bad" if name.startswith(b"bad") else picture("PNG"))
                if number == 0:
                    stream.truncate(40)


@seed(SEED)
@settings(
    max_examples=max(30, int(SECONDS * 2)),
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(TREES, st.booleans())
def test_any_tree_of_folders_is_values_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, tree: list[tuple[list[bytes], bytes]], skip_bad: bool
) -> None:
    root = tmp_path_factory.mktemp("tree")
    planted(root, tree)
    source = {"kind": "folder", "path": str(root), "skip_bad": skip_bad}

    def use(_: Path) -> None:
        one = ImagesTask(ImagesTask.Options.model_validate({"source": source, "batch_size": 1, "resolution": 8}))
        one.notes()
        assert isinstance(one.options.source, ImageFolder)
        names = one.options.source.names() or ()
        assert len(set(names)) == len(names)
        assert all(name.isprintable() for name in names)
        one.batch(0)
        found = one.examples(0, 0.25)
        assert int(found.targets.max()) < one.outputs

    tried(use, root, "a tree")
    tried(
        lambda _: RotationTask(RotationTask.Options.model_validate({"source": source})).examples(0, 0.25),
        root,
        "a tree",
    )
