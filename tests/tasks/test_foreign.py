"""Hostile files: damaged, of another kind, without end, or larger inside than outside. Each is one error, soon."""

from __future__ import annotations

import io
import os
import resource
import struct
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from eproxyctl.contracts import TableOptions, Task
from eproxyctl.errors import DataError
from eproxyctl.spaces.nasbench201 import NasBench201Space
from eproxyctl.tasks.images import ImagesTask
from eproxyctl.tasks.pixels import read_pixels
from eproxyctl.tasks.regression import RegressionTask
from eproxyctl.tasks.segmentation import SegmentationTask
from eproxyctl.tasks.sequences import SequencesTask
from eproxyctl.tasks.table import load_table
from eproxyctl.tasks.volumes import VolumesTask

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
LABELS = np.arange(20) % 4
ARCHIVES: dict[type[Task], dict[str, Any]] = {
    ImagesTask: {"images": IMAGES, "labels": LABELS},
    RegressionTask: {"images": IMAGES, "values": LABELS},
    SegmentationTask: {"images": IMAGES, "masks": IMAGES % 3},
    SequencesTask: {"sequences": IMAGES.astype(np.float32), "labels": LABELS},
    VolumesTask: {"volumes": IMAGES[:, None, None].astype(np.float32), "labels": LABELS},
}


def task(kind: type[Any], path: Path, **options: object) -> Any:
    return kind(kind.Options.model_validate({"source": {"kind": "npz", "path": str(path)} | options}))


def npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode() + b" " * (63 - (len(header) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def header(shape: tuple[int, ...], descr: str = "|u1") -> str:
    return repr({"descr": descr, "fortran_order": False, "shape": shape})


def zipped(path: Path, name: str, data: bytes, method: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr(f"{name}.npy", data)


def patched(path: Path, name: str, at: int, value: bytes) -> None:
    """A field of the entry changed, in both places where a zip has it."""
    zipped(path, name, npy(header((20, 8, 8)), IMAGES.tobytes()))
    data = bytearray(path.read_bytes())
    central = data.index(b"PK\x01\x02")
    data[at : at + len(value)] = value
    data[central + at + 2 : central + at + 2 + len(value)] = value
    path.write_bytes(data)


HOSTILE: dict[str, tuple[Callable[[Path, str], object], str]] = {
    "single": (lambda path, name: path.write_bytes(npy(header((20, 8, 8)), IMAGES.tobytes())), "a single array"),
    "declares": (lambda path, name: zipped(path, name, npy(header((8 << 30,)))), "unpacks to 8 GiB"),
    "astronomic": (lambda path, name: zipped(path, name, npy(header((10**20, 10**20)))), "unpacks to"),
    "huge type": (lambda path, name: zipped(path, name, npy(header((9,), "|V2000000000"))), "unpacks to"),
    "short": (lambda path, name: zipped(path, name, npy(header((20, 8, 8)), b"123")), "declares 1280 bytes, 3 are"),
    "negative": (lambda path, name: zipped(path, name, npy(header((-1, 8, 8)))), "no readable npz archive"),
    "cut header": (lambda path, name: zipped(path, name, npy(header((20,)))[:50]), "no readable npz archive"),
    "no header": (lambda path, name: zipped(path, name, b""), "no readable npz archive"),
    "code": (lambda path, name: zipped(path, name, npy("__import__('os').getcwd()")), "no readable npz archive"),
    "nested": (lambda path, name: zipped(path, name, npy("(" * 9000)), "no readable npz archive"),
    "version": (lambda path, name: zipped(path, name, b"\x93NUMPY\x09\x00" + bytes(90)), "no readable npz archive"),
    "pickle": (lambda path, name: zipped(path, name, npy(header((1,), "|O"), b"cos\ngetcwd\n(tR.")), "pickle"),
    "compression": (lambda path, name: patched(path, name, 8, b"\x63\x00"), "no readable npz archive"),
    "encryption": (lambda path, name: patched(path, name, 6, b"\x01\x00"), "no readable npz archive"),
    "checksum": (lambda path, name: patched(path, name, 14, b"\x01\x02\x03\x04"), "no readable npz archive"),
    "text": (lambda path, name: path.write_text("no archive"), "no readable npz archive"),
    "empty": (lambda path, name: path.write_bytes(b""), "no readable npz archive"),
    "no entries": (lambda path, name: zipfile.ZipFile(path, "w").close(), "has no array"),
    "scalar": (lambda path, name: np.savez(path, **{name: 3}), "[]"),
    "folder": (lambda path, name: path.mkdir(), "is a folder"),
    "pipe": (lambda path, name: os.mkfifo(path), "is a pipe"),
    "device": (lambda path, name: path.symlink_to("/dev/zero"), "is a pipe, device"),
    "nothing": (lambda path, name: path.symlink_to(path.parent / "none"), "no file"),
}


@pytest.mark.parametrize("kind", ARCHIVES)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_one_error(tmp_path: Path, kind: type[Task], name: str) -> None:
    make, expected = HOSTILE[name]
    path = tmp_path / "x.npz"
    make(path, next(iter(ARCHIVES[kind])))
    one = task(kind, path)
    for call in (lambda: one.batch(0), lambda: one.examples(0, 0.25)):
        with pytest.raises(DataError) as caught:
            call()
        assert expected in caught.value.message + caught.value.hint
        assert len(caught.value.message) < 800


@pytest.mark.parametrize("kind", ARCHIVES)
def test_what_goes_with_the_inputs_is_hostile(tmp_path: Path, kind: type[Task]) -> None:
    (first, inputs), (second, _) = ARCHIVES[kind].items()
    buffer = io.BytesIO()
    np.save(buffer, inputs)
    for data in (npy(header((8 << 30,))), npy(header((20,), "<i8"), b"123"), npy(header((20,), "|O")), b""):
        with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
            archive.writestr(f"{first}.npy", buffer.getvalue())
            archive.writestr(f"{second}.npy", data)
        with pytest.raises(DataError):
            task(kind, tmp_path / "x.npz").examples(0, 0.25)


def test_a_small_archive_that_unpacks_to_gigabytes_is_refused_unless_asked_for(tmp_path: Path) -> None:
    size, chunk = 3 << 30, bytes(1 << 20)
    with (
        zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("images.npy", "w", force_zip64=True) as stream,
    ):
        stream.write(npy(header((size // 64, 8, 8))))
        stream.write(chunk * 40)
    one = task(ImagesTask, tmp_path / "x.npz")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match="unpacks to 3 GiB, and max_gib is 2") as caught:
        one.batch(0)
    assert "max_gib: 3" in caught.value.hint
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes
    with pytest.raises(DataError, match="declares 3221225472 bytes, 41943040 are there"):
        task(ImagesTask, tmp_path / "x.npz", max_gib=4).batch(0)
    np.savez(tmp_path / "y.npz", **ARCHIVES[ImagesTask])
    with pytest.raises(DataError, match="max_gib"):
        task(ImagesTask, tmp_path / "y.npz", max_gib=1e-6).batch(0)


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    parts = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def size(width: int, height: int) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)


PIXELS = (b"IDAT", zlib.compress(bytes(9 * 8)))
END = (b"IEND", b"")
BAD_IMAGES: dict[str, bytes] = {
    "ztxt": png(size(8, 8), (b"zTXt", b"a\0\0" + zlib.compress(bytes(80 << 20))), PIXELS, END),
    "ztxt after": png(size(8, 8), PIXELS, (b"zTXt", b"a\0\0" + zlib.compress(bytes(80 << 20))), END),
    "short ihdr": png((b"IHDR", b"\0\0"), PIXELS, END),
    "no ihdr": png(PIXELS, END),
    "bomb": png(size(50_000, 50_000), PIXELS, END),
    "half a bomb": png(size(10_000, 10_000), PIXELS, END),
    "nothing wide": png(size(0, 8), PIXELS, END),
    "no pixels": png(size(8, 8), END),
    "cut": png(size(8, 8), PIXELS)[:-20],
    "checksum": png(size(8, 8), PIXELS, END).replace(b"IDAT", b"IDAX"),
    "empty": b"",
    "text": b"GIF89a, or so",
    "bmp": b"BM" + bytes(20),
    "tiff": b"II*\0\x08\0\0\0\xff\xff" + bytes(40),
    "webp": b"RIFF\x20\0\0\0WEBPVP8 " + bytes(20),
    "jpeg": b"\xff\xd8\xff\xe0" + bytes(30),
}


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_a_hostile_image_is_one_error_that_names_it(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(BAD_IMAGES[name])
    for indexed in (False, True):
        with pytest.raises(DataError, match=r"cannot read the image .*x\.png: .") as caught:
            read_pixels(path, indexed=indexed)
        assert "skip_bad" in caught.value.hint


def test_an_image_that_only_looks_so_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(png(size(8, 8), (b"zTXt", b"a\0\0" + zlib.compress(bytes(900))), PIXELS, END))
    assert read_pixels(tmp_path / "x.png").shape == (8, 8)


ENDLESS: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "folder": Path.mkdir,
}


@pytest.mark.parametrize("name", ENDLESS)
def test_what_never_ends_is_refused_at_once(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.csv"
    ENDLESS[name](path)
    space = NasBench201Space(NasBench201Space.Options())
    text = SequencesTask.Options.model_validate({"source": {"kind": "text", "path": str(path)}})
    values = {"kind": "folder", "path": str(tmp_path), "file": str(path)}
    numbers = RegressionTask.Options.model_validate({"source": values})
    listing = ImagesTask.Options.model_validate({"source": {"kind": "csv", "path": str(path)}})
    for batch in range(1, 6):
        (tmp_path / f"data_batch_{batch}.bin").symlink_to(path)
    cifar = ImagesTask.Options.model_validate({"source": {"kind": "cifar10", "path": str(tmp_path)}})
    started = time.monotonic()
    calls: list[Callable[[], object]] = [
        lambda: load_table(TableOptions(path=str(path)), space),
        lambda: read_pixels(path),
        lambda: SequencesTask(text).batch(0),
        lambda: RegressionTask(numbers).batch(0),
        lambda: ImagesTask(listing).batch(0),
        lambda: ImagesTask(cifar).batch(0),
    ]
    for call in calls:
        with pytest.raises(DataError, match="no regular file"):
            call()
    assert time.monotonic() - started < 30  # it would be without end


@pytest.mark.parametrize("path", ["x\0.npz", "x" * 5000, "\udcff.npz", ""])
def test_a_path_that_cannot_be(path: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: load_table(TableOptions(path=path), NasBench201Space(NasBench201Space.Options())),
        lambda: read_pixels(Path(path)),
        *(lambda kind=kind: task(kind, Path(path)).examples(0, 0.25) for kind in ARCHIVES),  # type: ignore[misc]
        lambda: SequencesTask(SequencesTask.Options.model_validate({"source": {"kind": "text", "path": path}})).batch(
            0
        ),
        lambda: ImagesTask(ImagesTask.Options.model_validate({"source": {"kind": "folder", "path": path}})).outputs,
    ]
    for call in calls[:-1] if not path else calls:
        with pytest.raises(DataError) as caught:
            call()
        assert caught.value.message.isprintable()
        assert caught.value.message.encode()


def test_values_beyond_single_precision_are_refused(tmp_path: Path) -> None:
    for kind, name in ((SequencesTask, "sequences"), (VolumesTask, "volumes")):
        arrays = {key: value.astype(np.float64) for key, value in ARCHIVES[kind].items()}
        arrays[name][3] = 1e300
        np.savez(tmp_path / "x.npz", **{name: arrays[name]})
        with pytest.raises(DataError, match=f"'{name}' is float64"):
            task(kind, tmp_path / "x.npz").batch(0)
    np.savez(tmp_path / "x.npz", images=IMAGES, values=np.array([1e200, *[0.0] * 19]))
    with pytest.raises(DataError, match="spread too far"):
        task(RegressionTask, tmp_path / "x.npz").examples(0, 0.25)


def test_images_without_pixels_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=np.zeros((20, 0, 8), np.uint8))
    with pytest.raises(DataError, match="images without pixels"):
        task(ImagesTask, tmp_path / "x.npz").batch(0)


def test_labels_of_cifar_beyond_its_classes_are_refused(tmp_path: Path) -> None:
    for batch in range(1, 6):
        records = np.full((4, 3073), 77, dtype=np.uint8)
        records.tofile(tmp_path / f"data_batch_{batch}.bin")
    options = ImagesTask.Options.model_validate({"source": {"kind": "cifar10", "path": str(tmp_path)}})
    with pytest.raises(DataError, match=r"data_batch_1\.bin has a label 77"):
        ImagesTask(options).batch(0)


def test_a_png_of_the_same_name_still_works(tmp_path: Path) -> None:
    Image.fromarray(IMAGES[0]).save(tmp_path / "x.png")
    assert (read_pixels(tmp_path / "x.png") == IMAGES[0]).all()
