"""Which architectures a spec asks for."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eproxyctl.contracts import Space
from eproxyctl.errors import DataError, InvalidArchitecture, Problem, SpecError
from eproxyctl.scoring.plan import Plan
from eproxyctl.spec.loading import Loaded

DEFAULT_SAMPLE = 100
EXHAUSTIVE = "every architecture of this space cannot be listed"


def architectures(plan: Plan) -> list[str]:
    """The keys a spec asks for, in its order, each once.

    Raises:
        SpecError: one that is none, with its place; more than there are.
        DataError: a table is needed and there is none.
    """
    wanted, space, seed = plan.spec.space.architectures, plan.space, plan.spec.seed
    named = listed_keys(plan.loaded, space)
    if named is not None:
        keys = named
    elif wanted.table:
        if plan.table is None:
            raise DataError(
                "architectures: {table: true}, but the task has no metric table", hint="set task.table.path"
            )
        keys = list(plan.table.metric)
        if wanted.sample:
            _enough(wanted.sample, len(keys), "the table")
            order = random.Random(f"table {seed}")
            keys = order.sample(keys, len(keys))[: wanted.sample]
    else:
        size = space.size()
        count = wanted.sample or min(DEFAULT_SAMPLE, size or DEFAULT_SAMPLE)
        keys = list(itertools.islice(space.sample(seed), count))
        _enough(count, len(keys), "the space")
    return list(dict.fromkeys(keys))


def known_share(plan: Plan, keys: Sequence[str]) -> str:
    """What to say where the metric table lacks architectures that are scored; empty where it has all, or there is none.

    Correlations are of those that it has, so a person should know that they may be few.
    """
    if plan.table is None or (lacking := sum(key not in plan.table.metric for key in keys)) == 0:
        return ""
    hint = f"; architectures: {{table: true, sample: {min(len(keys), len(plan.table.metric))}}} takes them from it"
    if lacking == len(keys):
        return f"none of the {len(keys)} architectures is in the metric table, so there are no correlations{hint}"
    known = len(keys) - lacking
    return f"the metric table has {known} of the {len(keys)} architectures: correlations are of those{hint}"


def listed_keys(loaded: Loaded, space: Space) -> list[str] | None:
    """The keys that a spec lists: its own, a file's, or all of the space; None where it draws them.

    Raises:
        SpecError: one that is none, with its place; a space that cannot be listed.
    """
    wanted = loaded.spec.space.architectures
    if wanted.keys is not None:
        places = (loaded.origin(["space", "architectures", "keys", i]) for i in range(len(wanted.keys)))
        return _parsed(space, list(zip(places, wanted.keys, strict=True)))
    if wanted.file is not None:
        return _parsed(space, _lines(Path(wanted.file)))
    if not wanted.all:
        return None
    every = space.keys()
    if every is None:
        raise SpecError(EXHAUSTIVE, hint="use architectures: {sample: 100}")
    return list(every)


def _enough(wanted: int, there: int, where: str) -> None:
    if wanted > there:
        raise SpecError(f"architectures: {{sample: {wanted}}}, but {where} has {there}", hint=f"sample: {there}")


def _lines(path: Path) -> list[tuple[str, Any]]:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the list of architectures {path}: {error}") from None
    numbered = [(f"{path}:{n}:1", line.strip()) for n, line in enumerate(text.splitlines(), start=1)]
    return [(where, line) for where, line in numbered if line and not line.startswith("#")]


def _parsed(space: Space, notations: list[tuple[str, Any]]) -> list[str]:
    keys, problems = [], []
    for where, notation in notations:
        try:
            keys.append(space.parse(notation))
        except InvalidArchitecture as error:
            problems.append(Problem(where, error.message, error.hint))
    if problems:
        raise SpecError(f"{len(problems)} architecture(s) are none of the space '{space.kind}'", problems=problems)
    if not keys:
        raise SpecError("the list of architectures is empty")
    return keys
