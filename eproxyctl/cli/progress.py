"""Progress bars on stderr, with rate and time left; silent where stderr is no terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.text import Text

from eproxyctl.cli.failures import stderr
from eproxyctl.runs.progress import Listener, Progress


class _Rate(ProgressColumn):
    """Rows a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.2f}/s" if speed else "–/s", style="dim")


class _TimeLeft(ProgressColumn):
    """What the run told last, less the time since; else what the rate so far makes of it."""

    def __init__(self) -> None:
        super().__init__()
        self.left: float | None = None
        self.told = 0.0
        self._rate = TimeRemainingColumn()

    def tell(self, left: float | None) -> None:
        """Take over what an event says."""
        self.left, self.told = left, time.monotonic()

    def render(self, task: Task) -> Text:
        if self.left is None:
            return self._rate.render(task)
        seconds = max(0, round(self.left - (time.monotonic() - self.told)))
        minutes, seconds = divmod(seconds, 60)
        hours, minutes = divmod(minutes, 60)
        return Text(f"{hours}:{minutes:02}:{seconds:02}", style="progress.remaining")


@contextmanager
def bars() -> Iterator[Listener | None]:
    """What shows the events of a run, one bar for each thing that it does."""
    console = stderr()
    if not console.is_terminal:
        yield None
        return
    left = _TimeLeft()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), left)
    with Bars(*columns, console=console, transient=True) as shown:
        tasks = {}

        def show(event: Progress) -> None:
            if event.what not in tasks:
                tasks[event.what] = shown.add_task(event.what, total=event.total)
            left.tell(event.left)
            shown.update(tasks[event.what], completed=event.done)

        yield show
