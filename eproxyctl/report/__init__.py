"""Reports: one HTML page from run directories. It reads what commands wrote, and runs nothing again."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from eproxyctl.errors import UsageError
from eproxyctl.report import asked, bench, compared, markup, score, search, tuning
from eproxyctl.report.page import PageSection, page
from eproxyctl.report.reading import Run, read_directory

__all__ = ["available", "report"]

PARTS: dict[str, Callable[[Run], list[PageSection]]] = {
    "score": score.score_sections,
    "dps": tuning.tuning_sections,
    "search": search.search_sections,
    "benchmark": bench.benchmark_sections,
}


def available() -> None:
    """Raises UsageError where Plotly is not installed."""
    if find_spec("plotly") is None:
        raise UsageError("a report needs the package plotly", hint="pip install 'eproxyctl[report]'")


def report(folders: Sequence[Path]) -> str:
    """The page of some runs, in the order they are named; several of `score` are compared as well.

    Raises:
        UsageError: Plotly is not installed, or a directory is named twice.
        RunError: what is no run directory.
    """
    available()
    from plotly.offline import get_plotlyjs

    runs = opened_runs(folders)
    sections = [part for run in runs for part in _run(run)]
    sections = compared.comparison_sections([run for run in runs if run.command == "score"]) + sections
    title = f"eproxyctl {runs[0].command}: {runs[0].name}" if len(runs) == 1 else f"eproxyctl: {len(runs)} runs"
    return page(title, markup.paragraph(_lead(runs), soft=True), sections, get_plotlyjs())


def opened_runs(folders: Sequence[Path]) -> list[Run]:
    """The runs, each named by the part of its path that tells it from the others."""
    paths = [Path(os.path.normpath(folder)) for folder in folders]
    if len({path.absolute() for path in paths}) < len(paths):
        raise UsageError("a run directory is named twice")
    shared = Path(os.path.commonpath([path.absolute() for path in paths])) if len(paths) > 1 else None
    runs = []
    for i, path in enumerate(paths, start=1):
        name = str(path.absolute().relative_to(shared)) if shared else path.absolute().name
        word = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") or "run"
        runs.append(read_directory(path, name, word if shared is None else f"{i}-{word}"))
    return runs


def _run(run: Run) -> list[PageSection]:
    parts = PARTS.get(run.command)
    found = parts(run) if parts else [asked.provenance(run)]
    return [PageSection(f"{run.command or 'run'}: {run.name}", [], level=2), *found]


def _lead(runs: Sequence[Run]) -> str:
    what = ", ".join(
        dict.fromkeys(f"{run.setting('space.kind')} on {run.setting('task.kind')}" for run in runs if run.settings)
    )
    return f"{what}. Every figure can be zoomed, and its data downloaded."
