"""What every run's part of a report has: what was asked, with what, how long it took, how to make it again."""

from __future__ import annotations

import shlex
import statistics
from collections import Counter
from collections.abc import Mapping

from eproxyctl.report import markup
from eproxyctl.report.page import Block, PageSection
from eproxyctl.report.reading import Run

SHOWN_CAUSES = 12


def overview(run: Run, more: Mapping[str, str]) -> str:
    """The numbers that matter, and whether the run has finished."""
    counts = Counter(row.status for row in run.rows)
    numbers = dict(more) | {"rows paid for": f"{len(run.rows):,}"}
    numbers |= {name: f"{counts[name]:,}" for name in ("diverged", "failed") if counts[name]}
    if run.timings:
        numbers["of one core"] = markup.duration(sum(line.seconds for line in run.timings))
    return markup.fact_list(numbers)


def unfinished(run: Run, what: str) -> str:
    """That a run has not come to its end."""
    return markup.paragraph(f"This run has not finished: {what}. The same command continues it.", bad=True)


def trouble(run: Run) -> list[PageSection]:
    """Rows without a result, by cause; none where all went well."""
    bad = [row for row in run.rows if row.status != "ok"]
    if not bad and not run.damaged:
        return []
    blocks: list[Block] = []
    if bad:
        causes = Counter((row.status, row.cause or "its value was not finite", row.hint) for row in bad)
        example = {(row.status, row.cause or "its value was not finite", row.hint): row.key for row in bad}
        rows = [
            (count, status, cause, hint, example[status, cause, hint])
            for (status, cause, hint), count in causes.most_common(SHOWN_CAUSES)
        ]
        header = ("rows", "status", "cause", "what to do", "example")
        blocks.append(
            markup.grid("Rows without a result, by cause. They rank last and are never dropped.", header, rows)
        )
        if len(causes) > SHOWN_CAUSES:
            blocks.append(markup.paragraph(f"{len(causes) - SHOWN_CAUSES} more causes are in rows.jsonl.", soft=True))
    if run.damaged:
        lines = markup.plural(run.damaged, "line")
        blocks.append(markup.paragraph(f"{lines} of rows.jsonl cannot be read and are left out.", bad=True))
    return [PageSection("Failed and diverged", blocks)]


def provenance(run: Run) -> PageSection:
    """What was asked, with what, how long, and the commands."""
    blocks: list[Block] = [markup.paragraph("The same spec gives the same rows. To make them again:"), _commands(run)]
    for name, title in (
        ("spec.yaml", "The spec as written"),
        ("resolved.yaml", "Every setting, and where it came from"),
    ):
        if content := run.text(name):
            blocks.append(markup.folded(title, markup.code(content)))
    blocks.append(markup.folded("Versions, machine, hashes", _stamp(run)))
    if run.timings:
        blocks.append(_times(run))
    return PageSection("What was asked, with what, how long", blocks)


def _commands(run: Run) -> str:
    resolved = run.folder / "resolved.yaml"
    commands = [["eproxyctl", run.command or "runs", str(resolved), "--run", "again"]]
    commands.append(["eproxyctl", "report", "again"])
    return markup.code("\n".join(map(shlex.join, commands)))


def _stamp(run: Run) -> str:
    stamp = run.stamp.get("stamp")
    stamp = stamp if isinstance(stamp, dict) else {}
    versions = stamp.get("versions")
    rows = [(name, value) for name, value in stamp.items() if isinstance(value, str | int)]
    rows += list(versions.items()) if isinstance(versions, dict) else []
    html = markup.grid("Machine and versions", ("what", "value"), [(str(a), str(b)) for a, b in rows])
    identity = run.stamp.get("identity")
    if isinstance(identity, dict):
        pairs = [(str(name), str(value)) for name, value in identity.items()]
        html += markup.grid("Identity: runs with equal hashes give equal rows", ("of", "hash"), pairs)
    used = stamp.get("used")
    if isinstance(used, list):
        found = [(str(one.get("name", "")), str(one.get("sha256", ""))) for one in used if isinstance(one, dict)]
        html += markup.grid("Code that was used", ("module", "sha256"), found)
    return html


def _times(run: Run) -> str:
    seconds: dict[str, list[float]] = {}
    for line in run.timings:
        seconds.setdefault(line.proxy or run.command, []).append(line.seconds)
    rows = [
        (name, len(each), round(1000 * statistics.median(each), 1), round(1000 * max(each), 1), round(sum(each), 1))
        for name, each in seconds.items()
    ]
    header = ("what", "rows", "median ms", "longest ms", "seconds in all")
    return markup.grid("Time of one core; it differs from run to run", header, rows)
