"""What the tests share: benchmark data where it is, a spec that scores in a fraction of a second, the command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from typer.testing import CliRunner, Result

from eproxyctl.cli import app

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

# As the engine does: tests run side by side, and one thread a process is also what makes results repeatable.
os.environ["OMP_NUM_THREADS"] = "1"

TINY = """\
version: 1
seed: 0
space:
  kind: nasbench201
  channels: 2
  cells: 1
  architectures: {sample: 6}
task:
  kind: images
  source: {kind: photos}
  batch_size: 4
  resolution: 16
proxy:
  kind: eproxy
  iterations: 3
  map_size: 4
  branches: [{features: [dot], transform_channels: 8, target_channels: 4}]
"""


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith("EPROXYCTL_") and n != "EPROXYCTL_DATA"]:
        monkeypatch.delenv(name)


@pytest.fixture
def benchmarks() -> Path:
    """The folder of public benchmark tables."""
    folder = os.environ.get("EPROXYCTL_DATA")
    if not folder:
        pytest.skip("EPROXYCTL_DATA is not set: no benchmark tables to test against")
    return Path(folder).resolve()


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture
def table(tiny: Path) -> Path:
    """The tiny spec with a metric table of 60 architectures: ten times the 3×3 convolutions, and a bit."""
    from eproxyctl.contracts import SpaceOptions
    from eproxyctl.spaces.nasbench201 import NasBench201Space

    space = NasBench201Space(NasBench201Space.Options())
    assert issubclass(NasBench201Space.Options, SpaceOptions)
    keys = [key for _, key in zip(range(60), space.sample(7), strict=False)]
    rows = [f"{key},{10 * key.count('nor_conv_3x3') + i / 100}" for i, key in enumerate(keys)]
    (tiny.parent / "table.csv").write_text("key,accuracy\n" + "\n".join(rows) + "\n")
    text = tiny.read_text().replace("resolution: 16\n", "resolution: 16\n  table: {path: table.csv}\n")
    tiny.write_text(text + "dps: {trials: 3, architectures: 5, held_out: 6}\n")
    return tiny


Cli = Callable[..., Result]


@pytest.fixture
def cli() -> Cli:
    """Run a command in this process; workers in this process too unless asked otherwise."""

    def run(*args: object) -> Result:
        words = [str(arg) for arg in args]
        if words[0] in ("score", "dps", "search", "benchmark") and "--workers" not in words and "--help" not in words:
            words += ["--workers", "0"]
        result = CliRunner().invoke(app, words)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


def spawn(*args: object, cwd: Path) -> subprocess.Popen[str]:
    """The console script as a process of its own, that Ctrl-C reaches even where the tests run in the background.

    A shell starts background jobs with SIGINT ignored, and children inherit that.
    """
    words = [sys.executable, "-m", "eproxyctl", *map(str, args)]
    return subprocess.Popen(
        words,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


Url = Callable[[str], str]


@pytest.fixture(scope="session")
def database() -> Iterator[Url]:
    """Makes a PostgreSQL database of a name, and says its URL."""
    import postgres

    if not postgres.installed():
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    psycopg = pytest.importorskip("psycopg")
    with postgres.server() as place:

        def create(name: str) -> str:
            start = f"postgresql://{postgres.USER}:{quote(postgres.PASSWORD, safe='')}@{place}"
            with psycopg.connect(f"{start}/postgres", autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}")
            return f"{start}/{name}".replace("postgresql:", "postgresql+psycopg:")

        yield create


def trials(url: str) -> list[FrozenTrial]:
    """The completed trials of a database with one study, in which nothing runs any more."""
    import optuna

    storage = optuna.storages.RDBStorage(url)
    (name,) = optuna.get_all_study_names(storage)
    found = optuna.load_study(study_name=name, storage=storage).trials
    storage.engine.dispose()
    assert all(trial.state is not optuna.trial.TrialState.RUNNING for trial in found)
    return [trial for trial in found if trial.state is optuna.trial.TrialState.COMPLETE]
