"""Run directories: what was asked, with what, and every row that was paid for.

spec.yaml      as written          rows.jsonl     one line a row, appended as they finish
resolved.yaml  every value         timings.jsonl  seconds of each row
run.json       identity and stamp  lock           held while a process writes
worker         its name among the run directories that share a study
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock, Timeout

from eproxyctl.errors import RunError
from eproxyctl.registry import Origin
from eproxyctl.runs.files import explained, write

STAMPED = ("eproxyctl", "torch", "numpy", "scipy", "optuna", "pydantic", "pytorch-ignite", "torchmetrics")


DAMAGED = "delete that file only, if the directory is of the same spec: the rows beside it are kept and used"


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
        raise RunError(f"{path / 'run.json'} is damaged", hint=DAMAGED) from None
    if not isinstance(found, dict) or not isinstance(found.get("identity", {}), dict):
        raise RunError(f"{path / 'run.json'} is damaged", hint=DAMAGED)
    return found


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"
