"""`score` from the outside: same rows however they are computed, after a kill, on a full disk; clear refusals."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from conftest import Cli, spawn
from scipy import stats

ROWS = Path("runs/tiny/score/rows.jsonl")


def test_rows_in_the_order_of_the_spec_with_sizes(tiny: Path, cli: Cli) -> None:
    result = cli("score", tiny)
    assert result.exit_code == 0
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert len(rows) == 6
    assert all(float(row["score"]) > 0 and int(row["params"]) > 0 and int(row["macs"]) > 0 for row in rows)
    assert len(json.loads(rows[0]["trace"])) == 3
    assert result.stderr == ""
    saved = [json.loads(line) for line in ROWS.read_text().splitlines()]
    assert [row["key"] for row in saved] == [row["key"] for row in rows]


def test_every_format(tiny: Path, cli: Cli) -> None:
    table = cli("score", tiny, "--format", "table").stdout
    scores = [re.findall(r"\d+\.\d+", line)[0] for line in table.splitlines() if line.strip()[:1].isdigit()]
    assert scores == sorted(scores, key=float)
    assert len(scores) == 6
    document = json.loads(cli("score", tiny, "--format", "json").stdout)
    assert len(document["rows"]) == 6
    assert document["correlations"] == []
    lines = cli("score", tiny, "--format", "jsonl").stdout.splitlines()
    assert [json.loads(line)["key"] for line in lines] == [row["key"] for row in document["rows"]]
    assert cli("score", tiny, "--output", "x.csv").stdout == ""
    assert Path("x.csv").read_text() == cli("score", tiny).stdout
    assert cli("score", tiny, "--output", "x.xyz").exit_code == 2


def test_same_rows_for_any_workers_and_order(tiny: Path, cli: Cli) -> None:
    alone = cli("score", tiny, "--run", "a").stdout
    for workers in (1, 2):
        folder = f"w{workers}"
        assert cli("score", tiny, "--run", folder, "--workers", workers).stdout == alone
        assert Path(folder, "rows.jsonl").read_bytes() == Path("a/rows.jsonl").read_bytes()
    header, *rows = alone.splitlines()
    keys = [row.split(",")[0] for row in rows]
    given = json.dumps(keys[::-1])
    turned = cli("score", tiny, "--run", "turned", "--set", f"space.architectures={{keys: {given}}}").stdout
    assert turned.splitlines() == [header, *rows[::-1]]


def test_a_larger_sample_pays_for_the_new_rows_only(tiny: Path, cli: Cli) -> None:
    small = cli("score", tiny).stdout.splitlines()
    timings = Path("runs/tiny/score/timings.jsonl")
    assert len(timings.read_text().splitlines()) == 6
    large = cli("score", tiny, "--set", "space.architectures.sample=9").stdout.splitlines()
    assert large[: len(small)] == small
    assert len(timings.read_text().splitlines()) == 9


def test_killed_and_continued_equals_uninterrupted(tiny: Path, cli: Cli) -> None:
    more = ("--set", "space.architectures.sample=30")
    whole = cli("score", tiny, "--run", "whole", *more).stdout
    rows = Path("killed/rows.jsonl")
    process = spawn("score", tiny, "--run", "killed", "--workers", 2, *more, cwd=tiny.parent)
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline and (not rows.exists() or len(rows.read_bytes().splitlines()) < 5):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    paid = [json.loads(line)["key"] for line in rows.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    assert len(paid) >= 5
    with rows.open("a") as stream:
        stream.write('{"key":"half a li')
    continued = cli("score", tiny, "--run", "killed", *more)
    assert continued.stderr == ""
    assert continued.stdout == whole
    assert rows.read_bytes() == Path("whole/rows.jsonl").read_bytes()
    scored = [json.loads(line)["key"] for line in Path("killed/timings.jsonl").read_text().splitlines()]
    assert not set(paid) & set(scored[len(paid) :])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_polite_end_says_that_it_continues(tiny: Path, number: int, code: int) -> None:
    process = spawn("score", tiny, "--workers", 0, "--set", "space.architectures.sample=4000", cwd=tiny.parent)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.readline()
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == code
    assert "the same command continues" in stderr
    assert "Traceback" not in stderr


def test_a_closed_pipe_ends_quietly(tiny: Path) -> None:
    process = spawn("score", tiny, "--workers", 0, "--set", "space.architectures.sample=4000", cwd=tiny.parent)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    stderr = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 141
    assert stderr == ""


def test_the_printed_correlation_is_scipys(table: Path, cli: Cli) -> None:
    document = json.loads(
        cli("score", table, "--set", "space.architectures={table: true, sample: 20}", "--format", "json").stdout
    )
    rows = document["rows"]
    found = {(c["column"], c["statistic"]): c for c in document["correlations"]}
    metric = [row["metric"] for row in rows]
    score = found["score", "spearman"]
    assert score["value"] == pytest.approx(stats.spearmanr([-row["score"] for row in rows], metric).statistic)
    assert score["low"] <= score["value"] <= score["high"]
    params = stats.kendalltau([row["params"] for row in rows], metric).statistic
    assert found["params", "kendall"]["value"] == pytest.approx(params)
    assert {c for c, _ in found} == {"score", "params", "macs"}


def test_several_specs_give_one_summary(table: Path, cli: Cli) -> None:
    other = table.with_name("other.yaml")
    other.write_text(table.read_text().replace("seed: 0", "seed: 1"))
    for path in (table, other):
        path.write_text(path.read_text().replace("{sample: 6}", "{table: true, sample: 8}"))
    rows = list(csv.DictReader(io.StringIO(cli("score", table, other).stdout)))
    assert [row["spec"] for row in rows] == ["tiny"] * 3 + ["other"] * 3 + ["mean"] * 3
    found = {(row["spec"], row["column"]): float(row["spearman"]) for row in rows}
    for column in ("score", "params", "macs"):
        assert found["mean", column] == pytest.approx((found["tiny", column] + found["other", column]) / 2)
    assert float(rows[0]["low"]) <= found["tiny", "score"] <= float(rows[0]["high"])
    assert float(rows[0]["ms"]) > 0
    assert cli("score", table, other, "--run", "x").exit_code == 2


def test_a_failed_architecture_is_a_row_and_the_run_goes_on(tiny: Path, cli: Cli) -> None:
    result = cli("score", tiny, "--set", "proxy.branches=[{}, {}, {}, {}]")
    assert result.exit_code == 3
    plugins = tiny.parent / "plugins"
    plugins.mkdir()
    (plugins / "fragile.py").write_text(
        "import math\nfrom eproxyctl import Proxy, Score\n"
        "class Fragile(Proxy):\n    'Fragile.'\n    kind = 'fragile'\n"
        "    def score(self, network, batches, seed):\n"
        "        if seed.weights % 3 == 0: raise RuntimeError('out of memory')\n"
        "        return Score(math.inf if seed.weights % 3 == 1 else 1.0)\n"
    )
    result = cli("score", tiny, "--set", "proxy.kind=fragile", "--set", "space.architectures.sample=20")
    assert result.exit_code == 1
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    statuses = {row["status"] for row in rows}
    assert statuses == {"ok", "diverged", "failed"}
    failed = next(row for row in rows if row["status"] == "failed")
    assert failed["cause"].startswith("out of memory; lower proxy.fidelity")
    assert failed["params"]
    assert "architecture(s) failed" in result.stderr


def test_a_worker_that_dies_costs_its_architecture_only(tiny: Path, cli: Cli) -> None:
    plugins = tiny.parent / "plugins"
    plugins.mkdir()
    (plugins / "deadly.py").write_text(
        "import os\nfrom eproxyctl import Proxy, Score\n"
        "class Deadly(Proxy):\n    'Deadly.'\n    kind = 'deadly'\n"
        "    def score(self, network, batches, seed):\n"
        "        if seed.weights % 5 == 0: os._exit(9)\n"
        "        return Score(float(seed.weights % 7))\n"
    )
    result = cli("score", tiny, "--set", "proxy.kind=deadly", "--workers", 2, "--set", "space.architectures.sample=8")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    died = [row for row in rows if "died" in row["cause"]]
    assert result.exit_code == 1
    assert 0 < len(died) < len(rows) == 8
    assert all(row["status"] == "ok" for row in rows if row not in died)


def test_a_full_disk_loses_nothing(tiny: Path, cli: Cli) -> None:
    disk = tiny.parent / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small disk needs root")
    more = ("--set", "space.architectures.sample=60", "--run", disk / "run")
    try:
        full = cli("score", tiny, *more)
        assert full.exit_code == 6
        assert "No space left on device" in full.stderr
        assert "continues where it stopped" in full.stderr
        paid = len(Path(disk, "run", "timings.jsonl").read_text().splitlines())
        assert paid > 5
        subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
        done = cli("score", tiny, *more)
        assert done.exit_code == 0
        assert done.stdout == cli("score", tiny, "--set", "space.architectures.sample=60").stdout
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_dry_run_scores_nothing(tiny: Path, cli: Cli) -> None:
    result = cli("score", tiny, "--dry-run")
    assert "tiny: 6 architectures" in result.stdout
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["nowhere.yaml"], 3, "no file nowhere.yaml"),
        (["--set", "space.chanels=3"], 3, "--set[0]: unknown key 'chanels'"),
        (["--set", "space"], 2, "no value"),
        (["--set", "space.architectures={keys: [x, y]}"], 3, "not a NAS-Bench-201 key: x"),
        (["--set", "space.architectures={file: none.txt}"], 5, "none.txt"),
        (["--set", "space.architectures={table: true}"], 5, "no metric table"),
        (["--set", "space.architectures={sample: 20000}"], 3, "the space has 15625"),
        (["--set", "space.architectures={all: true, keys: [a]}"], 3, "exclude each other"),
        (["--set", "task.source={kind: npz, path: none.npz}"], 5, "no file none.npz"),
        (["--set", "task.table={path: none.csv}"], 5, "no metric table none.csv"),
        (["--device", "cuda:99"], 5, "no device cuda:99"),
        (["--device", "tpu"], 3, "--device: device:"),
        (["--plugins", "nowhere"], 2, "no plugin folder nowhere"),
        (["--no-such-flag"], 2, "No such option"),
    ],
)
def test_refusals(tiny: Path, cli: Cli, args: list[str], code: int, words: str) -> None:
    spec = [] if args[0].endswith(".yaml") else [tiny]
    result = cli("score", *spec, *args)
    assert result.exit_code == code
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_no_overlap_between_table_and_architectures(table: Path, cli: Cli) -> None:
    key = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    result = cli("score", table, "--set", f"space.architectures={{keys: ['{key}']}}")
    assert result.exit_code == 0
    assert "none of the 1 architectures is in the metric table, so there are no correlations" in result.stderr
    assert len(result.stdout.splitlines()) == 2


def test_another_specs_run_and_a_locked_run(tiny: Path, cli: Cli) -> None:
    assert cli("score", tiny).exit_code == 0
    refused = cli("score", tiny, "--seed", 5)
    assert refused.exit_code == 6
    assert "another spec: seed changed" in refused.stderr
    from filelock import FileLock

    with FileLock("runs/tiny/score/lock"):
        locked = cli("score", tiny)
    assert locked.exit_code == 6
    assert "another process is writing" in locked.stderr


def test_keys_from_a_file_in_any_notation(tiny: Path, cli: Cli) -> None:
    Path("keys.txt").write_text("# three\n[[3], [1, 0], [4, 2, 3]]\n(2, 0, 4, 1, 3, 2)\n\n[[0], [0, 0], [3, 0, 0]]\n")
    result = cli("score", tiny, "--set", "space.architectures={file: keys.txt}")
    assert result.exit_code == 0
    assert result.stdout.count(",ok,") == 2
    Path("keys.txt").write_text("[[3], [1, 0], [4, 2, 3]]\nnonsense\n")
    result = cli("score", tiny, "--set", "space.architectures={file: keys.txt}")
    assert result.exit_code == 3
    assert "keys.txt:2:1" in result.stderr


def test_a_hundred_real_architectures_at_low_fidelity(benchmarks: Path, cli: Cli, tiny: Path) -> None:
    specs = Path(__file__).parents[2] / "specs" / "nasbench201.yaml"
    document = json.loads(
        cli(
            "score",
            specs,
            "--data",
            benchmarks,
            "--format",
            "json",
            "--set",
            "space.channels=2",
            "--set",
            "space.cells=1",
            "--set",
            "proxy.iterations=2",
            "--set",
            "proxy.branches=[{transform_channels: 16}]",
            "--set",
            "proxy.fidelity.resolution=16",
            "--set",
            "space.architectures.sample=30",
        ).stdout
    )
    rows = document["rows"]
    expected = stats.spearmanr([-row["score"] for row in rows], [row["metric"] for row in rows]).statistic
    assert document["correlations"][0]["value"] == pytest.approx(expected)


def test_rows_of_the_table_that_are_joined_are_said(table: Path, cli: Cli) -> None:
    lines = Path("table.csv").read_text().splitlines()
    Path("table.csv").write_text("\n".join([*lines, lines[1], lines[2].split(",")[0] + ","]) + "\n")
    refused = cli("score", table)
    assert refused.exit_code == 5
    assert "line 62: repeats the architecture of line 2" in refused.stderr
    assert "task.table.repeats: mean" in refused.stderr
    assert "task.table.missing: skip" in refused.stderr
    sets = ["task.table.repeats=mean", "task.table.missing=skip", "space.architectures={table: true, sample: 2}"]
    taken = cli("score", table, *(word for text in sets for word in ("--set", text)))
    assert taken.exit_code == 0
    assert "60 architectures of 62 rows: 1 left out without a metric, 1 repeat an architecture" in taken.stderr
