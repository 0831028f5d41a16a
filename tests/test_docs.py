"""The README is one page whose commands exist, and no link in it or in docs/ leads nowhere."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from eproxyctl.cli import app

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
LINK = re.compile(r"\]\(([^)\s]+)\)")
GENERATED = {f"docs/reference/{name}.md" for name in ("commands", "spec", "spaces", "tasks", "proxies", "blocks")}


def commands() -> Iterator[list[str]]:
    """The words of each `eproxyctl …` line of the README's shell blocks."""
    for block in re.findall(r"```sh\n(.*?)```", README.read_text("utf-8"), re.DOTALL):
        for line in block.splitlines():
            for part in line.split("&&"):
                words = shlex.split(part, comments=True)
                if words and words[0].rsplit("/", 1)[-1] == "eproxyctl":
                    yield words[1:]


def test_the_readme_is_one_page_with_its_two_commands() -> None:
    text = README.read_text("utf-8")
    assert len(text.splitlines()) <= 150
    for marker in ("<!-- quickstart -->\n```sh\n", "<!-- tests -->\n```sh\n"):
        assert text.count(marker) == 1


@pytest.mark.parametrize("page", [README, *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name)
def test_relative_links_lead_to_files(page: Path) -> None:
    targets = [link.partition("#")[0] for link in LINK.findall(page.read_text("utf-8")) if "://" not in link]
    paths = [(page.parent / target).resolve() for target in targets if target]
    missing = [p for p in paths if not p.exists() and str(p.relative_to(ROOT)) not in GENERATED]
    assert not missing


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_commands_of_the_readme_exist_with_their_flags(words: list[str]) -> None:
    top: Any = typer.main.get_command(app)
    found = top
    while words and words[0] in getattr(found, "commands", {}):
        found, words = found.commands[words[0]], words[1:]
    flags = {name for parameter in found.params for name in parameter.opts}
    used = [word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)]
    assert found is not top
    assert [flag for flag in used if flag not in flags] == []
    assert not (getattr(found, "commands", None) and words)
