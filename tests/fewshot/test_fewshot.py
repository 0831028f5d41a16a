"""The few-shot model: what it learns, what it must not, that it is data, and the choice of what to label."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from eproxyctl.errors import DataError, UsageError
from eproxyctl.fewshot import Choice, Mixture, fit, group, influences, pick
from eproxyctl.ranking import Floats, spearman

N = 160


def table(seed: int = 0) -> tuple[dict[str, Floats], Floats]:
    """Architectures whose metric falls with depth, rises with width, and 12 counts that say nothing."""
    draw = np.random.default_rng(seed)
    features: dict[str, Floats] = {
        "size.params": np.exp(draw.normal(size=N)),
        "depth": draw.integers(2, 9, N).astype(float),
        "width": draw.choice([16.0, 32.0, 64.0], N),
    }
    features |= {f"count.{i}": draw.integers(0, 4, N).astype(float) for i in range(12)}
    metric = np.log2(features["width"]) - 0.7 * features["depth"] + draw.normal(scale=0.5, size=N)
    return features, metric


def rows(features: dict[str, Floats], at: list[int]) -> dict[str, Floats]:
    return {name: values[at] for name, values in features.items()}


def held_out(features: dict[str, Floats], metric: Floats, labels: Floats, training: list[int]) -> float:
    rest = [i for i in range(N) if i not in training]
    model = fit(rows(features, training), labels, pool=features).model
    return spearman(model.predict(rows(features, rest)), metric[rest])


@pytest.fixture(scope="module")
def learned() -> tuple[dict[str, Floats], list[int], Choice]:
    features, metric = table()
    training = pick(features, 20, seed=1)
    return features, training, fit(rows(features, training), metric[training], pool=features)


def test_directions_are_learned() -> None:
    features, metric = table()
    training = list(range(20))
    up = held_out(features, metric, metric[training], training)
    down = held_out(features, metric, -metric[training], training)
    assert up > 0.6
    assert down == pytest.approx(-up, abs=1e-6)


def test_the_model_is_better_than_the_best_feature() -> None:
    features, metric = table()
    learned, single = [], []
    for seed in range(8):
        split = np.random.default_rng(seed).permutation(N)[:20].tolist()
        learned.append(held_out(features, metric, metric[split], split))
        rest = [i for i in range(N) if i not in split]
        best = max(features, key=lambda name: abs(spearman(features[name][split], metric[split])))
        single.append(abs(spearman(features[best][rest], metric[rest])))
    assert np.mean(learned) > np.mean(single) + 0.03


def test_permuted_labels_rank_nothing() -> None:
    features, metric = table()
    found = []
    for seed in range(24):
        draw = np.random.default_rng(seed)
        training = draw.permutation(N)[:20].tolist()
        found.append(held_out(features, metric, draw.permutation(metric[training]), training))
    assert abs(np.mean(found)) < 0.15


def test_one_feature_that_says_it_all_is_found() -> None:
    features, _ = table()
    training = list(range(20))
    assert held_out(features, -features["depth"], -features["depth"][training], training) > 0.9


def test_a_model_is_data_and_predicts_the_same_to_the_last_bit(
    learned: tuple[dict[str, Floats], list[int], Choice], tmp_path: Path
) -> None:
    features, _, choice = learned
    assert isinstance(choice.model, Mixture)
    path, safe = tmp_path / "model.yaml", YAML(typ="safe")
    safe.dump(choice.model_dump(mode="json"), path)
    again = Choice.model_validate_json(json.dumps(safe.load(path)))
    assert again == choice
    assert np.array_equal(again.model.predict(features), choice.model.predict(features))
    assert "!!" not in path.read_text()


def test_the_same_labels_give_the_same_bits(learned: tuple[dict[str, Floats], list[int], Choice]) -> None:
    features, training, choice = learned
    _, metric = table()
    assert fit(rows(features, training), metric[training], pool=features) == choice


def test_a_prediction_depends_on_its_architecture_only(learned: tuple[dict[str, Floats], list[int], Choice]) -> None:
    features, _, choice = learned
    every = choice.model.predict(features)
    assert [float(choice.model.predict(rows(features, [i]))[0]) for i in range(N)] == every.tolist()


def test_any_rising_change_of_features_and_metric_changes_nothing(
    learned: tuple[dict[str, Floats], list[int], Choice],
) -> None:
    features, training, choice = learned
    _, metric = table()
    bent = {name: np.exp(values / 3) for name, values in features.items()}
    other = fit(rows(bent, training), metric[training] ** 3, pool=bent)
    assert spearman(other.model.predict(bent), choice.model.predict(features)) > 0.999


def test_influences_name_what_matters(learned: tuple[dict[str, Floats], list[int], Choice]) -> None:
    features, _, choice = learned
    found = influences(choice.model, features)
    assert len(found) == len(features)
    assert [found[0].feature, found[0].direction < -0.5] == ["depth", True]
    by_name = {influence.feature: influence for influence in found}
    assert by_name["width"].direction > 0.2
    assert by_name["depth"].weight > by_name["width"].weight > by_name["count.3"].weight


def test_unknown_values_are_the_middle_and_missing_features_an_error(
    learned: tuple[dict[str, Floats], list[int], Choice],
) -> None:
    features, _, choice = learned
    holes = dict(features)
    holes["depth"] = np.where(np.arange(N) % 2, np.nan, features["depth"])
    assert np.isfinite(choice.model.predict(holes)).all()
    del holes["depth"]
    with pytest.raises(DataError, match="needs the feature 'depth'"):
        choice.model.predict(holes)


def test_what_cannot_be_learned_from_is_refused() -> None:
    features, metric = table()
    with pytest.raises(DataError, match="4 labels"):
        fit(rows(features, [0, 1, 2, 3]), metric[:4], pool=features)
    with pytest.raises(DataError, match="1 of them different"):
        fit(rows(features, list(range(9))), np.ones(9), pool=features)
    with pytest.raises(DataError, match="the same for all"):
        fit({"depth": np.ones(9)}, metric[:9])


# -------------------------------------------------------------------------------------------------------- priors


def another(metric: Floats, seed: int = 5) -> dict[str, Floats]:
    """Two other tasks of the same architectures, each like the metric but for noise."""
    draw = np.random.default_rng(seed)
    return {f"prior.{i}": metric + draw.normal(scale=1.0 + i, size=N) for i in range(2)}


def test_without_labels_the_mean_of_the_priors_ranks() -> None:
    features, metric = table()
    known = features | another(metric)
    model = fit({}, np.array([]), pool=known, priors=["prior.0", "prior.1"]).model
    assert spearman(model.predict(known), metric) > spearman(known["prior.1"], metric)
    assert spearman(model.predict(known), metric) > 0.7
    with pytest.raises(DataError, match="0 labels"):
        fit({}, np.array([]), pool=features)
    with pytest.raises(DataError, match=r"no values of the prior 'prior\.2'"):
        fit(rows(known, [0, 1]), metric[:2], pool=known, priors=["prior.2"])


@pytest.mark.parametrize(("labels", "least", "most"), [(5, 0.05, 0.15), (20, 0.0, 0.02)])
def test_priors_help_and_shuffled_ones_hardly_hurt(labels: int, least: float, most: float) -> None:
    features, metric = table()
    given = another(metric)
    found: dict[str, list[float]] = {"alone": [], "priors": [], "shuffled": []}
    for seed in range(8):
        order = np.random.default_rng(seed).permutation(N)
        training, rest = order[:labels].tolist(), order[labels:].tolist()
        mixed = np.random.default_rng(seed + 100).permutation(N)
        for name, extra in {"alone": {}, "priors": given, "shuffled": {p: v[mixed] for p, v in given.items()}}.items():
            known = features | extra
            model = fit(rows(known, training), metric[training], pool=known, priors=list(extra)).model
            found[name].append(spearman(model.predict(rows(known, rest)), metric[rest]))
    mean = {name: np.mean(values) for name, values in found.items()}
    assert mean["priors"] > mean["alone"] + least, mean
    assert mean["shuffled"] > mean["alone"] - most, mean


def test_priors_of_other_tasks_are_no_coordinates_and_others_are() -> None:
    features, metric = table()
    known = features | another(metric)
    model = fit(rows(known, list(range(20))), metric[:20], pool=known, priors=["prior.0", "size.params"]).model
    assert isinstance(model, Mixture)
    assert {scale.name for scale in model.scales} == {*features, "prior.1"}
    assert {scale.name for scale in model.priors} == {"prior.0", "size.params"}
    assert {influence.feature for influence in influences(model, known)} == {*features, "prior.0", "prior.1"}


def test_the_uncertainty_is_least_at_labels_and_tells_large_errors(
    learned: tuple[dict[str, Floats], list[int], Choice],
) -> None:
    features, training, choice = learned
    assert isinstance(choice.model, Mixture)
    std = choice.model.std(features)
    rest = [i for i in range(N) if i not in training]
    assert (std > 0).all()
    assert std[training].mean() < 0.8 * std[rest].mean()


# ------------------------------------------------------------------------------------------- files of earlier versions

FORMER = """
name: model
reason: it ranks labels left out best
validated: {model: 0.5}
model:
  method: gaussian process
  scales:
    - {name: depth, values: [0, 1, 2], scores: [-1.5, 0, 1.5]}
    - {name: size.params, values: [1, 5], scores: [-1, 1]}
  rows: [[-1.5, 1], [1.5, -1]]
  members:
    - {emphasis: size, share: 1, noise: 0.2, coefficients: [0.5, -0.25]}
