"""What is wrong with a declaration is told at its place, and at once, however hostile it is."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from eproxyctl import plugins
from eproxyctl.errors import Problem, SpecError
from eproxyctl.spec.loading import load_spec

REGISTRY = plugins.load_plugins(plugins.Sources(installed=False))
SPEC = "version: 1\ntask: {kind: images, source: {kind: photos}}\nproxy: {kind: eproxy}\nspace:\n  kind: declared\n"


def problems(tmp_path: Path, text: str) -> tuple[Problem, ...]:
    """Those of a spec with these lines of a space, from line 6."""
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC + text)
    with pytest.raises(SpecError) as failure:
        load_spec(path, REGISTRY)
    return failure.value.problems


WRONG = {
    "an unknown option": (
        "  stages:\n    - {block: mbconv, channels: 24, kernl: 3}\n",
        "7:37",
        "unknown key 'kernl' in a stage of mbconv",
        "kernel",
    ),
    "an unknown block": (
        "  stages:\n    - block: {choose: [mbconv, mbcnv]}\n",
        "7:32",
        "no block is called 'mbcnv'",
        "mbconv",
    ),
    "a value of a choice": (
        "  stages:\n    - {block: mbconv, channels: 24, kernel: {choose: [3, 4]}}\n",
        "7:58",
        "input should be",
        "",
    ),
    "a name that is not declared": (
        "  choices: {width: {choose: [8, 16]}}\n  stages:\n    - {block: conv, channels: {use: wdth}}\n",
        "8:37",
        "no shared choice is called 'wdth'",
        "width",
    ),
    "a shared value that does not fit": (
        "  choices: {size: {choose: [3, 4]}}\n  stages:\n    - {block: mbconv, kernel: {use: size}}\n",
        "8:31",
        "input should be",
        "",
    ),
    "a choice that nothing uses": (
        "  choices: {width: {choose: [8, 16]}}\n",
        "6:20",
        "nothing uses 'width'",
        "",
    ),
    "a condition on nothing": (
        "  stages:\n    - {block: mbconv, kernel: {choose: [3, 5], when: {expnsion: 3}, each: block}, expansion: 3}\n",
        "7:65",
        "nothing here is called 'expnsion'",
        "expansion",
    ),
    "a rule on nothing": (
        "  limits:\n    rules: [stage1.chanels <= 3]\n",
        "7:13",
        "no choice is called 'stage1.chanels'",
        "stage1.channels",
    ),
    "a mapping that is no choice": (
        "  stages:\n    - {block: mbconv, kernel: {chose: [3, 5]}}\n",
        "7:31",
        "a choice is {choose",
        "",
    ),
    "an option that no block has": ("  defaults: {activatoin: relu}\n", "6:14", "no block of this space", "activation"),
    "a head without such a field": ("  head: {chanels: 8}\n", "6:10", "unknown key 'chanels' in the head", "channels"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_problem_is_told_at_its_place(name: str, tmp_path: Path) -> None:
    text, where, message, hint = WRONG[name]
    found = problems(tmp_path, text)
    assert [problem.where.split("spec.yaml:")[1] for problem in found] == [where]
    assert message in found[0].message
    assert hint in found[0].hint


HOSTILE = {
    "deep": ("  stages:\n    - {block: conv, depth: 1000000}\n", 7),
    "many blocks": ("  stages:\n" + "    - {block: conv, depth: 256}\n" * 8, 10),
    "many stages": ("  stages:\n" + "    - {block: conv}\n" * 400, 7),
    "many choices": (
        "  stages:\n" + "    - {block: conv, depth: 200, kernel: {choose: [1, 3]}, each: block}\n" * 6,
        12,
    ),
    "wide": ("  stages:\n    - {block: conv, channels: 1000000000}\n", 7),
    "wide by a factor": (
        "  choices: {w: {choose: [60000]}}\n  stages:\n    - {block: conv, channels: {use: w, times: 60000}}\n",
        8,
    ),
    "a long range": ("  stages:\n    - {block: conv, channels: {from: 1, to: 1000000000}}\n", 7),
    "a fine range": ("  stages:\n    - {block: mbconv, expansion: {from: 1, to: 2, step: 0.0000001}}\n", 7),
    "infinite": ("  stages:\n    - {block: mbconv, expansion: {from: 1, to: .inf}}\n", 7),
    "a circle": (
        "  choices:\n"
        "    a: {choose: [1, 2], when: {b: 1}, otherwise: 1}\n    b: {choose: [1, 2], when: {a: 1}, otherwise: 1}\n"
        "  stages:\n    - {block: conv, depth: {use: a}, stride: {use: b}}\n",
        7,
    ),
    "a circle of one": ("  stages:\n    - {block: mbconv, kernel: {choose: [3, 5], when: {kernel: 3}}}\n", 7),
    "a use of itself": ("  choices: {a: {use: a}}\n  stages:\n    - {block: conv, depth: {use: a}}\n", 6),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_declaration_is_refused_at_its_line_in_under_a_second(name: str, tmp_path: Path) -> None:
    text, line = HOSTILE[name]
    before = time.process_time()
    found = problems(tmp_path, text)
    assert time.process_time() - before < 1
    assert found[0].where.split("spec.yaml:")[1].startswith(f"{line}:")


def test_all_problems_of_several_stages_are_told_at_once(tmp_path: Path) -> None:
    found = problems(tmp_path, "  stages:\n    - {block: mbconv, kernl: 3}\n    - {block: conf}\n  head: {pol: mean}\n")
    assert [problem.where.split("spec.yaml:")[1].split(":")[0] for problem in found] == ["7", "8", "9"]
