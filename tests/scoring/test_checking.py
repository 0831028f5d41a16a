"""What `validate` says of a spec's data: nothing is built, and every fault is named at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from conftest import Cli


def test_a_spec_whose_data_are_there_is_valid(table: Path, cli: Cli) -> None:
    result = cli("validate", table)
    assert (result.exit_code, result.stderr) == (0, f"{table}: valid\n")


def test_every_fault_of_the_data_is_named_at_once(table: Path, cli: Cli) -> None:
    text = table.read_text().replace("{kind: photos}", "{kind: folder, path: nowhere}")
    text = text.replace("{sample: 6}", "{keys: ['no architecture']}")
    (table.parent / "table.csv").write_text("key,accuracy\nno key,1\n")
    table.write_text(text.replace("{path: table.csv}", "{path: table.csv}\n  baselines: {early: {path: none.csv}}"))
    result = cli("validate", table)
    assert result.exit_code == 3
    assert "tiny.yaml:10:32: task.source.path: there is no file or folder " in result.stderr
    assert "task.baselines.early.path: there is no file or folder " in result.stderr
    assert "1 architecture(s) are none of the space 'nasbench201'" in result.stderr
    assert "table.csv" in result.stderr
    assert "valid" not in result.stderr
    assert cli("validate", table, "--no-data").exit_code == 0


def test_data_alone_at_fault_end_with_their_code(table: Path, cli: Cli) -> None:
    (table.parent / "table.csv").write_text("key,accuracy\nno key,1\n")
    assert cli("validate", table).exit_code == 5


def test_too_few_labels_are_said(table: Path, cli: Cli) -> None:
    result = cli("validate", table, "--set", "dps.architectures=90")
    assert result.exit_code == 0
    assert "dps.architectures is 90, and the metric table has " in result.stderr


def test_checking_a_table_needs_no_torch(table: Path) -> None:
    text = (
        "import sys; from eproxyctl.scoring.checking import check_data; from eproxyctl.spec.request import requested\n"
        f"print(check_data(requested({str(table)!r})).errors, {{'torch', 'optuna', 'sklearn'}} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout == "() set()\n"


def test_a_plugin_space_without_canonical_and_traits_is_told_what_it_loses(tiny: Path, cli: Cli) -> None:
    plugin = tiny.parent / "plugins"
    plugin.mkdir()
    source = Path(__file__).parents[2] / "plugins" / "plain.py"
    kept = source.read_text().replace("def canonical(", "def former_canonical(").replace("def traits(", "def former(")
    (plugin / "plain.py").write_text(kept)
    tiny.write_text(tiny.read_text().replace("kind: nasbench201\n  channels: 2\n  cells: 1", "kind: plain"))
    result = cli("validate", tiny)
    assert result.exit_code == 0
    assert result.stderr.count("space 'plain' has ") == 2
