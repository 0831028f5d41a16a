"""`search` from the outside: the same list for any number of workers and after a kill, nothing paid twice."""

from __future__ import annotations

import csv
import io
import json
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import Cli, spawn

from eproxyctl.spaces.nasbench201 import NasBench201Space

CHEAP = ("--set", "proxy.kind=params")
SPACE = NasBench201Space(NasBench201Space.Options())


def records(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def rows(folder: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(folder, "rows.jsonl").read_text().splitlines()]


def few(tiny: Path, text: str) -> None:
    """A plugin with a space of a few architectures."""
    (tiny.parent / "plugins").mkdir()
    (tiny.parent / "plugins" / "few.py").write_text(text)


def test_the_top_list_its_files_and_what_comes_next(table: Path, cli: Cli) -> None:
    result = cli("search", table, *CHEAP, "--evaluations", 60, "--top", 5)
    assert result.exit_code == 0
    shown, kept = records(result.stdout), records(Path("runs/tiny/search/top.csv").read_text())
    assert len(shown) == 5
    assert len(kept) == 60
    assert shown == kept[:5]
    scores = [float(row["score"]) for row in kept]
    assert scores == sorted(scores, reverse=True)
    assert len({SPACE.canonical(row["key"]) for row in kept}) == 60
    document = json.loads(Path("runs/tiny/search/result.json").read_text())
    assert document["top"][0]["key"] == shown[0]["key"]
    assert document["evaluations"] == 60
    known = dict(csv.reader((table.parent / "table.csv").read_text().splitlines()))
    values = sorted((float(value) for key, value in known.items() if key != "key"), reverse=True)
    met = [row for row in kept if row["metric"]]
    assert met
    for row in met:
        value = float(known[row["key"]])
        assert float(row["metric"]) == value
        assert int(row["true_rank"]) == values.index(value) + 1
        assert float(row["regret"]) == pytest.approx(values[0] - value)
    assert all(row["key"] not in known for row in kept if not row["metric"])


@pytest.mark.parametrize("sampler", ["evolution", "nsga2"])
def test_evaluations_are_a_total_and_workers_change_nothing(tiny: Path, cli: Cli, sampler: str) -> None:
    args = ["search", tiny, "--set", "proxy.kind=naswot", "--set", f"search.sampler={sampler}"]
    if sampler == "nsga2":
        args += ["--set", "search.against=params"]
    cli(*args, "-n", 13, "--run", "steps")
    stepped = cli(*args, "-n", 45, "--run", "steps")
    once = cli(*args, "-n", 45, "--run", "once", "--workers", 1)
    assert stepped.exit_code == once.exit_code == 0
    assert stepped.stdout == once.stdout
    for name in ("top.csv", "result.json", "rows.jsonl"):
        assert Path("steps", name).read_bytes() == Path("once", name).read_bytes()


def test_interrupted_and_continued(tiny: Path, cli: Cli) -> None:
    args = ("search", tiny, "--set", "proxy.kind=naswot", "-n", 46)
    assert cli(*args, "--run", "whole").exit_code == 0
    found = Path("stopped/rows.jsonl")
    process = spawn(*args, "--run", "stopped", "--workers", 0, cwd=tiny.parent)
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline and (not found.exists() or found.read_bytes().count(b"\n") < 19):
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command continues" in stderr
    assert "Traceback" not in stderr
    assert 19 <= len(rows("stopped")) < 46
    assert cli(*args, "--run", "stopped").exit_code == 0
    for name in ("top.csv", "result.json", "rows.jsonl"):
        assert Path("stopped", name).read_bytes() == Path("whole", name).read_bytes()


def test_killed_twice_it_ends_with_the_same_list_and_pays_nothing_twice(tiny: Path, cli: Cli) -> None:
    args = ("search", tiny, "--set", "proxy.kind=naswot", "-n", 46)
    assert cli(*args, "--run", "whole").exit_code == 0
    found = Path("killed/rows.jsonl")
    for wanted in (11, 37):
        process = spawn(*args, "--run", "killed", "--workers", 0, cwd=tiny.parent)
        deadline = time.monotonic() + 100
        while time.monotonic() < deadline and (not found.exists() or found.read_bytes().count(b"\n") < wanted):
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    paid = [SPACE.canonical(row["key"]) for row in rows("killed")]
    assert len(paid) == len(set(paid)) < 46
    assert cli(*args, "--run", "killed").exit_code == 0
    for name in ("top.csv", "result.json", "rows.jsonl"):
        assert Path("killed", name).read_bytes() == Path("whole", name).read_bytes()
    timed = [json.loads(line)["key"] for line in Path("killed/timings.jsonl").read_text().splitlines()]
    assert len(timed) <= len(set(timed)) + 2  # a kill may come between a row and its time, never pay a row twice


def test_limits_are_kept_before_anything_is_scored(tiny: Path, cli: Cli) -> None:
    sizes = [
        row["params"] for row in map(json.loads, cli("score", tiny, *CHEAP, "--format", "jsonl").stdout.splitlines())
    ]
    limit = sorted(sizes)[2]
    args = ("search", tiny, *CHEAP, "-n", 20, "--set", f"search.limits.params={limit}")
    assert cli(*args).exit_code == 0
    assert len(rows("runs/tiny/search")) == 20
    assert all(row["params"] <= limit for row in rows("runs/tiny/search"))
    few(tiny, FEW)
    args = ("search", tiny, *CHEAP, "--set", "space.kind=few", "--set", "search.limits.macs=10")
    none = cli(*args, "--run", "none")
    assert none.exit_code == 3
    assert "no architecture that was drawn is within search.limits; the smallest have" in none.stderr
    assert not rows("none")


def test_latency_is_measured_once_and_kept(tiny: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here a pass takes a millisecond for each 3×3 convolution of the canonical key."""
    from eproxyctl.searching.latency import Latencies

    measured: list[str] = []

    def measure(self: Latencies, key: str) -> float:
        measured.append(SPACE.canonical(key))
        return float(SPACE.canonical(key).count("nor_conv_3x3"))

    monkeypatch.setattr(Latencies, "_measure", measure)
    args = ("search", tiny, *CHEAP, "--set", "search.limits.latency=2", "--set", "search.limits.params=5000")
    assert cli(*args, "-n", 11).exit_code == 0
    assert cli(*args, "-n", 30).exit_code == 0
    found = records(Path("runs/tiny/search/top.csv").read_text())
    assert {float(row["latency"]) for row in found} == {0.0, 1.0, 2.0}
    assert all(float(row["latency"]) == SPACE.canonical(row["key"]).count("nor_conv_3x3") for row in found)
    assert all(int(row["params"]) <= 5000 for row in found)
    assert len(measured) == len(set(measured))
    assert "another run may end elsewhere" in json.loads(Path("runs/tiny/search/result.json").read_text())["latency"]
    monkeypatch.setattr(Latencies, "_measure", lambda self, key: 99.0)
    assert cli(*args, "-n", 30).exit_code == 0
    assert records(Path("runs/tiny/search/top.csv").read_text()) == found
    front = cli(
        *args[:4], "--set", "search.sampler=nsga2", "--set", "search.against=latency", "--run", "front", "-n", 3
    )
    assert [float(row["latency"]) for row in records(front.stdout)] == [99.0]


@pytest.mark.slow  # a thousand architectures are drawn before it is given up
def test_a_latency_that_none_has(tiny: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from eproxyctl.searching.latency import Latencies

    monkeypatch.setattr(Latencies, "_measure", lambda self, key: 99.0)
    none = cli("search", tiny, *CHEAP, "--set", "search.limits.latency=2")
    assert none.exit_code == 3
    assert "99.0 ms" in none.stderr


def test_latency_is_that_of_the_pruned_network_in_milliseconds(tmp_path: Path) -> None:
    from eproxyctl.searching.latency import Latencies

    space = NasBench201Space(NasBench201Space.Options.model_validate({"channels": 8, "cells": 1}))
    latencies = Latencies(space, (3, 16, 16), 10, "cpu", tmp_path)
    dead = "|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|skip_connect~0|none~1|none~2|"
    assert latencies.known(dead) is None
    assert 0.01 < latencies.of(dead) < latencies.of(space.largest()) < 1000
    assert latencies.of("|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|") == latencies.of(dead)
    again = Latencies(space, (3, 16, 16), 10, "cpu", tmp_path)
    assert again.known(dead) == latencies.of(dead)


def test_nsga2_ends_with_a_front(tiny: Path, cli: Cli) -> None:
    goals = ("--set", "search.sampler=nsga2", "--set", "search.against=macs")
    result = cli("search", tiny, "--set", "proxy.kind=naswot", *goals, "-n", 50)
    assert result.exit_code == 0
    found = [(float(r["score"]), int(r["macs"])) for r in records(Path("runs/tiny/search/top.csv").read_text())]
    assert found == sorted(found, reverse=True)
    assert len({macs for _, macs in found}) == len(found) > 1
    for row in rows("runs/tiny/search"):
        assert row["score"] is None or any(score >= row["score"] and macs <= row["macs"] for score, macs in found)
    alone = cli("search", tiny, "--set", "search.sampler=nsga2")
    assert alone.exit_code == 3
    assert "set both sampler: nsga2 and against: params" in alone.stderr


def test_several_specs_give_the_best_of_each(tiny: Path, cli: Cli) -> None:
    other = tiny.with_name("other.yaml")
    other.write_text(tiny.read_text().replace("channels: 2", "channels: 3"))
    found = records(cli("search", tiny, other, *CHEAP, "-n", 5).stdout)
    assert [row["spec"] for row in found] == ["tiny", "other"]
    best = [records(Path(f"runs/{name}/search/top.csv").read_text())[0] for name in ("tiny", "other")]
    assert [row["key"] for row in found] == [row["key"] for row in best]
    refused = cli("search", tiny, other, *CHEAP, "--run", "x")
    assert refused.exit_code == 2
    assert "--run names one directory" in refused.stderr


def test_a_space_is_exhausted_and_the_time_is_up(tiny: Path, cli: Cli) -> None:
    few(tiny, FEW)
    result = cli("search", tiny, *CHEAP, "--set", "space.kind=few")
    assert result.exit_code == 0
    assert "exhausted" in result.stderr
    assert "6 of 500 evaluations" in result.stderr
    late = cli("search", tiny, *CHEAP, "--set", "search.minutes=1e-6", "--run", "late")
    assert late.exit_code == 0
    assert "the time is up; 8 of 500 evaluations" in late.stderr
    assert len(rows("late")) == 8


@pytest.mark.parametrize("extra", [(), ("--set", "search.limits.params=250")])
def test_a_space_without_choices_is_gone_through(tiny: Path, cli: Cli, extra: Sequence[str]) -> None:
    few(tiny, FEW.replace("return {'width': WIDTHS}", "return {}"))
    args = ("search", tiny, *CHEAP, "--set", "space.kind=few", *extra)
    cli(*args, "-n", 3, "--run", "steps")
    stepped, once = cli(*args, "--run", "steps"), cli(*args, "--run", "once")
    assert stepped.stdout == once.stdout
    widths = [int(row["key"]) for row in records(once.stdout)]
    assert widths == sorted(widths, reverse=True)
    assert len(widths) == (3 if extra else 6)
    assert all(row["params"] <= 250 for row in rows("once")) if extra else len(rows("once")) == 6
    refused = cli(*args, "--run", "many", "--storage", "sqlite:///study.db")
    assert refused.exit_code == 2
    assert "use --dask" in refused.stderr


def test_what_cannot_be_built_is_no_architecture_over_the_limits(tiny: Path, cli: Cli) -> None:
    few(tiny, FEW.replace("        from torch", "        assert key != '10', 'no'\n        from torch"))
    text = (tiny.parent / "plugins" / "few.py").read_text().replace('return "10"', 'return "8"')
    (tiny.parent / "plugins" / "few.py").write_text(text)
    args = ("search", tiny, *CHEAP, "--set", "space.kind=few", "--set", "search.limits.params=250")
    result = cli(*args)
    assert result.exit_code == 1
    assert [row["key"] for row in records(result.stdout) if row["status"] == "failed"] == ["10"]


def test_a_failed_architecture_is_said_and_ranks_last(tiny: Path, cli: Cli) -> None:
    plugin = tiny.parent / "plugins"
    plugin.mkdir()
    (plugin / "few.py").write_text(
        FEW.replace("        from torch", "        assert key != '12', 'no'\n        from torch")
    )
    result = cli("search", tiny, *CHEAP, "--set", "space.kind=few")
    assert result.exit_code == 1
    assert [row["status"] for row in records(result.stdout)] == ["ok"] * 5 + ["failed"]


FEW = """\
from eproxyctl import InvalidArchitecture, Space

WIDTHS = (2, 4, 6, 8, 10, 12, 14)


class Few(Space):
    "One convolution of some width; 14 is none."
    kind = "few"

    def parameters(self):
        return {'width': WIDTHS}

    def encode(self, choices):
        if choices["width"] == 14:
            raise InvalidArchitecture("too wide")
        return str(choices["width"])

    def choices(self, key):
        return {"width": int(key)}

    def parse(self, notation):
        return str(notation)

    def largest(self):
        return "10"

    def keys(self):
        return iter(map(str, WIDTHS[:-1]))

    def build(self, key, shape, outputs, fidelity=None, *, pruned=True):
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.channels = (int(key),)
                self.conv = nn.Conv2d(shape[0], int(key), 3, padding=1)
                self.linear = nn.Linear(int(key), outputs)

            def features(self, batch):
                return [self.conv(batch)]

            def forward(self, batch):
                return self.linear(self.features(batch)[0].relu().mean((2, 3)))

        return Net()
"""


def test_darts_at_32_pixels_under_a_limit_at_224(tiny: Path, cli: Cli) -> None:
    spec = Path(__file__).parents[2] / "specs" / "paper" / "darts-imagenet.yaml"
    small = ("--set", "space.widths=[4]", "--set", "space.depths=[5]", "--set", "search.limits.macs=3.0e6")
    result = cli("search", spec, *small, "--set", "proxy.kind=naswot", "--set", "proxy.fidelity.resolution=32", "-n", 4)
    assert result.exit_code == 0
    assert "best: Genotype(normal=[('" in result.stderr
    found = rows("runs/darts-imagenet/search")
    assert all(1e5 < row["macs"] <= 3.0e6 for row in found)
    document = json.loads(Path("runs/darts-imagenet/search/result.json").read_text())
    assert document["network"]["shape"] == [3, 224, 224]
    exported = cli("export", "runs/darts-imagenet/search")
    assert exported.exit_code == 0
    assert "takes [batch, 3, 224, 224], gives [batch, 1000]" in Path(exported.stdout.strip()).read_text()


def test_a_few_shot_proxy_that_has_learned(table: Path, cli: Cli) -> None:
    """Each prediction is that of `score`, whatever else is scored; members' rows are on disk."""
    few_shot = ("--set", "proxy={kind: few-shot, members: [naswot, params]}")
    untaught = cli("search", table, *few_shot, "-n", 9)
    assert untaught.exit_code == 5
    assert "learned nothing yet" in untaught.stderr
    assert cli("dps", table, *few_shot).exit_code == 0
    use = ("--set", "proxy=runs/tiny/dps/proxy.yaml")
    cli("search", table, *use, "-n", 11)
    found = cli("search", table, *use, "-n", 50)
    assert found.exit_code == 0
    whole = cli("search", table, *use, "-n", 50, "--run", "whole")
    for name in ("top.csv", "result.json", "rows.jsonl"):
        assert Path("runs/tiny/search", name).read_bytes() == Path("whole", name).read_bytes()
    top = records(Path("whole/top.csv").read_text())
    assert [float(row["score"]) for row in top] == sorted((float(row["score"]) for row in top), reverse=True)
    assert {row["proxy"] for row in rows("whole")} == {"naswot", "params"}
    assert len(rows("whole")) == 2 * len(top) == 100
    assert whole.stdout == found.stdout
    keys = json.dumps([row["key"] for row in top if row["status"] == "ok"][:7])
    scored = cli("score", table, *use, "--set", f"space.architectures={{keys: {keys}}}", "--set", "task.table=null")
    expected = {row["key"]: float(row["score"]) for row in records(scored.stdout)}
    assert {row["key"]: float(row["score"]) for row in top[:7]} == expected


def test_a_proxy_that_ranks_architectures_together_is_refused(tiny: Path, cli: Cli) -> None:
    for proxy in (
        "{kind: ensemble, members: [params, naswot]}",
        "{kind: few-shot, members: [params, {kind: ensemble, members: [macs, naswot]}]}",
    ):
        result = cli("search", tiny, "--set", f"proxy={proxy}")
        assert result.exit_code == 2
        assert "ranks architectures together, and a search needs the score of each alone" in result.stderr
        assert not Path("runs").exists()
    assert cli("search", tiny, "--set", "proxy.kind=az-nas", "-n", 2).exit_code == 0


def test_a_tuned_proxy_and_another_storage(tiny: Path, cli: Cli) -> None:
    Path("proxy.yaml").write_text("kind: params\nprovenance: {training: [a, b], seed: 0, readout: ''}\n")
    args = ("search", tiny, "--set", "proxy=proxy.yaml", "-n", 3)
    assert cli(*args, "--run", "here").exit_code == 0
    stored = cli(*args, "--run", "there", "--storage", "sqlite:///study.db")
    assert stored.exit_code == 0
    assert Path("here/top.csv").read_bytes() == Path("there/top.csv").read_bytes()
    assert not Path("there/study.journal").exists()
    assert cli(*args, "--run", "fresh", "--storage", "sqlite:///study.db").stdout == stored.stdout
    assert Path("fresh/rows.jsonl").read_bytes() == Path("there/rows.jsonl").read_bytes()
    assert Path("fresh/timings.jsonl").read_bytes() == b""  # nothing was paid for twice
    other = cli(*args, "--run", "here", "--set", "search.batch=3")
    assert other.exit_code == 6
    assert "belongs to another spec: search changed" in other.stderr
