"""Files that others made, as they come in: regular ones only, never more of one than a limit, and what a decoder raises
becomes one DataError. Every reader of tasks opens its files here.
"""

from __future__ import annotations

import os
import stat
import warnings
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO

from eproxyctl.errors import DataError, EproxyError, did_you_mean

MIB = 1 << 20
LONGEST = 300
"""Characters of a foreign name or message that are shown."""
LISTED = 20
"""Foreign names that a message lists."""
MOST = 1000
"""Foreign names among which one is looked for that is like another."""


def shown(value: object) -> str:
    """A foreign name or text for a message: one line of printable characters, cut where it is long."""
    text = str(value)
    if len(text) > LONGEST:
        text = text[:LONGEST] + " …"
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def cause(error: BaseException) -> str:
    """What an exception says, in one line."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, MemoryError):
        return "it takes more memory than there is"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return shown(next(iter(str(error).splitlines()), "") or type(error).__name__)


def nearest(word: str, names: Iterable[object]) -> str:
    """The hint for a name that is not there: a foreign one that is like it, else the first of all."""
    known = [shown(name) for name in islice(names, MOST)]
    hint = did_you_mean(word, known)
    if hint.startswith("did you mean") or len(known) <= LISTED:
        return hint
    return f"known: {', '.join(known[:LISTED])} and {len(known) - LISTED} more"


@contextmanager
def foreign(what: str, hint: str = "") -> Iterator[None]:
    """Around a decoder of foreign data: whatever it raises becomes a DataError, and it warns nobody.

    Decoders raise what they like (SyntaxError, struct.error, NotImplementedError, RuntimeError, …), and no list of that
    is complete: where the input is foreign, any exception says that the input is bad.

    Args:
        what: what was tried, such as "cannot read the image x.png"; the cause follows.
        hint: what to do about it.

    Raises:
        DataError: in place of any exception but those that are explained already.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except EproxyError:
        raise
    except Exception as error:  # noqa: BLE001 - see above
        raise DataError(f"{what}: {cause(error)}", hint=hint) from None


@contextmanager
def opened_file(path: str | Path, what: str = "file", hint: str = "") -> Iterator[IO[bytes]]:
    """A file to read.

    Args:
        path: where it is.
        what: what it is called in messages.
        hint: what to do where it is not there.

    Raises:
        DataError: it is not there, may not be read, or is no regular file but a folder, or a pipe or device, whose
            reading may never end.
    """
    try:
        # Without O_NONBLOCK the opening of a pipe waits for somebody to write into it.
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise DataError(f"no {what} {shown(path)}", hint=hint) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise DataError(f"cannot open the {what} {shown(path)}: {cause(error)}") from None
    mode = os.fstat(number).st_mode
    if not stat.S_ISREG(mode):
        os.close(number)
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe, device or socket"
        raise DataError(f"the {what} {shown(path)} is {kind}, no regular file")
    with os.fdopen(number, "rb") as stream:
        yield stream


def file_content(path: str | Path, limit: int, what: str = "file", hint: str = "") -> bytes:
    """All of a file.

    Args:
        limit: bytes it may have.
        path, what, hint: as `opened` has them.

    Raises:
        DataError: as `opened` does, and where it cannot be read or is larger.
    """
    with opened_file(path, what, hint) as stream, foreign(f"cannot read the {what} {shown(path)}"):
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise DataError(f"the {what} {shown(path)} is larger than {limit // MIB} MiB")
    return data


def gunzipped(data: bytes, limit: int, what: str) -> bytes:
    """What gzip data unpack to. Raises DataError where they are damaged, or unpack to more bytes than `limit`."""
    parts, left = list[bytes](), limit + 1
    with foreign(f"cannot unpack {what}"):
        while data and left > 0:  # a file may have several members
            unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
            parts.append(unpacker.decompress(data, left))
            left -= len(parts[-1])
            if left > 0 and not unpacker.eof:
                raise EOFError("it is cut short")
            data = unpacker.unused_data
    if left <= 0:
        raise DataError(f"{what} unpacks to more than {limit // MIB} MiB")
    return b"".join(parts)


def file_text(data: bytes, what: str) -> str:
    """UTF-8, with or without a byte order mark. Raises DataError where it is none."""
    with foreign(f"{what} is no UTF-8 text"):
        return data.decode("utf-8-sig")


def listed_files(folder: str | Path, suffixes: frozenset[str]) -> list[Path]:
    """The files in a folder and below that end in one of `suffixes`, sorted, without hidden files and folders.

    Links to folders are followed, each folder once.

    Raises:
        DataError: no such folder, one that may not be read, or a name with such a suffix that is no regular file.
    """
    root = Path(folder)
    found: list[Path] = []
    waiting, seen = [root], set[tuple[int, int]]()
    try:
        if not root.is_dir():
            raise DataError(f"no folder {shown(folder)}" if not root.exists() else f"{shown(folder)} is no folder")
        while waiting:
            place = waiting.pop()
            status = place.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(place) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    if hidden(entry.name):
                        continue
                    if entry.is_dir():
                        waiting.append(place / entry.name)
                    elif os.path.splitext(entry.name)[1].lower() in suffixes:
                        found.append(_regular(entry, place))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        where = getattr(error, "filename", None) or folder
        raise DataError(f"cannot read the folder {shown(where)}: {cause(error)}") from None
    return sorted(found)


def _regular(entry: os.DirEntry[str], place: Path) -> Path:
    path = place / entry.name
    if not entry.is_file():
        gone = "a link to nothing" if entry.is_symlink() and not path.exists() else "a pipe, device or socket"
        raise DataError(f"{shown(path)} is {gone}, no regular file", hint="remove it")
    return path


def hidden(name: str) -> bool:
    """Whether a file or folder is one that tools make for themselves."""
    return name.startswith(".") or name == "__MACOSX"
