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
from eproxyctl.runs.identity import changed, comparable

STAMPED = ("eproxyctl", "torch", "numpy", "scipy", "optuna", "pydantic", "pytorch-ignite", "torchmetrics")
DECISIVE = ("eproxyctl", "torch", "numpy")
"""Those of another version of which the same spec may have other rows."""
ANOTHER = "name another directory with --run"


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
        accept_versions: go on where rows were made by other versions of what decides their bits; the stamp says both.

    Raises, when entered:
        RunError: another process writes to it; it belongs to another command or spec; its rows were made by other
            versions, or by one that did not note all that they depend on.
    """

    def __init__(
        self,
        path: Path,
        command: str,
        identity: dict[str, Any],
        files: dict[str, str],
        origins: Sequence[Origin],
        more: Mapping[str, str] | None = None,
        *,
        accept_versions: bool = False,
    ) -> None:
        self.path = path
        self.command = command
        self.identity = identity
        self._files = files
        self._origins = origins
        self._more = dict(more or {})
        self._accept_versions = accept_versions
        self._earlier: list[dict[str, str]] = []
        self._lock = FileLock(path / "lock")

    def __enter__(self) -> RunDirectory:
        with explained(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire(timeout=0)
            except Timeout:
                hint = f"wait for it, or {ANOTHER}"
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
        hint = f"{ANOTHER}, or delete this one"
        if found.get("command") != self.command:
            raise RunError(f"{self.path} belongs to `eproxyctl {found.get('command')}`", hint=hint)
        before = found.get("identity", {})
        parts = changed(before, self.identity)
        if parts == ["minibatch"]:
            what = f"the spec of {self.path} draws another minibatch now: the task's data, or what reads them, changed"
            raise RunError(what, hint=hint)
        parts = [part for part in parts if part != "minibatch"]  # it changes with what it is drawn from
        if parts:
            raise RunError(f"{self.path} belongs to another spec: {', '.join(parts)} changed", hint=hint)
        if not comparable(before, self.identity):
            what = f"{self.path} was made by an earlier eproxyctl, which did not note the content of all files"
            raise RunError(f"{what}: whether its rows are those of this spec cannot be told", hint=hint)
        self._check_versions(found.get("stamp", {}))

    def _check_versions(self, stamp: Mapping[str, Any]) -> None:
        """Raises RunError where neither the last nor an accepted run had the versions of this one."""
        ours = {name: _version(name) for name in DECISIVE}
        known = stamp.get("versions", {})
        last = {name: known.get(name, version) for name, version in ours.items()}
        self._earlier = list(stamp.get("earlier versions", ()))
        if ours == last:
            return
        if ours not in self._earlier and not self._accept_versions:
            differing = [name for name in DECISIVE if ours[name] != last[name]]
            theirs, this = (" and ".join(f"{name} {of[name]}" for name in differing) for of in (last, ours))
            raise RunError(
                f"the rows in {self.path} were made with {theirs}, and this is {this}: the same spec may give others",
                hint=f"{ANOTHER}, or go on with rows of both: --accept-versions",
            )
        self._earlier = [each for each in self._earlier if each not in (last, ours)] + [last]

    def _stamp(self) -> dict[str, Any]:
        return {
            "python": platform.python_version(),
            "platform": sys.platform,
            "machine": platform.machine(),
            "threads": 1,
            "versions": {name: _version(name) for name in STAMPED},
            **({"earlier versions": self._earlier} if self._earlier else {}),
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
