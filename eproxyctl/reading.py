"""`load`: a finished run, whichever command made it."""

from __future__ import annotations

from pathlib import Path

from eproxyctl.errors import RunError
from eproxyctl.runs.directory import read_stamp
from eproxyctl.runs.tabular import Tabular


def load(run: str | Path) -> Tabular:
    """Read the result of a run from its directory: `Scores`, `Tuning`, `SearchResult` or `Benchmark`.

    Raises:
        RunError: no run directory, one that is damaged, or one whose run has not finished.
    """
    folder = Path(run)
    stamp = read_stamp(folder)
    command = stamp.get("command") if stamp else None
    if command == "score":
        from eproxyctl.scoring.run import read_scores

        return read_scores(folder)
    if command == "dps":
        from eproxyctl.dps.run import read_tuning

        return read_tuning(folder)
    if command == "search":
        from eproxyctl.searching.run import read_search

        return read_search(folder)
    if command == "benchmark":
        from eproxyctl.training.run import read_benchmark

        return read_benchmark(folder)
    raise RunError(f"{folder} is no run directory", hint="eproxyctl runs lists them")
