"""Run directories: what was asked, with what, and every row that was paid for.

spec.yaml      as written          rows.jsonl     one line a row, appended as they finish
resolved.yaml  every value         timings.jsonl  seconds of each row
run.json       identity and stamp  lock           held while a process writes
worker         its name among the run directories that share a study
"""

from __future__ import annotations

import errno
import json
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock, Timeout

from eproxyctl.errors import RunError
from eproxyctl.registry import Origin

STAMPED = ("eproxyctl", "torch", "numpy", "scipy", "optuna", "pydantic", "pytorch-ignite", "torchmetrics")
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


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON lines of a file, none where it does not exist.

    Raises:
        RunError: a line that is no JSON.
    """
    return (data for _, data in placed(path))


def placed(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """As `lines`, each with the byte it starts at."""
    if not path.exists():
        return
    start = 0
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                yield start, json.loads(line)
            except ValueError:
                raise RunError(f"{path}:{number} is damaged", hint="delete that line, or the run directory") from None
            start += len(line)


class RunDirectory:
    """A run's folder, locked against a second writer; a context manager.

    Args:
        path: created where it does not exist.
        command: that owns it.
        identity: what makes two runs the same; a folder with another is refused.
        files: name → text, written beside it.
        origins: of the space, task and proxy that were used.
        more: that the stamp says.
    """

    def __init__(
        self,
        path: Path,
        command: str,
        identity: dict[str, Any],
        files: dict[str, str],
        origins: Sequence[Origin],
        more: Mapping[str, str] | None = None,
    ) -> None:
        self.path = path
        self.command = command
        self.identity = identity
        self._files = files
        self._origins = origins
        self._more = dict(more or {})
        self._lock = FileLock(path / "lock")

    def __enter__(self) -> RunDirectory:
        with explained(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire(timeout=0)
            except Timeout:
                hint = "wait for it, or name another directory with --run"
                raise RunError(f"another process is writing to {self.path}", hint=hint) from None
        try:
            self._check()
            for name, text in self._files.items():
                write(self.path / name, text)
            stamp = {"command": self.command, "identity": self.identity, "stamp": self._stamp()}
            write(self.path / "run.json", json.dumps(stamp, indent=2) + "\n")
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._lock.release()

    def _check(self) -> None:
        found = read_stamp(self.path)
        if found is None:
            return
        hint = "name another directory with --run, or delete this one"
        if found.get("command") != self.command:
            raise RunError(f"{self.path} belongs to `eproxyctl {found.get('command')}`", hint=hint)
        before = found.get("identity", {})
        changed = sorted(name for name in {*before, *self.identity} if before.get(name) != self.identity.get(name))
        if changed:
            raise RunError(f"{self.path} belongs to another spec: {', '.join(changed)} changed", hint=hint)

    def _stamp(self) -> dict[str, Any]:
        return {
            "python": platform.python_version(),
            "platform": sys.platform,
            "machine": platform.machine(),
            "threads": 1,
            "versions": {name: _version(name) for name in STAMPED},
            "used": [{"name": o.name, "origin": o.path, "sha256": o.sha256} for o in self._origins],
            **self._more,
        }


def read_stamp(path: Path) -> dict[str, Any] | None:
    """run.json of a directory, None where there is none."""
    try:
        found = json.loads((path / "run.json").read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        raise RunError(f"{path / 'run.json'} is damaged", hint="delete the run directory") from None
    if not isinstance(found, dict):
        raise RunError(f"{path / 'run.json'} is damaged", hint="delete the run directory")
    return found


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"
