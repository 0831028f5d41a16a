"""`eproxyctl compare`: finished runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eproxyctl.cli import common, output
from eproxyctl.cli.failures import say


def compare_command(
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
    chosen = output.chosen_format(format, out)
    from eproxyctl.scoring.compare import compare

    found = compare(runs, statistic, seed)
    output.write_records(found.rows, chosen, out, title=found.title)
    if found.left_out:
        say(f"{found.left_out} architecture(s) are left out: not in every run, or equal to one a proxy was tuned on")
    tied = [rival.name for rival in found.rivals[1:] if rival.tied]
    if tied:
        say(f"tied with {found.rivals[0].name}: {', '.join(tied)}", always=False)
