"""Run directories as a report reads them: finished, unfinished or damaged, from the directory alone.

Whatever is missing or cannot be read is left out, and said on the page; a report never writes into a run.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from eproxyctl.errors import EproxyError, RunError
from eproxyctl.spec.nodes import Node, parse

PASSWORD = re.compile(r"([a-zA-Z][\w+.-]*://[^\s:/@\"']*):[^\s/@\"']+@")
SECRET = re.compile(r"([?&](?:password|passwd|pwd|token|secret|key)=)[^&\s\"']+", re.IGNORECASE)


@dataclass(frozen=True)
class PaidRow:
    """A line of rows.jsonl: of a scored architecture, or of a trained one; what the other kind has is None.

    Attributes:
        point: of the settings it was scored with.
        proxy: their kind, where the line says it.
    """

    key: str
    canonical: str = ""
    status: str = "ok"
    proxy: str = ""
    point: str = ""
    score: float | None = None
    metric: float | None = None
    loss: float | None = None
    epochs: int | None = None
    params: int | None = None
    macs: int | None = None
    cause: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Timed:
    """A line of timings.jsonl."""

    key: str
    seconds: float
    proxy: str = ""


@dataclass(frozen=True)
class Run:
    """What is in a run directory; see the properties for what is read when it is asked for.

    Attributes:
        name: what the report calls it.
        slug: what its data files begin with; unlike that of any other run of the report.
        stamp: run.json.
    """

    folder: Path
    name: str
    slug: str
    stamp: Mapping[str, Any]

    @property
    def command(self) -> str:
        return str(self.stamp.get("command", ""))

    def text(self, name: str) -> str:
        """A file's text, passwords masked; empty where it is missing or no text."""
        try:
            return masked_text((self.folder / name).read_text("utf-8"))
        except (OSError, ValueError):
            return ""

    def json(self, name: str) -> Any:
        """A JSON file, None where it is missing or damaged."""
        try:
            return json.loads(self.text(name) or "null")
        except ValueError:
            return None

    def table(self, name: str) -> list[dict[str, str]]:
        """The rows of a CSV file, those of the wrong length left out."""
        before = csv.field_size_limit(1 << 26)
        try:
            rows = csv.DictReader(io.StringIO(self.text(name), newline=""))
            return [row for row in rows if None not in row and None not in row.values()]
        except csv.Error:
            return []
        finally:
            csv.field_size_limit(before)

    @cached_property
    def _lines(self) -> tuple[tuple[PaidRow, ...], int]:
        known = {field.name for field in fields(PaidRow)}
        found, damaged = [], 0
        for line in self._json_lines("rows.jsonl"):
            if isinstance(line, dict) and isinstance(line.get("key"), str):
                given = {name: value for name, value in line.items() if name in known and value is not None}
                found.append(PaidRow(**given))
            else:
                damaged += 1
        return tuple(found), damaged

    @property
    def rows(self) -> tuple[PaidRow, ...]:
        """Every row that was paid for, in the order they came."""
        return self._lines[0]

    @property
    def damaged(self) -> int:
        """Lines of rows.jsonl that cannot be read."""
        return self._lines[1]

    @cached_property
    def timings(self) -> tuple[Timed, ...]:
        """Seconds of each row."""
        return tuple(
            Timed(line["key"], float(line["seconds"]), str(line.get("proxy", "")))
            for line in self._json_lines("timings.jsonl")
            if isinstance(line, dict) and "key" in line and isinstance(line.get("seconds"), int | float)
        )

    def _json_lines(self, name: str) -> Iterator[Any]:
        for line in self.text(name).split("\n"):
            if not line.strip():
                continue
            try:
                yield json.loads(line)
            except ValueError:
                yield None

    @cached_property
    def settings(self) -> Node | None:
        """resolved.yaml as a tree, None where it cannot be read."""
        try:
            return parse(self.text("resolved.yaml"), "resolved.yaml")
        except (EproxyError, ValueError):
            return None

    def setting(self, path: str) -> Any:
        """A value of the resolved spec by its dotted path, None where there is none."""
        node = self.settings
        for step in path.split("."):
            node = node.child(step) if node else None
        return node.plain() if node else None


def read_directory(folder: Path, name: str, slug: str) -> Run:
    """A run directory.

    Raises:
        RunError: it is none.
    """
    try:
        stamp = json.loads(masked_text((folder / "run.json").read_text("utf-8")))
    except FileNotFoundError:
        raise RunError(f"{folder} is no run directory", hint="eproxyctl runs lists them") from None
    except (OSError, ValueError):
        stamp = None
    if not isinstance(stamp, dict):
        raise RunError(f"{folder / 'run.json'} is damaged", hint="run the same command again, then report")
    return Run(folder, name, slug, stamp)


def masked_text(text: str) -> str:
    """Text without the passwords of any URL in it."""
    return SECRET.sub(r"\1***", PASSWORD.sub(r"\1:***@", text))


def number(text: str | None) -> float:
    """A cell of a table as a number, NaN where it is none."""
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")
