"""Discrete studies: distinct points, equal after a kill, ended when nothing is left."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState

from eproxyctl.contracts import Goal
from eproxyctl.studies.samplers import SAMPLERS, NoneAdmitted, Seeded
from eproxyctl.studies.storage import _Lines, journal
from eproxyctl.studies.study import Asked, DiscreteStudy, Finished, Terms

PARAMETERS = {"a": tuple(range(40)), "b": tuple(range(40)), "c": ("x", "y"), "idle": (1, 2, 3)}


class Killed(BaseException):
    """Stands for a process that ends at once."""


def encode(choices: Mapping[str, object]) -> str:
    return f"{choices['a']}-{choices['b']}-{choices['c']}"


def value(point: str) -> float:
    return hashlib.sha256(point.encode()).digest()[0] / 255


def values(asked: Sequence[Asked]) -> list[tuple[float, ...]]:
    return [(value(one.point),) for one in asked]


def two(asked: Sequence[Asked]) -> list[tuple[float, ...]]:
    """A second objective, to be made small; and one point in nine that diverged."""
    return [(-math.inf if value(one.point) < 1 / 9 else value(one.point), float(len(one.point))) for one in asked]


def study(
    path: Path,
    sampler: str,
    seed: int = 0,
    parameters: Mapping[str, tuple[object, ...]] = PARAMETERS,
    batch: int = 1,
) -> DiscreteStudy:
    goals: tuple[Goal, ...] = ("maximize", "minimize") if sampler == "nsga2" else ("maximize",)
    return DiscreteStudy(journal(path), Terms("s", parameters, sampler, seed, encode, batch=batch, goals=goals))  # type: ignore[arg-type]


def judge(sampler: str) -> Callable[[Sequence[Asked]], list[tuple[float, ...]]]:
    return two if sampler == "nsga2" else values


def facts(found: list[Finished]) -> list[tuple[str, float]]:
    return [(f.point, f.value) for f in found]


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_an_interrupted_study_equals_an_uninterrupted_one(
    tmp_path: Path, sampler: str, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = study(tmp_path / "whole", sampler, batch=batch)
    list(whole.run(60, judge(sampler)))
    points = [f.point for f in whole.finished()]
    assert len(points) == len(set(points)) == 60
    for writes in (2, 9, 30, 31, 58, 120):
        with monkeypatch.context() as patch:
            dying = study(tmp_path / "parts", sampler, batch=batch)
            patch.setattr(_Lines, "append_logs", _dies_after(writes))
            with pytest.raises(Killed):
                list(dying.run(60, judge(sampler)))
        with (tmp_path / "parts").open("a") as stream:
            stream.write('{"op_code": 4, "half a li')
    parts = study(tmp_path / "parts", sampler, batch=batch)
    list(parts.run(37, judge(sampler)))
    list(parts.run(60, judge(sampler)))
    assert parts.finished() == whole.finished()


def _dies_after(writes: int) -> Callable[[_Lines, list[dict[str, object]]], None]:
    append, left = _Lines.append_logs, iter(range(writes))

    def dies(journal: _Lines, logs: list[dict[str, object]]) -> None:
        if next(left, None) is None:
            raise Killed
        append(journal, logs)

    return dies


def test_the_order_of_evaluation_inside_a_batch_changes_nothing(tmp_path: Path) -> None:
    found = []
    for order in (1, -1):
        one = study(tmp_path / str(order), "evolution", batch=7)

        def evaluate(asked: Sequence[Asked], order: int = order) -> list[tuple[float, ...]]:
            known = {a.point: (value(a.point),) for a in asked[::order]}
            return [known[a.point] for a in asked]

        list(one.run(80, evaluate))
        found.append(one.finished())
    assert found[0] == found[1]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_what_is_not_admitted_costs_nothing(tmp_path: Path, sampler: str) -> None:
    goals: tuple[Goal, ...] = ("maximize", "minimize") if sampler == "nsga2" else ("maximize",)
    found = []
    for folder in ("a", "b"):
        s = DiscreteStudy(
            journal(tmp_path / folder),
            Terms(
                "s",
                PARAMETERS,
                sampler,
                0,
                encode,
                admits=lambda choices: int(choices["a"]) % 2 == 1,
                batch=3,
                goals=goals,
            ),
        )
        list(s.run(50, judge(sampler)))
        found.append(s.finished())
    assert len(found[0]) == 50
    assert all(int(f.choices["a"]) % 2 for f in found[0])
    assert found[0] == found[1]


def test_a_study_that_admits_nothing_ends(tmp_path: Path) -> None:
    none = DiscreteStudy(
        journal(tmp_path / "b"), Terms("s", PARAMETERS, "random", 0, encode, admits=lambda choices: False)
    )
    assert list(none.run(20, values)) == []
    assert list(none.run(20, values)) == []


def test_a_point_queued_again_is_given_out_though_nothing_new_is_admitted() -> None:
    """As the point of a process that died is, once the living have seen all that the limits admit."""
    space = {name: CategoricalDistribution(options) for name, options in PARAMETERS.items()}
    point = {name: options[0] for name, options in PARAMETERS.items()}
    study = optuna.create_study(sampler=Seeded(SAMPLERS["random"], 0, space, admits=lambda choices: False))
    study.add_trial(optuna.trial.create_trial(state=TrialState.WAITING, params=point, distributions=space))
    assert study.ask(space).params == point
    with pytest.raises(NoneAdmitted):
        study.ask(space)


def test_the_total_counts_and_seeds_differ(tmp_path: Path) -> None:
    first = study(tmp_path / "a", "random")
    assert len(list(first.run(5, values))) == 5
    assert len(list(first.run(8, values))) == 3
    assert len(list(first.run(8, values))) == 0
    other = study(tmp_path / "b", "random", seed=1)
    list(other.run(8, values))
    assert facts(other.finished()) != facts(first.finished())


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_small_space_ends_as_exhausted(tmp_path: Path, sampler: str) -> None:
    few = {"a": (0, 1), "b": (0,), "c": ("x",), "idle": (1, 2, 3)}
    small = study(tmp_path / "a", sampler, parameters=few)
    assert sorted(f.point for f in small.run(50, judge(sampler))) == ["0-0-x", "1-0-x"]
    assert list(small.run(50, judge(sampler))) == []


def test_evolution_finds_better_points_than_chance(tmp_path: Path) -> None:
    wide = {**PARAMETERS, **{f"g{i}": (0, 1) for i in range(12)}}

    def ones(choices: Mapping[str, object]) -> str:
        return "".join(str(choices[f"g{i}"]) for i in range(12))

    best = {}
    for sampler in ("evolution", "random"):
        s = DiscreteStudy(journal(tmp_path / sampler), Terms("s", wide, sampler, 0, ones))
        best[sampler] = max(f.value for f in s.run(100, lambda asked: [(float(a.point.count("1")),) for a in asked]))
    assert best["evolution"] > best["random"]
