"""The specs that come with the project: valid without any data, and headed by what they are and how they run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import Cli

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "specs").rglob("*.yaml"))
SPECS = [str(path.relative_to(ROOT)) for path in FILES if "\nversion:" in path.read_text("utf-8")]
"""The others are sections that specs refer to."""


@pytest.mark.parametrize("spec", SPECS)
def test_a_spec_is_valid_without_data(spec: str, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("EPROXYCTL_DATA", raising=False)
    result = cli("validate", spec, "--plugins", "plugins", "--no-data")
    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize("spec", SPECS)
def test_a_spec_opens_with_what_it_is_how_to_run_it_and_what_to_expect(spec: str) -> None:
    header = re.match(r"(#.*\n)+", (ROOT / spec).read_text("utf-8"))
    assert header
    assert re.search(rf"^# Run: +eproxyctl \w+ {spec}\b", header[0], re.MULTILINE)
    assert re.search(r"^# Expect: \S", header[0], re.MULTILINE)
    assert re.search(r"^# Needs: +--data DIR with \S", header[0], re.MULTILINE) or "--data" not in header[0]


def test_there_is_a_spec_for_every_space_of_the_paper() -> None:
    text = "".join((ROOT / spec).read_text("utf-8") for spec in SPECS if "paper" in spec)
    kinds = (
        "nasbench201",
        "nasbench101",
        "nds-cells",
        "nds-residual",
        "transnasbench101",
        "nasbench-mr",
        "nasbench-nlp",
    )
    assert not [kind for kind in kinds if f"kind: {kind}\n" not in text]
