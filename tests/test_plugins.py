"""Plugins: found, refused, broken, written; each with its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from eproxyctl import plugins
from eproxyctl.registry import shortcomings

WORKED = Path(__file__).parents[1] / "plugins"

NOISE = """\
from eproxyctl import FULL, Batches, Task
class NoiseTask(Task):
    "Noise."
    kind = "{kind}"
    shape = (3, 16, 16)
    def batch(self, seed, fidelity=FULL, n=1):
        import torch
        return Batches(torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(seed)))
"""


def plugin(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.py"
    path.write_text(text)
    return path


def use(tiny: Path, kind: str) -> None:
    text = tiny.read_text()
    start, end = text.index("task:"), text.index("proxy:")
    tiny.write_text(text[:start] + f"task: {{kind: {kind}}}\n" + text[end:])


def test_a_dropped_file_is_a_task(tiny: Path, cli) -> None:  # type: ignore[no-untyped-def]
    plugin(tiny.parent / "plugins", "noise", NOISE.format(kind="noise"))
    use(tiny, "noise")
    result = cli("score", tiny)
    assert result.exit_code == 0
    assert result.stdout.count(",ok,") == 6
    assert "noise,plugins/noise.py" in cli("list", "tasks").stdout
    assert '"sha256"' in (tiny.parent / "runs/tiny/score/run.json").read_text()
    assert cli("score", tiny, "--no-plugins").exit_code == 3


def test_the_same_rows_from_workers_that_load_the_plugin(tiny: Path, cli) -> None:  # type: ignore[no-untyped-def]
    plugin(tiny.parent / "mine", "noise", NOISE.format(kind="noise"))
    use(tiny, "noise")
    alone = cli("score", tiny, "--plugins", "mine", "--run", "a")
    spread = cli("score", tiny, "--plugins", "mine", "--run", "b", "--workers", 1)
    assert alone.stdout == spread.stdout
    assert alone.exit_code == spread.exit_code == 0


@pytest.mark.parametrize(
    ("text", "where", "cause"),
    [
        (
            "import torch\nraise RuntimeError('no camera')\nkind = 1\n    kind = 'noise'",
            "noise.py:4",
            "IndentationError",
        ),
        (
            "x = 1\nraise RuntimeError('no camera')\nclass A:\n    kind = 'noise'\n",
            "noise.py:2",
            "RuntimeError: no camera",
        ),
        ("import nowhere_at_all\nclass A:\n    kind = 'noise'\n", "noise.py:1", "ModuleNotFoundError"),
        ("from eproxyctl import Task\nclass A(Task):\n    kind = 'noise'\n", "noise.py", "class A lacks batch, shape"),
        ("import sys\nsys.exit(3)\nclass A:\n    kind = 'noise'\n", "noise.py:2", "SystemExit"),
    ],
)
def test_a_broken_plugin_warns_unless_it_is_needed(tiny: Path, cli, text: str, where: str, cause: str) -> None:  # type: ignore[no-untyped-def]
    plugin(tiny.parent / "plugins", "noise", text)
    unused = cli("validate", tiny)
    assert unused.exit_code == 0
    assert f"plugin plugins/{where}: " in unused.stderr
    assert cause in unused.stderr
    use(tiny, "noise")
    needed = cli("score", tiny)
    assert needed.exit_code == 4
    assert where in needed.stderr
    assert cause in needed.stderr
    assert "broken" in cli("plugins").stdout


def test_a_taken_name_is_refused(tiny: Path, cli) -> None:  # type: ignore[no-untyped-def]
    for name in ("one", "two"):
        plugin(tiny.parent / "plugins", name, NOISE.format(kind="noise"))
    use(tiny, "noise")
    result = cli("score", tiny)
    assert result.exit_code == 4
    assert "task 'noise' is defined twice: in plugins/one.py and plugins/two.py" in result.stderr
    plugin(tiny.parent / "plugins", "two", NOISE.format(kind="images"))
    use(tiny, "images")
    assert cli("score", tiny).exit_code == 4


@pytest.mark.parametrize("what", ["task", "space", "proxy"])
def test_a_written_plugin_works_and_passes_its_own_test(tmp_path: Path, monkeypatch, cli, what: str) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    result = cli("plugins", "new", what, "thermal")
    assert result.exit_code == 0
    assert result.stdout.split() == ["plugins/thermal.py", "plugins/test_thermal.py"]
    assert "thermal" in cli("describe", what, "thermal").stdout.lower()
    source = (tmp_path / "plugins" / "thermal.py").read_text()
    if what == "task":
        code = [line for line in source.splitlines() if line.strip() and not line.startswith('"""')]
        assert len(code) <= 25
    assert cli("plugins", "new", what, "thermal").exit_code == 2
    assert cli("plugins", "new", what, "no-name").exit_code == 2
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "plugins"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0


BARE = """\
from eproxyctl import Space
class BareSpace(Space):
    "Bare."
    kind = "bare"
    def parameters(self): return {"depth": (1, 2)}
    def encode(self, choices): return str(choices["depth"])
    def choices(self, key): return {"depth": int(key)}
    def parse(self, notation): return str(notation)
    def largest(self): return "2"
    def build(self, key, shape, outputs, fidelity=None, *, pruned=True): raise NotImplementedError
"""


def test_what_a_space_leaves_out_to_its_harm_is_said_of_plugins_only(tmp_path: Path) -> None:
    plugin(tmp_path / "mine", "bare", BARE)
    registry = plugins.load_plugins(plugins.Sources((str(tmp_path / "mine"), str(WORKED)), installed=False))
    canonical, traits = shortcomings(registry.get("space", "bare"))
    assert "space 'bare' has no canonical()" in canonical
    assert "space 'bare' has no traits()" in traits
    assert shortcomings(registry.get("space", "plain")) == ()
    assert shortcomings(registry.get("task", "stripes")) == ()
    assert shortcomings(registry.get("space", "mobilenet")) == ()  # every key is a network of its own


def test_an_installed_plugin_is_found_by_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "thermal_plugin.py").write_text(NOISE.format(kind="thermal"))
    info = tmp_path / "thermal-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: thermal\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[eproxyctl.plugins]\nthermal = thermal_plugin\nbad = nowhere_at_all\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = plugins.load_plugins(plugins.Sources())
    assert "thermal" in registry.kinds("task")
    assert registry.get("task", "thermal").origin.sha256
    assert [broken.origin.name for broken in registry.broken] == ["bad"]


def test_rows_of_a_plugin_that_changed_are_not_taken_for_the_same(tiny: Path, cli) -> None:  # type: ignore[no-untyped-def]
    path = plugin(tiny.parent / "mine", "noise", NOISE.format(kind="noise"))
    use(tiny, "noise")
    assert cli("score", tiny, "--plugins", "mine").exit_code == 0
    path.write_text(path.read_text().replace("manual_seed(seed)", "manual_seed(seed + 1)"))
    changed = cli("score", tiny, "--plugins", "mine")
    assert changed.exit_code == 6
    assert "another spec: plugins changed" in changed.stderr


def test_the_variable_separates_folders_as_path_does(tmp_path: Path, cli, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    plugin(tmp_path / "one folder", "one", NOISE.format(kind="one"))
    plugin(tmp_path / "two", "two", NOISE.format(kind="two"))
    monkeypatch.setenv("EPROXYCTL_PLUGINS", f"{tmp_path / 'one folder'}{os.pathsep}{tmp_path / 'two'}")
    listed = cli("list", "tasks").stdout
    assert "task,one," in listed
    assert "task,two," in listed
