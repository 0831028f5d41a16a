"""Progress on stderr, with rate and time left; silent where stderr is no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Protocol

from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from eproxyctl.cli.failures import stderr


class Advance(Protocol):
    """Called once for each thing done."""

    def __call__(self) -> None: ...


Left = Callable[[], float | None]
"""Seconds left, None while nothing is known."""


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.2g}/s" if speed else "", style="dim")


class _TimeLeft(ProgressColumn):
    """As its maker tells, who knows more of what is left than how many things it is."""

    max_refresh = 0.5

    def __init__(self, left: Left) -> None:
        super().__init__()
        self._left = left

    def render(self, task: Task) -> Text:
        seconds = self._left()
        return Text(
            "-:--:--" if seconds is None else str(timedelta(seconds=round(seconds))), style="progress.remaining"
        )


@contextmanager
def progress(title: str, total: int, left: Left | None = None) -> Iterator[Advance]:
    """A bar for `total` things; the time left is told by `left`, else by how fast things get done."""
    console = stderr()
    if not console.is_terminal:
        yield lambda: None
        return
    remaining = TimeRemainingColumn() if left is None else _TimeLeft(left)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), remaining)
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda: bar.advance(task)
