"""`eproxyctl compare`: finished runs side by side."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eproxyctl.cli import common, output
from eproxyctl.cli.failures import say
from eproxyctl.errors import UsageError

if TYPE_CHECKING:
    from eproxyctl.scoring.compare import Comparison


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run directories of `eproxyctl score`.")],
    statistic: Annotated[str, typer.Option("--statistic", help="What to compare by.")] = "spearman",
    seed: Annotated[int, typer.Option("--seed", envvar="EPROXYCTL_SEED", help="Of the bootstrap.")] = 0,
    format: common.FormatFlag = None,
    out: common.Output = None,
) -> None:
    """Compare how well runs rank the architectures they share, the size columns beside them.

    Each column has its value with a 95 % bootstrap interval, and how far it is behind the best, from the same resampled
    architectures. Where the interval of that difference holds 0 the two are tied: these architectures do not tell which
    is better.

    Example: eproxyctl compare runs/spec/score runs/spec/tuned
    """
    from eproxyctl.scoring.compare import compare as compare_runs
    from eproxyctl.scoring.results import read

    chosen = output.choose(format, out)
    named = _names(runs)
    found = compare_runs({name: read(path) for name, path in named.items()}, statistic, seed)
    title = f"{statistic} on {found.shared} shared architectures, 95 % intervals"
    output.write(_records(found, statistic), chosen, out, title=title)
    if found.left_out:
        say(f"{found.left_out} architecture(s) are left out: not in every run, or equal to one a proxy was tuned on")
    tied = [rival.name for rival in found.rivals[1:] if rival.tied]
    if tied:
        say(f"tied with {found.rivals[0].name}: {', '.join(tied)}", always=False)


def _names(runs: list[Path]) -> dict[str, Path]:
    """Each run by the part of its path that tells it from the others."""
    paths = [Path(os.path.normpath(path)) for path in runs]
    if len(set(paths)) < len(paths):
        raise UsageError("a run directory is named twice")
    if len(paths) == 1:
        return {paths[0].name: paths[0]}
    shared = os.path.commonpath([path.absolute() for path in paths])
    return {str(path.absolute().relative_to(shared)): path for path in paths}


def _records(found: Comparison, statistic: str) -> list[dict[str, Any]]:
    return [
        {
            "column": rival.name,
            statistic: rival.value.value,
            "low": rival.value.low,
            "high": rival.value.high,
            "behind": rival.behind.value if rival.behind else None,
            "behind_low": rival.behind.low if rival.behind else None,
            "behind_high": rival.behind.high if rival.behind else None,
            "verdict": "best" if rival.behind is None else "tied" if rival.tied else "behind",
        }
        for rival in found.rivals
    ]
