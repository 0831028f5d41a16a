"""Architectures that compute the same function are scored once, and get the rows they would have got alone."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from pathlib import Path

import pytest
from conftest import Cli

from eproxyctl.contracts import Score
from eproxyctl.proxies.eproxy import EproxyProxy
from eproxyctl.spaces.nasbench201 import NasBench201Space

SPACE = NasBench201Space(NasBench201Space.Options.model_validate({}))
MIXED = "proxy.readout={alpha: 0.5}"


def groups() -> list[list[str]]:
    found = defaultdict(list)
    for key in itertools.islice(SPACE.sample(0), 600):
        found[SPACE.canonical(key)].append(key)
    return [keys for keys in found.values() if len(keys) > 2][:3]


KEYS = [key for keys in zip(*(group[:3] for group in groups()), strict=True) for key in keys]
"""Nine, of three functions in turn."""


def keys(*chosen: str) -> str:
    return f"space.architectures={json.dumps({'keys': chosen})}"


def rows(folder: str) -> list[str]:
    return Path(folder, "rows.jsonl").read_text().splitlines()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with each network that Eproxy trains."""
    counted: list[int] = []
    original = EproxyProxy.score

    def score(self: EproxyProxy, *args: object) -> Score:
        counted.append(1)
        return original(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(EproxyProxy, "score", score)
    return counted


@pytest.mark.parametrize("workers", [0, 2])
def test_rows_are_those_of_each_alone(tiny: Path, cli: Cli, workers: int) -> None:
    assert cli("score", tiny, "--set", keys(*KEYS), "--set", MIXED, "--run", "all", "--workers", workers).exit_code == 0
    for i, key in enumerate(KEYS):
        cli("score", tiny, "--set", keys(key), "--set", MIXED, "--run", f"alone{i}")
    assert rows("all") == [rows(f"alone{i}")[0] for i in range(len(KEYS))]
    found = [json.loads(row) for row in rows("all")]
    assert len({row["canonical"] for row in found}) == 3
    assert len({json.dumps(row["traces"]) for row in found}) == 3
    assert len({row["score"] for row in found}) > 3  # the cost mix is each one's own


def test_each_function_is_trained_once_and_never_again(tiny: Path, cli: Cli, calls: list[int]) -> None:
    cli("score", tiny, "--set", keys(KEYS[0]), "--run", "run")
    assert len(calls) == 1
    cli("score", tiny, "--set", keys(*KEYS), "--run", "run")
    assert len(calls) == 3
    cli("score", tiny, "--set", keys(*KEYS), "--run", "run")
    assert len(calls) == 3
    assert [json.loads(row)["key"] for row in rows("run")] == KEYS


def test_several_proxies_share_what_they_can(tiny: Path, cli: Cli, calls: list[int]) -> None:
    several = 'proxy=[{"kind": "eproxy", "iterations": 1}, {"kind": "macs", "label": "size"}, {"kind": "naswot"}]'
    assert cli("score", tiny, "--set", keys(*KEYS), "--set", several, "--run", "run").exit_code == 0
    assert len(calls) == 3
    found = [json.loads(row) for row in rows("run")]
    assert len(found) == 3 * len(KEYS)
    assert all(row["score"] == row["macs"] for row in found if row["proxy"] == "macs")


def test_what_failed_is_not_shared(tiny: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    original = EproxyProxy.score
    failures = iter([True])

    def score(self: EproxyProxy, *args: object) -> Score:
        if next(failures, False):
            raise RuntimeError("unlucky")
        return original(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(EproxyProxy, "score", score)
    assert cli("score", tiny, "--set", keys(*KEYS), "--run", "run").exit_code == 1
    assert [json.loads(row)["status"] for row in rows("run")] == ["failed", *["ok"] * 8]
