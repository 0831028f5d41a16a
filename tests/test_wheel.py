"""The wheel: built without a network, installed in an environment of its own, it has its data and scores."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DATA = ("py.typed", "data/quickstart.yaml", "data/digits201.csv", "data/templates/proxy.py.txt")


def run(*words: object, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run([*map(str, words)], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words[0]}: {done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling", reason="hatchling is not installed: pip install -c constraints.txt '.[dev]'")
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (path,) = folder.glob("*.whl")
    return path


def test_a_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"eproxyctl/{name}" for name in DATA} <= names
    package = ROOT / "eproxyctl"
    files = {p.relative_to(ROOT).as_posix() for p in package.rglob("*") if p.is_file() and p.suffix != ".pyc"}
    assert files <= names
    assert {name.partition("/")[0] for name in names - files} == {f"{wheel.name.rsplit('-', 3)[0]}.dist-info"}


@pytest.mark.slow
def test_an_installed_wheel_scores_elsewhere(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "clean", with_pip=False, symlinks=True)
    python = tmp_path / "clean" / "bin" / "python"
    place = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path).strip())
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", "-q")
    run(*pip, wheel, cwd=tmp_path)
    # The dependencies of this environment; .pth files of a folder that is named in one are not read, so an editable
    # eproxyctl there stays unseen.
    (place / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "EPROXYCTL_DATA", "EPROXYCTL_SPEC")}
    where = run(python, "-c", "import eproxyctl; print(eproxyctl.__file__)", cwd=tmp_path, env=env)
    assert Path(where.strip()).is_relative_to(place)
    command = (tmp_path / "clean" / "bin" / "eproxyctl", "score", "--workers", "0")
    quick = ("--set", "space.architectures={table: true, sample: 3}", "--set", "proxy.iterations=1", "--no-plugins")
    rows = run(*command, *quick, cwd=tmp_path, env=env)
    assert rows.count(",ok,") == 3
    written = run(command[0], "plugins", "new", "proxy", "mine", cwd=tmp_path, env=env)
    assert written.split() == ["plugins/mine.py", "plugins/test_mine.py"]
