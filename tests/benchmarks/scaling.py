"""How cost grows: time and memory of `eproxyctl score` and `dps`, printed as the table in README.

    python tests/benchmarks/scaling.py            # all of it: tens of minutes on two cores
    python tests/benchmarks/scaling.py --quick    # small sizes, to see that it works

Each line is a run of the command line in a process of its own, in an empty directory, on embedded data: NAS-Bench-201
networks of 8 channels and one cell a stage, 16 photos of 32×32, 2 iterations, one worker, unless the line says
otherwise.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SPEC = """\
version: 1
space: {kind: nasbench201, channels: 8, cells: 1, architectures: {sample: 100}}
task: {kind: images, source: {kind: photos}, batch_size: 16, resolution: 32}
proxy: {kind: eproxy, iterations: 2}
"""
DPS = """\
version: 1
space: {kind: nasbench201, channels: 8, cells: 1}
task: {kind: images, source: {kind: photos}, batch_size: 16, resolution: 32, table: {path: table.csv}}
proxy: {kind: eproxy, iterations: 2}
dps: {architectures: 10, held_out: 10}
"""
MEASURED = """\
import atexit, json, resource, sys
from pathlib import Path

def report():
    own, workers = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    cpu = own.ru_utime + own.ru_stime + workers.ru_utime + workers.ru_stime
    Path("usage.json").write_text(json.dumps({"cpu": cpu, "command": own.ru_maxrss, "worker": workers.ru_maxrss}))

atexit.register(report)
from eproxyctl.cli import main

sys.argv[0] = "eproxyctl"
main()
"""
EVERY = 15_625


@dataclass(frozen=True)
class Case:
    """A run: what is varied, its value, and the words of the command line."""

    name: str
    value: str
    count: int
    words: tuple[str, ...]


def score(name: str, value: object, count: int, *sets: str, workers: int = 1) -> Case:
    """A run of `score` on the first `count` architectures of the seed's sample, or on all."""
    which = "{all: true}" if count == EVERY else f"{{sample: {count}}}"
    chosen = ("--set", f"space.architectures={which}", *(word for text in sets for word in ("--set", text)))
    return Case(name, str(value), count, ("score", "spec.yaml", "--workers", str(workers), *chosen))


def cases(quick: bool) -> Iterator[Case]:
    """Every line of the table."""
    base = 6 if quick else 100
    for count in (6, 12) if quick else (100, 500, 2000, EVERY):
        yield score("architectures", f"{count:,}", count)
    for workers in (1, 2):
        yield score("workers", workers, base, workers=workers)
    for width in (0.5, 1.0, 2.0):
        yield score("width: channels", int(8 * width), base, f"space.channels={int(8 * width)}")
    for side in (8, 16) if quick else (16, 32, 64):
        yield score("resolution", side, base, f"task.resolution={side}")
    for iterations in (1, 2) if quick else (2, 5, 10, 20):
        yield score("iterations", iterations, base, f"proxy.iterations={iterations}")
    for trials in (1, 2) if quick else (10, 20, 40):
        words = ("dps", "dps.yaml", "--workers", "1", "--trials", str(trials))
        yield Case("dps: trials", str(trials), trials, words)


def prepare(folder: Path) -> None:
    """Two specs, and a metric table of 40 architectures, whose values do not change the time."""
    from eproxyctl.spaces.nasbench201 import NasBench201Space

    space = NasBench201Space(NasBench201Space.Options.model_validate({}))
    rows = [f"{key},{i}" for i, key in zip(range(40), space.sample(0), strict=False)]
    (folder / "table.csv").write_text("key,accuracy\n" + "\n".join(rows) + "\n")
    (folder / "spec.yaml").write_text(SPEC)
    (folder / "dps.yaml").write_text(DPS)


def run(case: Case) -> str:
    """A line of the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        started = time.perf_counter()
        command = [sys.executable, "-c", MEASURED, *case.words]
        done = subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
        seconds = time.perf_counter() - started
        if done.returncode:
            raise SystemExit(f"{' '.join(case.words)} ended with {done.returncode}:\n{done.stderr.decode()}")
        usage = json.loads((folder / "usage.json").read_text())
    each = 1000 * usage["cpu"] / case.count
    sizes = " | ".join(f"{usage[who] / 1024:.0f}" for who in ("command", "worker"))  # Linux counts in KiB
    return f"| {case.name} | {case.value} | {seconds:.1f} | {usage['cpu']:.1f} | {each:.0f} | {sizes} |"


def main() -> None:
    """Print the table, a line as soon as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
    parser.add_argument("--only", help="the lines of one name only, such as architectures")
    chosen = parser.parse_args()
    print("| | | wall s | CPU s | CPU ms each | MiB of the command | MiB of a worker |")
    print("|---|---|---|---|---|---|---|")
    for case in cases(chosen.quick):
        if chosen.only in (None, case.name):
            print(run(case), flush=True)


if __name__ == "__main__":
    main()
