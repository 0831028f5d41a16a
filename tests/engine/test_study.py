"""Discrete studies: distinct points, equal after a kill, ended when nothing is left."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from eproxyctl.engine.samplers import SAMPLERS
from eproxyctl.engine.study import DiscreteStudy, Finished, journal, masked, shared
from eproxyctl.errors import RunError

PARAMETERS = {"a": tuple(range(40)), "b": tuple(range(40)), "c": ("x", "y"), "idle": (1, 2, 3)}


class Killed(BaseException):
    """Stands for a process that ends at once."""


def encode(choices: Mapping[str, object]) -> str:
    return f"{choices['a']}-{choices['b']}-{choices['c']}"


def value(point: str) -> float:
    return hashlib.sha256(point.encode()).digest()[0] / 255


def study(
    path: Path, sampler: str, seed: int = 0, parameters: Mapping[str, tuple[object, ...]] = PARAMETERS
) -> DiscreteStudy:
    return DiscreteStudy(journal(path), "s", parameters, sampler, seed, encode)  # type: ignore[arg-type]


def facts(found: list[Finished]) -> list[tuple[str, float]]:
    return [(f.point, f.value) for f in found]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_an_interrupted_study_equals_an_uninterrupted_one(tmp_path: Path, sampler: str) -> None:
    whole = study(tmp_path / "whole", sampler)
    list(whole.run(60, value))
    points = [f.point for f in whole.finished()]
    assert len(points) == len(set(points)) == 60
    for stop in (3, 17, 44, 58):
        seen = 0

        def dies(point: str, stop: int = stop) -> float:
            nonlocal seen
            seen += 1
            if seen == 5:
                raise Killed
            return value(point)

        with pytest.raises(Killed):
            list(study(tmp_path / "parts", sampler).run(60, dies))
        with (tmp_path / "parts").open("a") as stream:
            stream.write('{"op_code": 4, "half a li')
        (tmp_path / "parts.lock").symlink_to("nowhere")
    parts = study(tmp_path / "parts", sampler)
    list(parts.run(60, value))
    assert facts(parts.finished()) == facts(whole.finished())


def test_the_total_counts_and_seeds_differ(tmp_path: Path) -> None:
    first = study(tmp_path / "a", "random")
    assert len(list(first.run(5, value))) == 5
    assert len(list(first.run(8, value))) == 3
    assert len(list(first.run(8, value))) == 0
    other = study(tmp_path / "b", "random", seed=1)
    list(other.run(8, value))
    assert facts(other.finished()) != facts(first.finished())


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_small_space_ends_as_exhausted(tmp_path: Path, sampler: str) -> None:
    few = {"a": (0, 1), "b": (0,), "c": ("x",), "idle": (1, 2, 3)}
    small = study(tmp_path / "a", sampler, parameters=few)
    assert sorted(f.point for f in small.run(50, value)) == ["0-0-x", "1-0-x"]
    assert list(small.run(50, value)) == []


def test_evolution_finds_better_points_than_chance(tmp_path: Path) -> None:
    wide = {**PARAMETERS, **{f"g{i}": (0, 1) for i in range(12)}}

    def ones(choices: Mapping[str, object]) -> str:
        return "".join(str(choices[f"g{i}"]) for i in range(12))

    best = {}
    for sampler in ("evolution", "random"):
        s = DiscreteStudy(journal(tmp_path / sampler), "s", wide, sampler, 0, ones)
        best[sampler] = max(f.value for f in s.run(100, lambda point: point.count("1")))
    assert best["evolution"] > best["random"]


def test_sqlite_and_a_password_that_is_never_shown(tmp_path: Path) -> None:
    s = DiscreteStudy(shared(f"sqlite:///{tmp_path}/s.db"), "s", PARAMETERS, "random", 0, encode)
    assert len(list(s.run(4, value))) == 4
    url = "postgresql+psycopg://me:secret@127.0.0.1:1/x"
    assert "secret" not in masked(url)
    with pytest.raises(RunError) as caught:
        shared(url)
    assert "secret" not in caught.value.message
