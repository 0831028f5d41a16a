"""Several runs of `score` side by side: how well each column ranks, and which cannot be told apart."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from eproxyctl.errors import EproxyError
from eproxyctl.ranking import Estimate, Floats
from eproxyctl.report import markup
from eproxyctl.report.figures import Axes, Figure, Sheet, axis, categories, intervals
from eproxyctl.report.page import Block, PageSection
from eproxyctl.report.reading import Run
from eproxyctl.scoring.compare import Comparison, compared
from eproxyctl.scoring.results import read_results

STATISTIC = "spearman"


def comparison_sections(runs: Sequence[Run]) -> list[PageSection]:
    """The comparison, none of fewer than two runs; what cannot be compared is said."""
    if len(runs) < 2:
        return []
    try:
        found = compared({run.name: read_results(run.folder) for run in runs}, STATISTIC)
    except (EproxyError, KeyError, ValueError) as error:
        why = error.message if isinstance(error, EproxyError) else f"a file of scores is damaged ({error})"
        return [
            PageSection("Side by side", [markup.paragraph(f"The runs cannot be compared: {why}.", bad=True)], level=2)
        ]
    return [PageSection("Side by side", _blocks(found), level=2)]


def _blocks(found: Comparison) -> list[Block]:
    names = [rival.name for rival in found.rivals]
    behind = [rival.behind or Estimate(math.nan, None, None, 0) for rival in found.rivals]
    estimates = {STATISTIC: [rival.value for rival in found.rivals], "behind": behind}
    verdicts = ["best", *("tied" if rival.tied else "behind" for rival in found.rivals[1:])]
    data: dict[str, Sequence[str] | Floats] = {"column": names, "verdict": verdicts}
    for title, each in estimates.items():
        data |= {title: _values(each), f"{title} low": _ends(each, "low"), f"{title} high": _ends(each, "high")}
    sheet = Sheet("side-by-side", data)
    traces = []
    for panel, each in enumerate(estimates.values()):
        for verdict, colour in (("best", 2), ("tied", 0), ("behind", 1)):
            places = [i for i, one in enumerate(verdicts) if one == verdict]
            three = [values[places] for values in (_values(each), _ends(each, "low"), _ends(each, "high"))]
            if places:
                traces.append(intervals(panel, [names[i] for i in places], *three, name=verdict, colour=colour))
    panels = [Axes(axis("Spearman's ρ"), categories(names)), Axes(axis("how far behind the best"), categories(names))]
    sentence = (
        f"Left, how well each column ranks the {found.shared:,} architectures that all runs share; right, how far it "
        "is behind the best, on the same resampled architectures. Where the right bar holds 0 the two are tied: these "
        "architectures do not tell which is better."
    )
    lines = [{"panel": 0, "x": 0}, {"panel": 1, "x": 0}]
    height = 50 + 32 * len(names)
    figure = Figure("", sentence, sheet, panels, traces, lines, height=height, shared=True, columns=2, legend=True)
    tied = [name for name, verdict in zip(names, verdicts, strict=True) if verdict == "tied"]
    said = f"The best is “{names[0]}”. " + (
        f"Tied with it: {', '.join(f'“{name}”' for name in tied)}." if tied else "Nothing is tied with it."
    )
    if found.left_out:
        said += (
            f" {markup.plural(found.left_out, 'architecture')} left out: not in every run, or one a proxy was tuned on."
        )
    return [markup.paragraph(said), figure]


def _values(each: Sequence[Estimate]) -> Floats:
    return np.array([one.value for one in each], dtype=np.float64)


def _ends(each: Sequence[Estimate], end: str) -> Floats:
    return np.array([math.nan if (v := getattr(one, end)) is None else v for one in each], dtype=np.float64)
