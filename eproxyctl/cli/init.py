"""`eproxyctl init`: a commented spec for one's own images."""

from __future__ import annotations

import json
import os
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from eproxyctl.cli import common, output
from eproxyctl.cli.failures import say
from eproxyctl.cli.progress import bars
from eproxyctl.errors import DataError, UsageError
from eproxyctl.runs.progress import Counter
from eproxyctl.spec.models import json_schema

if TYPE_CHECKING:
    from eproxyctl.tasks.sources import DigitImages, ImageArchive, ImageFolder
    from eproxyctl.tasks.survey import Survey

SIDES = (8, 16, 32)
"""Resolutions proposed: the largest that most images have; more is slow without a GPU."""
SCHEMA = "eproxyctl.schema.json"
COMMENT = " @@ "
ARCHITECTURES = 30
SMALL_BATCH, BATCH = 16, 64
STEPS = 16
"""Steps an epoch below which batches are small: with 4 steps an epoch, 20 epochs teach 240 images to no network."""


def init(
    images: Annotated[
        Optional[Path],  # noqa: UP045 - typer
        typer.Argument(
            metavar="[DIR]", help="A folder with one subfolder of images a class; or an .npz.", show_default="digits"
        ),
    ] = None,
    spec: Annotated[Path, typer.Option("--output", "-o", help="The spec to write.")] = common.DEFAULT_SPEC,
    plugin_folders: common.PluginFolders = None,
    no_plugins: common.NoPlugins = False,
) -> None:
    """Write a commented spec for a folder of images, an npz archive, or scikit-learn's digits.

    Every image is read once: classes, size and colour are taken from them, and one that cannot be read is named. An npz
    has `images` uint8 [N, H, W, 3] or [N, H, W] and `labels` [N]. The JSON Schema for an editor is written beside the
    spec.

    Example: eproxyctl init photos/
    """
    from eproxyctl.runs import files

    if spec.exists():
        raise UsageError(f"{spec} exists", hint="name another file with --output, or remove it")
    registry, _ = common.open_plugins(plugin_folders, no_plugins)
    source = _source(images)
    found = _survey(source, str(images or "digits"))
    text = _text(spec, images, source, found)
    files.write(spec, text)
    files.write(spec.parent / SCHEMA, json.dumps(json_schema(registry), indent=2) + "\n")
    output.emit(f"{spec}\n")
    colour = "grey" if found.grey else "in colour"
    for note in source.notes():
        say(note)
    say(f"{found.count} images {colour} of {len(found.classes)} classes: {_few(found.classes)}", always=False)
    say(f"next: {common.command('benchmark', spec)}", always=False)


def _source(images: Path | None) -> ImageFolder | ImageArchive | DigitImages:
    from eproxyctl.tasks.sources import DigitImages, ImageArchive, ImageFolder

    if images is None:
        return DigitImages()
    if images.is_dir():
        return ImageFolder(path=str(images))
    if images.suffix == ".npz":
        return ImageArchive(path=str(images))
    known = "a folder with one subfolder of images a class, or an .npz file"
    raise DataError(f"{images} is {'neither' if images.exists() else 'not there; wanted is'} {known}")


def _survey(source: ImageFolder | ImageArchive | DigitImages, name: str) -> Survey:
    from eproxyctl.tasks.sources import ImageFolder
    from eproxyctl.tasks.survey import survey

    total = len(source.files()) if isinstance(source, ImageFolder) else 0
    with bars() as progress:
        return survey(source, Counter(f"reading {name}", total, progress).advance)


def _text(spec: Path, images: Path | None, source: ImageFolder | ImageArchive | DigitImages, found: Survey) -> str:
    side = max((s for s in SIDES if s <= found.side), default=SIDES[0])
    title = f"{found.count} images of {len(found.classes)} classes ({_few(found.classes)}) from {images or 'digits'}."
    small = found.count < STEPS * BATCH
    values = {
        "schema": SCHEMA,
        "title": title,
        "spec": str(spec),
        "runs": f"runs/{spec.stem}",
        "table": os.path.relpath(Path("runs") / spec.stem / "benchmark" / "table.csv", spec.parent),
        "architectures": str(ARCHITECTURES),
        "source": _source_text(source, spec, images),
        "resolution": str(side),
        "grey": str(found.grey).lower(),
        "minibatch": str(min(SMALL_BATCH, found.count)),
        "batch": str(SMALL_BATCH if small else BATCH),
        "augment": "[]" if images is None else "[flip, crop]",
    }
    text = (files("eproxyctl") / "data" / "templates" / "spec.yaml.txt").read_text("utf-8")
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return "".join(f"{_aligned(line)}\n" for line in text.splitlines())


def _aligned(line: str) -> str:
    """`value @@ comment` with the comments of all lines under each other."""
    value, mark, comment = line.rpartition(COMMENT)
    return f"{value:<34} # {comment}" if mark else line


def _source_text(source: ImageFolder | ImageArchive | DigitImages, spec: Path, images: Path | None) -> str:
    if images is None:
        return "{kind: digits}"
    path = images.resolve()
    beside = spec.resolve().parent
    shown = os.path.relpath(path, beside) if path.is_relative_to(beside) else str(path)
    return f"{{kind: {source.kind}, path: {json.dumps(shown, ensure_ascii=False)}}}"


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:10]) + (" …" if len(names) > 10 else "")
