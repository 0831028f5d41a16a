"""One architecture's row: what was found, or why nothing was."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from eproxyctl.contracts import Trace

Status = Literal["ok", "diverged", "failed"]


@dataclass(frozen=True)
class Row:
    """The outcome for one architecture.

    Attributes:
        key, canonical: of the architecture.
        status: `ok`; `diverged`, a result that ranks last; `failed`, with cause and hint.
        score: the proxy's value, the mean over repeats; None unless ok.
        spread: standard deviation over repeats; None with one.
        params, macs: of the full network; None where it could not be built.
        traces: [repeats] losses [iterations][branches].
        cause, hint: of a failure.
    """

    key: str
    canonical: str
    status: Status
    score: float | None = None
    spread: float | None = None
    params: int | None = None
    macs: int | None = None
    traces: tuple[Trace, ...] = ()
    cause: str = ""
    hint: str = ""

    def to_json(self, **extra: Any) -> str:
        """One line; floats round-trip exactly."""
        return json.dumps(extra | asdict(self), separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Row:
        """The row of a parsed line; other fields are ignored."""
        known = {name: data[name] for name in cls.__dataclass_fields__}
        known["traces"] = tuple(tuple(tuple(iteration) for iteration in trace) for trace in known["traces"])
        return cls(**known)


def scored(row: Row, values: Sequence[float]) -> Row:
    """The row with the value of each repeat as its score; diverged where one is not finite."""
    if not all(map(math.isfinite, values)):
        return replace(row, status="diverged", score=None, spread=None)
    spread = statistics.stdev(values) if len(values) > 1 else None
    return replace(row, status="ok", score=statistics.fmean(values), spread=spread)
