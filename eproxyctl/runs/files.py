"""Files that survive a kill and a full disk: replaced at once, or appended to line by line."""

from __future__ import annotations

import errno
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eproxyctl.errors import RunError

CHECK = "crc"
"""The field of a line that holds its checksum."""
NO_SPACE = "free some space, then run the same command: it continues where it stopped"
NO_ACCESS = "name a folder that is there and that you may write to"
CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn a failed write into an error that says what to do."""
    try:
        yield
    except OSError as error:
        hint = NO_ACCESS if error.errno in CLOSED else NO_SPACE
        raise RunError(f"cannot write {path}: {error.strerror}", hint=hint) from None


def write(path: Path, text: str | Iterable[str]) -> None:
    """Replace a file at once, or leave it as it was; the text may come in pieces."""
    temporary = path.with_name(f".{path.name}.tmp")
    with explained(path):
        try:
            with temporary.open("w", encoding="utf-8") as stream:
                stream.writelines((text,) if isinstance(text, str) else text)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


class Log:
    """An append-only file of JSON lines that survives kill −9 and a full disk: half a line is cut off when opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with explained(path):
            repair(path)
            self._stream = path.open("ab", buffering=0)
            self._end = self._stream.tell()

    def append(self, line: str) -> int:
        """Add a line; returns the byte it starts at.

        It is not buffered here, so that what failed to be written is not tried again on closing.
        """
        start = self._end
        with explained(self.path):
            data = (line + "\n").encode()
            self._end += len(data)
            while data:
                data = data[self._stream.write(data) :]
        return start

    def close(self) -> None:
        with explained(self.path):
            self._stream.close()


def repair(path: Path) -> None:
    """Cut a file of lines to its last newline."""
    if not path.exists():
        return
    with path.open("rb+") as stream:
        size = end = stream.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - 65536)
            stream.seek(start)
            found = stream.read(end - start).rfind(b"\n")
            if found >= 0:
                end = start + found + 1
                break
            end = start
        if end < size:
            stream.truncate(end)


def sealed(line: str) -> str:
    """A JSON object with a checksum as its last field, by which a changed digit is noticed."""
    return f'{line[:-1]},"{CHECK}":"{zlib.crc32(line.encode()):08x}"}}'


def lines(path: Path, damaged: list[int] | None = None) -> Iterator[dict[str, Any]]:
    """The JSON objects of a file, one a line, none where it does not exist; see `placed`."""
    return (data for _, data in placed(path, damaged))


def placed(path: Path, damaged: list[int] | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
    """As `lines`, each with the byte it starts at.

    Lines that are no JSON object, or not what their checksum says, are passed over.

    Args:
        path: of the file.
        damaged: gets the numbers of the lines that are passed over.
    """
    if not path.exists():
        return
    start = 0
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.endswith(b"\n"):
                return
            data = _whole(line[:-1])
            if data is not None:
                yield start, data
            elif damaged is not None:
                damaged.append(number)
            start += len(line)


def _whole(line: bytes) -> dict[str, Any] | None:
    """The object of a line, None where it is damaged."""
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict):
        return None
    if CHECK in data:
        before = line[: -len(f',"{CHECK}":"00000000"}}')] + b"}"
        if data[CHECK] != f"{zlib.crc32(before):08x}":
            return None
    return data
