"""`dps` and `search` on one study from several run directories."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from conftest import Cli, Url, spawn, trials

QUICK = """\
import os
from pathlib import Path
from eproxyctl import Proxy, ProxyOptions, Score, Tunable, derive

class Quick(Proxy, Tunable):
    "A proxy that DPS can tune, and that notes what it was paid for."
    kind = "quick"

    class Options(ProxyOptions):
        a: int = 0
        b: int = 0

    def parameters(self):
        return {"a": tuple(range(50)), "b": tuple(range(50))}

    def encode(self, choices):
        return self.options.model_copy(update=dict(choices))

    def score(self, network, batches, seed):
        with open(@paid@, "a") as stream:
            stream.write(f"{os.getpid()} {self.options.a} {self.options.b} {seed.weights}\\n")
        return Score(float(derive(self.options.a, self.options.b, seed.weights) % 1000))
"""
FILES = ("proxy.yaml", "result.json")


@pytest.fixture
def quick(table: Path) -> Path:
    """A spec with a table, 5 training and 6 held-out architectures, and a proxy that costs nothing."""
    folder = table.parent / "plugins"
    folder.mkdir()
    (folder / "quick.py").write_text(QUICK.replace("@paid@", repr(str(table.parent / "paid"))))
    table.write_text(table.read_text().replace("kind: eproxy", "kind: quick").split("  iterations")[0])
    with table.open("a") as stream:
        stream.write("dps: {architectures: 5, held_out: 6}\n")
    return table


def paid() -> list[list[str]]:
    return [line.split() for line in Path("paid").read_text().splitlines()]


def rows(run: str) -> set[str]:
    return set(Path(run, "rows.jsonl").read_text().splitlines())


@pytest.mark.parametrize("options", ["seeds: 1", "seeds: 3", "seeds: 2, sampler: nsga2"])
def test_a_second_run_directory_pays_for_nothing(quick: Path, cli: Cli, options: str) -> None:
    quick.write_text(quick.read_text().replace("held_out: 6}", f"held_out: 6, {options}}}"))
    args = ("dps", quick, "--storage", "sqlite:///study.db", "--trials", 4)
    assert cli(*args, "--run", "a").exit_code == 0
    before = paid()
    assert cli(*args, "--run", "b").exit_code == 0
    assert paid() == before
    assert all(Path("a", name).read_bytes() == Path("b", name).read_bytes() for name in FILES)
    assert rows("a") == rows("b")


def test_two_processes_end_with_one_result_and_show_no_password(quick: Path, database: Url) -> None:
    url = database("dps")
    words = ("dps", quick, "--workers", 0, "--trials", 14, "--storage", url)
    processes = [spawn(*words, "--run", run, cwd=quick.parent) for run in "ab"]
    ended = [(*process.communicate(timeout=120), process.returncode) for process in processes]
    assert [code for _, _, code in ended] == [0, 0], ended
    assert ended[0][0] == ended[1][0]
    points = [trial.user_attrs["point"] for trial in trials(url)]
    assert len(points) == len(set(points)) == 14
    assert all(Path("a", name).read_bytes() == Path("b", name).read_bytes() for name in FILES)
    assert rows("a") == rows("b")
    trained = [tuple(line[1:]) for line in paid()]
    assert len(trained) <= len(set(trained)) + 12  # only at the end, for the held-out rows, may both do the same
    for run in "ab":
        texts = [path.read_text() for path in Path(run).iterdir()]
        assert not any("c:ret" in text or "c%3Aret" in text for text in texts)
        assert json.loads(Path(run, "run.json").read_text())["stamp"]["storage"].startswith(
            "postgresql+psycopg://me:***@"
        )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_four_processes_of_which_one_is_killed(quick: Path, database: Url) -> None:
    """With heartbeats as they are: the dead process is noticed after a minute."""
    url = database("four")
    words = ("dps", quick, "--workers", 0, "--trials", 60, "--storage", url)
    processes = [spawn(*words, "--run", run, cwd=quick.parent) for run in "abcd"]
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and sum(line[0] == str(processes[3].pid) for line in paid_so_far()) < 13:
        time.sleep(0.01)
    processes[3].kill()
    ended = [(*process.communicate(timeout=600), process.returncode) for process in processes]
    assert [code for _, _, code in ended[:3]] == [0, 0, 0], ended
    points = [trial.user_attrs["point"] for trial in trials(url)]
    assert len(points) == len(set(points)) == 60
    last = spawn(*words, "--run", "d", cwd=quick.parent)
    assert last.communicate(timeout=120)[0] == ended[0][0]
    assert len({Path(run, "proxy.yaml").read_bytes() for run in "abcd"}) == 1
    assert len(trials(url)) == 60


def paid_so_far() -> list[list[str]]:
    return paid() if Path("paid").exists() else []
