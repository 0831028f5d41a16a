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
  objective: "spearman"      # default
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


def journal(folder: Path, points: Sequence[tuple[str, float]], goals: Sequence[str] = ("maximize",)) -> None:
    """A study's journal: a trial a point, with three settings; then half a line, as a kill leaves it."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = JournalStorage(JournalFileBackend(str(folder / "study.journal")))
    study = optuna.create_study(storage=storage, study_name="s", directions=[*goals])
    sizes, kinds = (optuna.distributions.CategoricalDistribution(c) for c in ((1, 3, 5), ("net", HOSTILE)))
    for i, (point, value) in enumerate(points):
        params = {"kernel": (1, 3, 5)[i % 3], "features": ("net", HOSTILE)[i % 2]}
        trial = optuna.trial.create_trial(
            values=[value, 1e9 + 1e8 * i][: len(goals)],
            params=params,
            distributions={"kernel": sizes, "features": kinds},
            user_attrs={"point": point},
        )
        study.add_trial(trial)
    with (folder / "study.journal").open("a") as stream:
        stream.write('{"op_code": 4, "wor')


def dps_run(folder: Path, trials: int = 9) -> Path:
    """A finished run of `dps`."""
    start(folder, "dps")
    values = [0.1 + (0.37 * i) % 0.7 for i in range(trials)]
    journal(folder, [(f"p{i}", value) for i, value in enumerate(values)])
    rows = [f'{i},{value!r},20,{2e9 * (i + 1)!r},"{{}}"' for i, value in enumerate(values)]
    (folder / "trials.csv").write_text("trial,objective,architectures,cost,proxy\n" + "\n".join(rows) + "\n")
    ends = {"training_low": 0.2, "training_high": 0.9}
    held = {"held_out": 0.4, "held_out_low": 0.1, "held_out_high": 0.6, "n": 40}
    none = dict.fromkeys(held)
    entrants = [
        {"proxy": "trial 3", "training": 0.7, **ends, **held, "cost": 5e9, "read-out": "default"},
        {"proxy": "trial 1", "training": 0.6, **ends, **none, "cost": 3e9, "read-out": "alpha=0.3"},
        {
            "proxy": "proxy of the spec",
            "training": 0.3,
            **ends,
            **(held | {"held_out": 0.2}),
            "cost": 4e9,
            "read-out": "",
        },
        {"proxy": "params", "training": 0.1, **ends, **(held | {"held_out": 0.3}), "cost": None, "read-out": ""},
    ]
    (folder / "result.json").write_text(json.dumps(entrants))
    (folder / "proxy.yaml").write_text("# Found as trial 3\nkind: eproxy\n")
    lines(folder / "timings.jsonl", [{"key": "k", "point": "p", "seconds": 0.25}] * 40)
    return folder


def search_run(folder: Path, count: int = 12) -> Path:
    """A finished run of `search`: the second half proposed first, so that rows and trials differ in order."""
    start(folder, "search")
    keys = nasbench201(count)
    scores = [(7 * i) % count + 0.5 for i in range(count)]
    rows = [
        row(k, canonical=f"c{k}", score=s, params=5000 + 900 * i, macs=90_000 * (i + 1))
        for i, (k, s) in enumerate(zip(keys, scores, strict=True))
    ]
    rows[4] = rows[4] | {"status": "diverged", "score": None}
    lines(folder / "rows.jsonl", rows)
    order = [*range(count // 2, count), *range(count // 2)]
    journal(folder, [(f"c{keys[i]}", -1e30 if i == 4 else scores[i]) for i in order])
    best = sorted((i for i in range(count) if i != 4), key=lambda i: -scores[i])
    table = ["rank,key,score,params,macs,metric,true_rank,regret,status"]
    for rank, i in enumerate(best, start=1):
        table.append(f"{rank},{keys[i]},{scores[i]},{5000 + 900 * i},{90_000 * (i + 1)},{50 + rank},{2 * rank},0.5,ok")
    (folder / "top.csv").write_text("\n".join(table) + "\n")
    (folder / "result.json").write_text(
        json.dumps({"evaluations": count, "ended": "", "failed": 0, "diverged": 1, "top": []})
    )
    lines(folder / "timings.jsonl", [{"key": key, "proxy": "eproxy", "seconds": 0.5} for key in keys])
    return folder


def benchmark_run(folder: Path, count: int = 6) -> Path:
    """A finished run of `benchmark`."""
    start(folder, "benchmark")
    keys = nasbench201(count)
    common = {"canonical": "c", "status": "ok", "epochs": 4, "cause": "", "hint": ""}
    rows = [
        {"key": k, "metric": 40.0 + 3 * i, "loss": 1.0, "params": 5000 * (i + 1), "macs": 90_000 * (i + 1), **common}
        for i, k in enumerate(keys)
    ]
    lines(folder / "rows.jsonl", rows)
    table = [f"{r['key']},{r['metric']},1.0,{r['params']},{r['macs']},4,1.5,ok" for r in rows]
    (folder / "table.csv").write_text("key,accuracy,loss,params,macs,epochs,seconds,status\n" + "\n".join(table) + "\n")
    lines(folder / "timings.jsonl", [{"key": key, "seconds": 1.5} for key in keys])
    return folder
