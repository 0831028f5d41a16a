"""15,625 architectures by one command: memory as for 500, and a finished run is read again in seconds."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = '''
import itertools

from eproxyctl import FULL, Proxy, Score, Space


class Dots(Space):
    """15,625 networks of one linear layer."""

    kind = "dots"
    example = "0-0-0-0-0-0"

    def parameters(self):
        return {f"d{i}": (0, 1, 2, 3, 4) for i in range(6)}

    def encode(self, choices):
        return "-".join(str(choices[f"d{i}"]) for i in range(6))

    def choices(self, key):
        return {f"d{i}": int(digit) for i, digit in enumerate(key.split("-"))}

    def parse(self, notation):
        return str(notation)

    def largest(self):
        return "4-4-4-4-4-4"

    def size(self):
        return 5**6

    def keys(self):
        return ("-".join(map(str, each)) for each in itertools.product(range(5), repeat=6))

    def build(self, key, shape, outputs, fidelity=FULL, *, pruned=True):
        from torch import nn

        class Network(nn.Module):
            channels = (shape[0],)

            def __init__(self):
                super().__init__()
                self.classifier = nn.Linear(shape[0], outputs + int(key.replace("-", ""), 5))

            def features(self, batch):
                return [batch]

            def forward(self, batch):
                return self.classifier(batch.mean((2, 3)))

        return Network()


class Free(Proxy):
    """A number from the seed, and a trace as long as Eproxy's."""

    kind = "free"

    def score(self, network, batches, seed):
        value = float(seed.weights % 10007)
        return Score(value, tuple((value / (1 + i),) for i in range(10)))
'''
SPEC = """\
version: 1
space: {kind: dots, architectures: {sample: 500}}
task:
  kind: images
  source: {kind: photos}
  batch_size: 2
  resolution: 8
  table: {path: table.csv}
proxy: {kind: free}
"""
MEASURED = """\
import atexit, re, resource, sys
from pathlib import Path

def report():
    peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]
    used = resource.getrusage(resource.RUSAGE_SELF)
    print("measured", peak, used.ru_utime + used.ru_stime, file=sys.stderr)

atexit.register(report)
from eproxyctl.cli import main

sys.argv[0] = "eproxyctl"
main()
"""


def run(folder: Path, run: str, architectures: str) -> tuple[str, int, float]:
    """(stdout, KiB of memory at the most, CPU seconds) of the command's own process."""
    words = ["score", "spec.yaml", "--run", run, "--workers", "1", "--set", f"space.architectures={architectures}"]
    command = [sys.executable, "-c", MEASURED, *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    found = re.search(r"measured (\d+) ([\d.]+)", done.stderr)
    assert found
    return done.stdout, int(found[1]), float(found[2])


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc to read the peak of a process's memory")
def test_memory_of_15625_is_that_of_500(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "dots.py").write_text(PLUGIN)
    (tmp_path / "spec.yaml").write_text(SPEC)
    keys = ["-".join(map(str, each)) for each in itertools.product(range(5), repeat=6)]
    table = "".join(f"{key},{i % 997}\n" for i, key in enumerate(keys))
    (tmp_path / "table.csv").write_text("key,accuracy\n" + table)
    _, few, _ = run(tmp_path, "few", "{sample: 500}")
    whole, many, _ = run(tmp_path, "many", "{all: true}")
    assert whole.count("\n") == 15_626
    again, resumed, seconds = run(tmp_path, "many", "{all: true}")
    assert again == whole
    print(f"{few} KiB for 500, {many} for 15,625, {resumed} and {seconds:.0f} s of CPU to read them again")
    assert max(many, resumed) < 1.1 * few
    assert seconds < 90
