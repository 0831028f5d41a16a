"""Run directories as the commands write them, made without scoring anything."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HOSTILE = "<script>window.hacked=1</script>"
QUOTES = "\"><img src=x onerror='window.hacked=2'>, %{x} &amp; $\\alpha$ \u2028 <b>bold</b>"
RESOLVED = """\
version: 1                   # spec.yaml:1:10
seed: 0                      # default
space:
  kind: "nasbench201"        # spec.yaml:2:8
  channels: 4                # default
  cells: 3                   # default
task:
  kind: "images"             # spec.yaml:3:8
  resolution: 8              # default
  table:
    path: "table.csv"        # spec.yaml:4:9
    metric: "accuracy"       # default
dps:
  trials: 6                  # default
search:
  evaluations: 12            # default
  limits:
    params: 20000.0          # default
train:
  architectures: 5           # default
"""


def start(folder: Path, command: str, **stamp: str) -> Path:
    """A directory with what every command writes first."""
    folder.mkdir(parents=True)
    about = {
        "command": command,
        "identity": {"space": "45fba512d2718f5e", "seed": 0},
        "stamp": {"python": "3.11.7", "versions": {"torch": "2.13.0"}, "used": [], **stamp},
    }
    (folder / "run.json").write_text(json.dumps(about))
    (folder / "spec.yaml").write_text("space: nasbench201\n")
    (folder / "resolved.yaml").write_text(RESOLVED)
    return folder


def lines(path: Path, records: Sequence[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def row(key: str, **more: Any) -> dict[str, Any]:
    """A line of rows.jsonl."""
    plain = {
        "proxy": "eproxy",
        "point": "p",
        "key": key,
        "canonical": key,
        "status": "ok",
        "score": 1.0,
        "spread": None,
    }
    return plain | {"params": 100, "macs": 1000, "traces": [], "cause": "", "hint": ""} | more


def score_run(
    folder: Path, keys: Sequence[str], proxies: Sequence[str] = ("score",), tuned: Sequence[str] = ()
) -> Path:
    """A finished run of `score`: the first proxy follows the metric, with noise."""
    draw = random.Random(0)
    start(folder, "score")
    table = []
    for i, key in enumerate(keys):
        metric = draw.gauss(60, 10)
        values = [metric + draw.gauss(0, 5 * (p + 1)) for p in range(len(proxies))]
        table.append([key, *values, 1000 + 37 * (i % 97), 10_000 + 911 * (i % 89), metric])
    with (folder / "scores.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["key", *proxies, "params", "macs", "metric"])
        writer.writerows(table)
    meaning = {
        "columns": dict.fromkeys(proxies, True),
        "baselines": {},
        "goal": "maximize",
        "table": "t",
        "tuned": [*tuned],
    }
    (folder / "scores.json").write_text(json.dumps(meaning))
    found = [
        {
            "column": name,
            "statistic": statistic,
            "value": 0.7 - 0.1 * i,
            "low": 0.45 - 0.1 * i,
            "high": 0.8 - 0.1 * i,
            "n": len(keys),
        }
        for i, name in enumerate([*proxies, "params", "macs"])
        for statistic in ("spearman", "kendall", "weighted tau", "top 10%")
    ]
    (folder / "correlations.json").write_text(json.dumps(found))
    lines(folder / "rows.jsonl", [row(each[0], score=each[1], params=each[-3], macs=each[-2]) for each in table])
    lines(folder / "timings.jsonl", [{"key": key, "proxy": "eproxy", "seconds": 0.5} for key in keys])
    return folder


def nasbench201(count: int) -> list[str]:
    """The first keys of the space."""
    from eproxyctl.spaces.nasbench201 import NasBench201Space

    space = NasBench201Space(NasBench201Space.Options())
    return [key for _, key in zip(range(count), space.keys(), strict=False)]
