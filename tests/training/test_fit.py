"""Real training: it learns, gives the same weights for the same seed, stops early and on time, says when it fails."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eproxyctl.contracts import Examples, Seed
from eproxyctl.errors import DataError
from eproxyctl.networks.augment import crop, flip
from eproxyctl.networks.size import materialise
from eproxyctl.spaces.nasbench201 import NasBench201Space
from eproxyctl.spec.models import TrainOptions
from eproxyctl.tasks.images import ImagesTask
from eproxyctl.tasks.splits import split
from eproxyctl.training.fit import Trained, train_network

TASK = ImagesTask(ImagesTask.Options.model_validate({"source": {"kind": "digits"}, "resolution": 8, "grey": True}))
SPACE = NasBench201Space(NasBench201Space.Options.model_validate({"channels": 4, "cells": 1}))


@cache
def examples() -> Examples:
    return TASK.examples(seed=0, validation=0.25, limit=200)


def trained(repeat: int = 0, **options: object) -> Trained:
    torch.set_num_threads(1)
    model = TASK.model(materialise(lambda: SPACE.build(SPACE.largest(), TASK.shape, TASK.outputs)))
    chosen = TrainOptions.model_validate({"batch_size": 20} | options)
    return train_network(model, TASK, examples(), chosen, Seed.of(0, "x", repeat), "cpu")


def test_it_learns_digits_and_reports_percent() -> None:
    found = trained(epochs=6)
    assert found.metric is not None
    assert 60 < found.metric <= 100
    assert found.epochs == 6


def test_the_same_seed_gives_the_same_weights_whatever_the_global_random_state() -> None:
    options = {"epochs": 2, "augment": ["flip", "crop"]}
    torch.manual_seed(1)
    one = trained(**options)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    two = trained(**options)
    assert torch.get_rng_state().equal(state)
    assert one.loss == two.loss
    assert all(two.weights[name].equal(value) for name, value in one.weights.items())
    assert trained(repeat=1, **options).loss != one.loss
    assert trained(epochs=2).loss != one.loss


def test_patience_stops_and_keeps_the_best_epoch() -> None:
    stopped, whole = trained(epochs=40, patience=1), trained(epochs=40, patience=40)
    assert stopped.epochs < whole.epochs == 40
    assert stopped.metric is not None
    assert whole.metric is not None
    assert stopped.metric <= whole.metric


def test_a_time_budget_ends_it() -> None:
    found = trained(epochs=100_000, seconds=1)
    assert 0 < found.epochs < 100_000
    assert found.metric is not None


def test_a_loss_that_is_not_finite_gives_no_metric() -> None:
    found = trained(epochs=20, learning_rate=1e30)
    assert (found.metric, found.loss) == (None, None)
    assert found.epochs < 20


def test_examples_are_disjoint_and_have_each_class_by_its_share() -> None:
    found = examples()
    assert found.inputs.dtype == torch.uint8
    assert not set(found.training.tolist()) & set(found.validation.tolist())
    assert (len(found.training), len(found.validation)) == (200, 449)
    for part in (found.training, found.validation):
        shares = torch.bincount(found.targets[part]) / len(part)
        assert (shares - 0.1).abs().max() < 0.02


@given(st.integers(2, 5), st.integers(2, 30), st.floats(0.05, 0.9), st.none() | st.integers(1, 40), st.integers(0))
@settings(max_examples=60)
def test_any_split_is_valid_or_explained(
    classes: int, each: int, validation: float, limit: int | None, seed: int
) -> None:
    labels = np.repeat(np.arange(classes), each)
    try:
        training, held = split(labels, seed, validation, limit)
    except DataError:
        return
    assert not set(training) & set(held)
    assert set(labels[training]) == set(labels[held]) == set(range(classes))
    assert len(training) <= (limit or len(labels))


@pytest.mark.parametrize(
    ("labels", "expected"),
    [([0] * 9, "all of one class"), ([0, 0, 0, 1], "class 'dog' has one image"), ([0, 1, 2], "3 classes have one")],
)
def test_classes_that_cannot_be_split(labels: list[int], expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        split(np.array(labels), 0, 0.25, None, ["cat", "dog", "cow"])


def test_augmentation_moves_and_mirrors_but_keeps_pixels() -> None:
    images = torch.arange(2 * 3 * 16 * 16.0).reshape(2, 3, 16, 16) + 1
    random = torch.Generator().manual_seed(0)
    mirrored = flip(images.repeat(50, 1, 1, 1), random)
    sames = [bool(image.equal(images[i % 2])) for i, image in enumerate(mirrored)]
    assert 20 < sum(sames) < 80
    for i, (same, image) in enumerate(zip(sames, mirrored, strict=True)):
        assert same or image.flip(-1).equal(images[i % 2])
    moved = crop(images, random)
    assert moved.shape == images.shape
    assert set(moved.unique().tolist()) <= {0.0, *images.unique().tolist()}