"""


def test_a_model_of_an_earlier_version_predicts_as_before() -> None:
    choice = Choice.model_validate(YAML(typ="safe").load(FORMER))
    points = {"depth": np.array([0.0, 2.0]), "size.params": np.array([5.0, 1.0])}
    apart = np.exp(-0.5 * (0.2 * 9 + 0.8 * 4))
    assert choice.model.predict(points) == pytest.approx([0.5 - 0.25 * apart, 0.5 * apart - 0.25])
    single = {"method": "ensemble", "scales": [{"name": "depth", "values": [0, 2], "scores": [-1, 1]}], "weights": [-1]}
    other = Choice.model_validate({"name": "best single", "reason": "", "validated": {}, "model": single})
    assert other.model.predict(points).tolist() == [1, -1]


def test_groups() -> None:
    assert [group(name) for name in ("depth", "size.params", "a.b.c")] == ["", "size", "a.b"]


# ---------------------------------------------------------------------------------------------------------- pick


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, N), fewer=st.integers(1, N))
@settings(max_examples=25, deadline=None)
def test_a_pick_is_distinct_and_a_prefix_of_a_longer_one(seed: int, n: int, fewer: int) -> None:
    features, _ = table()
    picked = pick(features, n, seed)
    assert len(set(picked)) == n
    assert pick(features, min(n, fewer), seed) == picked[: min(n, fewer)]


def test_a_pick_is_spread() -> None:
    features: dict[str, Floats] = {"x": np.repeat([0.0, 1.0, 2.0], [50, 3, 2])}
    for seed in range(5):
        assert set(features["x"][pick(features, 3, seed)]) == {0, 1, 2}


def test_architectures_that_are_all_alike_can_be_picked_too() -> None:
    assert sorted(pick({"x": np.ones(4)}, 4)) == [0, 1, 2, 3]


@pytest.mark.parametrize("n", [0, N + 1])
def test_too_many_cannot_be_picked(n: int) -> None:
    with pytest.raises(UsageError, match=f"cannot pick {n} of {N}"):
        pick(table()[0], n)
