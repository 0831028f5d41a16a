"""Many processes on one study, through a real PostgreSQL or SQLite; some of them are killed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import postgres
import pytest
from conftest import Url, trials

from eproxyctl.errors import RunError
from eproxyctl.studies.storage import masked, open_database

WORKER = """\
import json, sys, time
from pathlib import Path
from eproxyctl.studies import shared as hosts
from eproxyctl.studies import storage
from eproxyctl.studies.study import Terms

url, name, total, width, victim, awaited = sys.argv[1:]
storage.INTERVAL, storage.GRACE, hosts.MAX_REPEATS = 1, 3, 8
folder = Path(name)
folder.mkdir(exist_ok=True)
mark = Path(name + ".mark")
drawn = []
rows = {}


class Rows:
    def lines(self, asked):
        return [rows[asked.point]]

    def adopt(self, lines):
        rows.update((json.loads(line)[0], line) for line in lines)


def dies(point):
    mark.write_text(point)
    time.sleep(100)


def encode(choices):
    point = f"{choices['a']}-{choices['b']}"
    drawn.append(point)
    if victim == "drawing" and len(drawn) == 2:
        dies(point)
    return point


def evaluate(asked):
    if victim == "evaluating" and len(drawn) > 3:
        dies(asked[0].point)
    while not victim and not all(Path(one).exists() for one in awaited.split()):
        time.sleep(0.02)
    time.sleep(0.02)
    rows.update((one.point, json.dumps([one.point, name])) for one in asked)
    return [(float(one.choices["a"]),) for one in asked]


Path(name + ".ready").touch()
while not Path("go").exists():
    time.sleep(0.01)
parameters = {"a": tuple(range(int(width))), "b": tuple(range(6)), "idle": (1, 2)}
study = hosts.Store(folder, url, Rows()).study(Terms("s", parameters, "evolution", 0, encode, batch=2))
paid = len(list(study.run(int(total), evaluate)))
found = [(one.number, one.point, one.value) for one in study.finished()[: int(total)]]
print(json.dumps({"paid": paid, "found": found, "rows": rows}, sort_keys=True))
"""


def work(
    folder: Path, url: str, name: str, total: int, width: int = 6, victim: str = "", awaited: str = ""
) -> subprocess.Popen[str]:
    """A process that works on the study; it evaluates nothing before the files ``awaited`` are there."""
    command = [sys.executable, "-c", WORKER, url, name, str(total), str(width), victim, awaited]
    return subprocess.Popen(command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def together(folder: Path, count: int) -> None:
    """Let the processes begin at one time."""
    deadline = time.monotonic() + 60
    while len(list(folder.glob("*.ready"))) < count and time.monotonic() < deadline:
        time.sleep(0.02)
    (folder / "go").touch()


def kill_at(process: subprocess.Popen[str], mark: Path) -> str:
    deadline = time.monotonic() + 60
    while not (mark.exists() and mark.read_text()):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.communicate()
    return mark.read_text()


def ends(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    return out


def test_the_points_of_killed_processes_are_done_by_others(tmp_path: Path, database: Url) -> None:
    """Of four processes one is killed while it evaluates and one while it draws; all four make the tables at once."""
    url = database("killed")
    victims = {stage: work(tmp_path, url, stage, 12, victim=stage) for stage in ("evaluating", "drawing")}
    living = [work(tmp_path, url, name, 12, awaited="drawing.mark evaluating.mark") for name in ("a", "b")]
    together(tmp_path, 4)
    kill_at(victims["drawing"], tmp_path / "drawing.mark")
    lost = kill_at(victims["evaluating"], tmp_path / "evaluating.mark")
    a, b = (json.loads(ends(process)) for process in living)
    assert a["found"] == b["found"]
    assert a["rows"] == b["rows"]
    assert {point for _, point, _ in a["found"]} == a["rows"].keys()
    points = [trial.user_attrs["point"] for trial in trials(url)]
    assert len(points) == len(set(points)) == 12
    assert lost in points
    more = json.loads(ends(work(tmp_path, url, "evaluating", 14)))
    assert more["paid"] == 2
    assert more["found"][:12] == a["found"]


def test_a_small_space_is_exhausted_for_all(tmp_path: Path, database: Url) -> None:
    url = database("small")
    processes = [work(tmp_path, url, name, 50, 1) for name in "ab"]
    together(tmp_path, 2)
    found = [json.loads(ends(process)) for process in processes]
    assert found[0]["found"] == found[1]["found"]
    assert len(found[0]["found"]) == 6
    assert found[0]["paid"] + found[1]["paid"] == 6


def test_sqlite_serves_two_processes(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    processes = [work(tmp_path, url, name, 8) for name in "ab"]
    together(tmp_path, 2)
    found = [json.loads(ends(process)) for process in processes]
    assert found[0]["found"] == found[1]["found"]
    assert len({trial.user_attrs["point"] for trial in trials(url)}) == len(trials(url)) == 8
    assert found[0]["paid"] + found[1]["paid"] == 8


def test_a_password_is_never_shown(database: Url) -> None:
    right = database("masked")
    for url in (
        right.replace(":se", ":other-se"),
        right.replace(":se%2Fc%3Aret", "").replace("/masked", "/masked?password=other-secret"),
        right.replace("masked", "nowhere"),
        "postgresql+psycopg://me:other-secret@127.0.0.1:1/x",
        "postgresql+nodriver://me:other-secret@127.0.0.1:1/x",
        "me:other-secret@127.0.0.1",
        "redis://me:other-secret@127.0.0.1",
    ):
        with pytest.raises(RunError) as caught:
            open_database(url)
        for text in (caught.value.message, caught.value.hint, masked(url)):
            assert not any(secret in text for secret in ("secret", "se%2Fc%3Aret", postgres.PASSWORD)), text
    assert masked("postgresql://me:secret@h/d?password=secret&sslmode=require") == (
        "postgresql+psycopg://me:***@h/d?password=***&sslmode=require"
    )
    open_database(right.replace("+psycopg", "")).engine.dispose()
