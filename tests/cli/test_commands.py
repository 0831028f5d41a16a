"""The other commands, and what help costs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Cli

COMMANDS = ["score", "dps", "validate", "schema", "list", "describe", "doctor", "plugins", "runs"]
SPECS = sorted((Path(__file__).parents[2] / "specs").rglob("*.yaml"))
LIGHT = """\
import sys
from typer.testing import CliRunner
from eproxyctl.cli import app
for args in {commands!r}:
    result = CliRunner().invoke(app, args)
    assert result.exit_code == 0, (args, result.output)
    heavy = [name for name in ("torch", "optuna", "sklearn", "scipy") if name in sys.modules]
    assert not heavy, (args, heavy)
"""


def test_help_and_checks_import_nothing_heavy(tiny: Path) -> None:
    commands = [["--help"], *([name, "--help"] for name in COMMANDS), ["validate", str(tiny)], ["schema"], ["list"]]
    script = LIGHT.format(commands=commands)
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("words", [[], *([name] for name in COMMANDS), ["plugins", "new"], ["runs", "show"]])
def test_help_ends_with_an_example(cli: Cli, words: list[str]) -> None:
    result = cli(*words, "--help")
    assert result.exit_code == 0
    assert "Example: eproxyctl " in result.stdout


@pytest.mark.parametrize(
    "command",
    [
        "score --set space.architectures.sample=3 --set space.channels=2 --set space.cells=1",
        "validate --resolved",
        "schema",
        "list spaces",
        "describe space nasbench201",
        "describe proxy eproxy",
        "describe task images",
        "doctor --no-measure",
        "plugins",
        "runs",
        "--version",
    ],
)
def test_examples_work_in_an_empty_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = cli(*command.split())
    assert result.exit_code == 0
    assert "Traceback" not in result.output


def test_the_default_spec_is_looked_up(tiny: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "using the built-in quickstart" in cli("validate").stderr
    Path("spec.yaml").write_text(tiny.read_text())
    assert "spec.yaml: valid" in cli("validate").stderr
    monkeypatch.setenv("EPROXYCTL_SPEC", "nowhere.yaml")
    assert "no file nowhere.yaml" in cli("validate").stderr


def test_precedence_flag_variable_spec(tiny: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "seed: 0 " in cli("validate", tiny, "--resolved").stdout
    monkeypatch.setenv("EPROXYCTL_SEED", "4")
    assert "seed: 4 " in cli("validate", tiny, "--resolved").stdout
    text = cli("validate", tiny, "--resolved", "--seed", "5", "--set", "space.channels=3").stdout
    lines = {line.split(":")[0].strip(): line for line in text.splitlines()}
    assert lines["seed"].split("# ")[1] == "--seed"
    assert lines["channels"].split("# ")[1] == "--set[0]"
    assert lines["cells"].split("# ")[1].endswith("tiny.yaml:6:10")
    assert lines["momentum"].split("# ")[1] == "default"


def test_validate_shows_the_line_and_a_caret(tiny: Path, cli: Cli) -> None:
    tiny.write_text(tiny.read_text().replace("channels", "chanels"))
    result = cli("validate", tiny)
    assert result.exit_code == 3
    assert f"{tiny}:5:3: unknown key 'chanels' in space" in result.stderr
    assert "      chanels: 2\n      ^\n    hint: did you mean channels" in result.stderr


def test_runs_are_listed_and_shown(tiny: Path, cli: Cli) -> None:
    cli("score", tiny)
    (record,) = json.loads(cli("runs", "--format", "json").stdout)
    assert (record["run"], record["command"], record["rows"], record["active"]) == (
        "runs/tiny/score",
        "score",
        6,
        False,
    )
    shown = cli("runs", "show", "runs/tiny/score").stdout
    assert '"torch": "' in shown
    assert "rows.jsonl" in shown
    assert "channels: 2" in shown
    assert cli("runs", "show", "nowhere").exit_code == 6


def test_unknown_kinds_get_suggestions(cli: Cli) -> None:
    result = cli("describe", "space", "nasbench21")
    assert result.exit_code == 3
    assert "did you mean nasbench201" in result.stderr
