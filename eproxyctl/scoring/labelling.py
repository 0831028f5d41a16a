"""Which architectures to label: that is, to train for `benchmark`, or to take from the metric table for `dps`."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eproxyctl import fewshot
from eproxyctl.contracts import Learner, Space
from eproxyctl.errors import DataError, UsageError
from eproxyctl.scoring.plan import Plan
from eproxyctl.scoring.settings import within
from eproxyctl.scoring.statistics import training_keys

ADD_TABLE = """add three lines under `task:` in the spec:
    table:
      path: table.csv        # columns: key, accuracy
      metric: accuracy"""


def pick_spread(space: Space, keys: Sequence[str], n: int, seed: int) -> list[str]:
    """Architectures that differ in function, spread over the traits of their space: see `fewshot.pick`.

    Args:
        space: whose traits are read from the keys; nothing is built.
        keys: to choose from; of those equal in function the first is taken.
        n: how many; fewer come back where fewer differ in function.
        seed: of the first; the others follow, so that n are a prefix of more than n.

    Raises:
        UsageError: the space has no traits.
    """
    first: dict[str, str] = {}
    for key in keys:
        first.setdefault(space.canonical(key), key)
    distinct = list(first.values())
    traits = [space.traits(key) for key in distinct]
    if traits and not traits[0]:
        raise UsageError(f"space '{space.kind}' has no traits to spread a choice over", hint="pick: random")
    if not traits:
        return []
    features = {name: np.array([each[name] for each in traits], dtype=np.float64) for name in traits[0]}
    return [distinct[i] for i in fewshot.pick(features, min(n, len(distinct)), seed)]


@dataclass(frozen=True)
class Split:
    """Architectures of the table: those the proxy is tuned on, and others to check it on.

    Attributes:
        training, held_out: keys; no held-out one is equal in function to a training one, or to one that the proxy of
            the spec, or a member of it, was tuned on before.
        equal: how many were left out of the held-out ones because they are.
    """

    training: tuple[str, ...]
    held_out: tuple[str, ...]
    equal: int


def split_table(plan: Plan) -> Split:
    """Draw from the table with the spec's seed.

    Raises:
        DataError: no table, or one that is too small.
    """
    for member in within(plan.proxy, plan.registry):
        if member is not plan.proxy and isinstance(member, Learner):
            member.ready()
    if plan.table is None:
        raise DataError("dps needs the metric of some architectures, and the task has no metric table", hint=ADD_TABLE)
    wanted, options = plan.spec.dps.architectures, plan.spec.dps
    keys = sorted(plan.table.metric)
    random.Random(f"dps {plan.spec.seed}").shuffle(keys)
    names = {key: plan.space.canonical(key) for key in keys}
    chosen = pick_spread(plan.space, keys, wanted, plan.spec.seed) if options.pick == "spread" else keys
    training: dict[str, str] = {}
    for key in chosen:
        if len(training) < wanted:
            training.setdefault(names[key], key)
    if len(training) < wanted:
        raise DataError(
            f"dps.architectures is {wanted}, and the table has {len(training)} that differ in function",
            hint=f"dps.architectures: {max(3, len(training) // 2)}",
        )
    known = training.keys() | training_keys(plan)
    others = [key for key in keys if names[key] not in known]
    held_out = tuple(others[: options.held_out])
    equal = len(keys) - len(others) - len(training)
    return Split(tuple(training.values()), held_out, equal)
