"""Folders of images: which file is of which class, and which are kept to validate on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import Field

from eproxyctl.contracts import DataPath, Options
from eproxyctl.errors import DataError
from eproxyctl.tasks.files import shown
from eproxyctl.tasks.pixels import image_files, some
from eproxyctl.tasks.splits import TRAINING, VALIDATION

LEAVES = "one subfolder a class"


class FolderOptions(Options):
    """What every source of a folder has besides its kind."""

    path: DataPath = Field(description="the folder")
    skip_bad: bool = Field(False, description="leave images that cannot be read out, counted, instead of an error")


@dataclass(frozen=True)
class Layout:
    """The images of a folder.

    Attributes:
        files: those for training first.
        labels: of each file, None where the folder has no classes.
        names: of the classes, in the order of their labels.
        training: how many files are for training, None where the folder does not say.
        notes: what a person should know of it.
    """

    files: tuple[Path, ...]
    labels: tuple[int, ...] | None = None
    names: tuple[str, ...] = ()
    training: int | None = None
    notes: tuple[str, ...] = ()

    def without(self, bad: Callable[[Path], bool]) -> Layout:
        """With the files only that are not bad, and a note of how many are."""
        kept = [i for i, file in enumerate(self.files) if not bad(file)]
        lost = len(self.files) - len(kept)
        if not lost:
            return self
        gone = sorted(set(range(len(self.files))) - set(kept))
        named = ", ".join(shown(self.files[i]) for i in gone[:3]) + (" …" if lost > 3 else "")
        return replace(
            self,
            files=tuple(self.files[i] for i in kept),
            labels=None if self.labels is None else tuple(self.labels[i] for i in kept),
            training=None if self.training is None else sum(i < self.training for i in kept),
            notes=(*self.notes, f"{lost:,} of {len(self.files):,} images cannot be read and are left out: {named}"),
        )


def layout(folder: str) -> Layout:
    """One subfolder a class; or `train/` and `val/` (`valid`, `validation`, `test`) with such in both; or no classes.

    Raises:
        DataError: no images; images beside the class folders; two classes of one name; parts that do not go together.
    """
    root = Path(folder)
    files = some(image_files(folder), folder)
    beside = [file for file in files if file.parent == root]
    if len(beside) == len(files):
        return Layout(tuple(files))
    if beside:
        raise DataError(
            f"{len(beside)} images lie beside the class folders in {shown(folder)}: {shown(beside[0].name)} is one",
            hint=f"put every image in {LEAVES}, or all side by side",
        )
    tops = _by_top(root, files)
    train, held = _part(tops, TRAINING), _part(tops, VALIDATION)
    if train is None or held is None:
        return _unsplit(root, files)
    known = {*TRAINING, *VALIDATION}
    others = [top for top in tops if top.lower() not in known]
    if others and held.lower() == "test":  # a class may be called train, another test
        return _unsplit(root, files)
    if others:
        raise DataError(
            f"beside {train} and {held} there are images in {shown(others[0])} of {shown(folder)}",
            hint="move it away, or give another folder",
        )
    return _split(root, tops, train, held)


def split_files(root: Path, files: Sequence[Path]) -> Layout:
    """Images without classes, in whatever folders: `val/` beside `train/` alone is kept to validate on.

    Args:
        root: the folder.
        files: those of its images that count, sorted; at least one.
    """
    tops = _by_top(root, files)
    train, held = _part(tops, TRAINING), _part(tops, VALIDATION)
    if train is None or held is None or {top.lower() for top in tops} - {*TRAINING, *VALIDATION}:
        return Layout(tuple(files))
    return _halves(root, tops, train, held)


def _halves(root: Path, tops: dict[str, list[Path]], train: str, held: str) -> Layout:
    """Two parts without classes; any other is left out with a note."""
    trained, validated = tops[train], tops[held]
    told = f"{held}/ is the validation split: {len(validated):,} of {len(trained) + len(validated):,} images"
    others = (f"{top}/ ({len(tops[top]):,} images) is left out" for top in tops if top not in (train, held))
    return Layout((*trained, *validated), None, (), len(trained), (told, *others))


def _by_top(root: Path, files: Sequence[Path]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for file in files:
        found.setdefault(file.relative_to(root).parts[0], []).append(file)
    return found


def _part(tops: dict[str, list[Path]], words: Sequence[str]) -> str | None:
    return next((top for word in words for top in tops if top.lower() == word), None)


def _unsplit(root: Path, files: Sequence[Path]) -> Layout:
    names = _classes(root, files)
    return Layout(tuple(files), _labels(files, names), names)


def _split(root: Path, tops: dict[str, list[Path]], train: str, held: str) -> Layout:
    """The parts `train` and `held`; any other is left out with a note."""
    trained, validated = tops[train], tops[held]
    ours, theirs = (
        [file for file in part if file.parent == root / top] for top, part in ((train, trained), (held, validated))
    )
    for top, loose, part in ((train, ours, trained), (held, theirs, validated)):
        if 0 < len(loose) < len(part):
            raise DataError(f"{len(loose)} images lie beside the class folders in {shown(root / top)}", hint=LEAVES)
    if theirs and not ours and held.lower() == "test":
        note = f"{held}/ ({len(validated):,} images) has no classes and is left out"
        return replace(_unsplit(root / train, trained), notes=(note,))
    if bool(ours) != bool(theirs):
        with_classes, without = (train, held) if theirs else (held, train)
        raise DataError(
            f"{shown(root)}: {with_classes}/ has class folders, {without}/ has none",
            hint=f"put the images of {without}/ in {LEAVES}, or give the folder {with_classes} as path",
        )
    whole = _halves(root, tops, train, held)
    if ours:
        return whole
    names = _classes(root / train, trained)
    unknown = sorted(set(_classes(root / held, validated)) - set(names))
    if unknown:
        raise DataError(
            f"{shown(root / held)} has the class '{unknown[0]}', {train}/ has not", hint="rename or move it"
        )
    return replace(whole, labels=(*_labels(trained, names), *_labels(validated, names)), names=names)


def _classes(root: Path, files: Sequence[Path]) -> tuple[str, ...]:
    """The names of the folders that the files are in, in the order of their paths."""
    folders = sorted({file.parent for file in files})
    names = tuple(folder.name for folder in folders)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        both = " and ".join(shown(folder.relative_to(root)) for folder in folders if folder.name == twice[0])
        raise DataError(
            f"{shown(root)} has the class '{shown(twice[0])}' {names.count(twice[0])} times: {both}",
            hint="rename one, or give the folder above one of them; train/ and val/ are known as a split",
        )
    wrong = next((name for name in names if not name.isprintable()), None)
    if wrong is not None:
        raise DataError(f"the class folder '{shown(wrong)}' in {shown(root)} has no printable name", hint="rename it")
    return names


def _labels(files: Sequence[Path], names: Sequence[str]) -> tuple[int, ...]:
    number = {name: i for i, name in enumerate(names)}
    return tuple(number[file.parent.name] for file in files)
