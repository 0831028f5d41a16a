"""Sizes and comparisons that every architecture of a space keeps to."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from eproxyctl.contracts import BlockSize
from eproxyctl.errors import InvalidArchitecture
from eproxyctl.spaces.declared.options import RULE, SizeLimits

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}


class LimitCheck:
    """Checks architectures against the limits of a space."""

    def __init__(self, limits: SizeLimits) -> None:
        self.limits = limits
        self.sized = limits.params is not None or limits.macs is not None
        self.rules = [(rule, *match.groups()) for rule in limits.rules if (match := RULE.fullmatch(rule))]

    @property
    def any(self) -> bool:
        """Whether there is anything to check."""
        return self.sized or bool(self.rules)

    def excess(self, named: Mapping[str, Any], size: BlockSize | None) -> tuple[float, str]:
        """How far beyond the limits an architecture is, 0 where it keeps them; and what it breaks first.

        Args:
            named: values that rules may name.
            size: where sizes are limited.
        """
        far, broken = 0.0, ""
        for rule, left, sign, right in self.rules:
            one, two = _value(left, named), _value(right, named)
            if one is None or two is None or not OPERATORS[sign](one, two):
                far += 1.0 if isinstance(one, str) or one is None or two is None else 1.0 + abs(one - two)
                broken = broken or f"it breaks {rule}"
        for name, most in (("params", self.limits.params), ("macs", self.limits.macs)):
            if size is not None and most is not None and getattr(size, name) > most:
                far += math.log(getattr(size, name) / most) + 1e-9
                broken = broken or f"it has {getattr(size, name):,} {name}, and {most:,.0f} are allowed"
        return far, broken

    def check(self, named: Mapping[str, Any], size: BlockSize | None) -> None:
        """Raises InvalidArchitecture where an architecture is beyond the limits."""
        _, broken = self.excess(named, size)
        if broken:
            raise InvalidArchitecture(f"the limits of the space leave this architecture out: {broken}")


def _value(name: str, named: Mapping[str, Any]) -> Any:
    if name in named:
        value = named[name]
        return 0 if value is None else value
    try:
        return float(name)
    except ValueError:
        return None
