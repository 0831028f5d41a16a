"""A value of a declared space: a constant, a choice of its own, or one that is shared."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from eproxyctl.contracts import Choice

MOST_VALUES = 1_024
WORD = re.compile(r"[A-Za-z0-9_]+")
MARKS = ("choose", "from", "use")
"""A mapping with one of these keys is a choice."""
Loc = tuple[str | int, ...]
Check = Callable[[Any], Any]
"""Validates one constant; raises pydantic's ValidationError."""


@dataclass(frozen=True)
class Condition:
    """A choice is made only where a name has one of the values."""

    name: str
    values: frozenset[Choice]


@dataclass(frozen=True)
class DrawnChoices:
    """A value that differs between architectures.

    Attributes:
        values: of a choice of its own; empty where it is shared.
        use: the name of the shared choice.
        times: factor on the shared value.
        each: whether every block has its own; None: as the stage says.
        when: where the choice is made; elsewhere the value is `otherwise`, or the option's default if that is None.
    """

    values: tuple[Choice, ...] = ()
    use: str = ""
    times: float = 1.0
    each: bool | None = None
    when: tuple[Condition, ...] = ()
    otherwise: Choice | None = None

    def scaled(self, value: Choice) -> Choice:
        """A shared value times the factor; whole numbers stay whole where they can."""
        if self.times == 1.0 or isinstance(value, str | bool):
            return value
        product = value * self.times
        return int(product) if product == int(product) else product


Value = Choice | None | DrawnChoices


@dataclass
class Faults:
    """What is wrong with a declaration, each with its place, so that a spec's problems are told together."""

    found: list[InitErrorDetails] = field(default_factory=list)

    def add(self, loc: Loc, message: str, hint: str = "", *, at_key: bool = False) -> None:
        """One fault; `at_key`: the key is wrong, not its value."""
        context = {"text": message, "hint": hint, "at_key": at_key}
        self.found.append(
            InitErrorDetails(type=PydanticCustomError("declared", "{text}", context), loc=loc, input=None)
        )

    def of(self, loc: Loc, error: ValidationError) -> None:
        """Those that pydantic found in one value."""
        for one in error.errors(include_url=False, include_context=False, include_input=False):
            self.add(loc, str(one["msg"])[:1].lower() + str(one["msg"])[1:])

    def check(self) -> None:
        """Raises pydantic's ValidationError where there are any."""
        if self.found:
            raise ValidationError.from_exception_data("declared", self.found)


def declared_value(raw: Any, check: Check, loc: Loc, faults: Faults, *, blockwise: bool = False) -> Value:
    """A constant or a choice; what is wrong is added to `faults`, and the value is None then.

    Args:
        raw: as YAML gives it.
        check: of one constant.
        loc: where it stands.
        faults: gets what is wrong.
        blockwise: it may be drawn for each block.
    """
    if not isinstance(raw, Mapping):
        constant: Value = _constant(raw, check, loc, faults)
        return constant
    marks = [mark for mark in MARKS if mark in raw]
    if len(marks) != 1:
        faults.add(loc, "a choice is {choose: [..]}, {from: .., to: ..} or {use: NAME}")
        return None
    known = {"choose": {"choose"}, "from": {"from", "to", "step"}, "use": {"use", "times"}}[marks[0]]
    known |= {"when", "otherwise", "each"} if marks[0] != "use" else set()
    for key in raw:
        if key not in known:
            faults.add(
                (*loc, key), f"unknown key '{key}' in a choice", "known: " + ", ".join(sorted(known)), at_key=True
            )
            return None
    if marks[0] == "use":
        return _shared(raw, loc, faults)
    values = _chosen(raw["choose"], check, loc, faults) if marks[0] == "choose" else _range(raw, check, loc, faults)
    each = raw.get("each")
    if each not in (None, "block", "stage") or (each and not blockwise):
        faults.add((*loc, "each"), "each: block or each: stage, of an option of a stage's block")
        return None
    otherwise = _constant(raw["otherwise"], check, (*loc, "otherwise"), faults) if "otherwise" in raw else None
    when = _conditions(raw.get("when", {}), (*loc, "when"), faults)
    return (
        DrawnChoices(values, each=None if each is None else each == "block", when=when, otherwise=otherwise)
        if values
        else None
    )


def _constant(raw: Any, check: Check, loc: Loc, faults: Faults) -> Any:
    try:
        return check(raw)
    except ValidationError as error:
        faults.of(loc, error)
        return None


def _shared(raw: Mapping[str, Any], loc: Loc, faults: Faults) -> DrawnChoices | None:
    times = raw.get("times", 1.0)
    if isinstance(times, bool) or not isinstance(times, int | float) or not 0 < times <= 65_536:
        faults.add((*loc, "times"), "a factor above 0 is needed")
        return None
    if not isinstance(raw["use"], str):
        faults.add((*loc, "use"), "the name of a shared choice is needed")
        return None
    return DrawnChoices(use=raw["use"], times=float(times))


def _chosen(raw: Any, check: Check, loc: Loc, faults: Faults) -> tuple[Choice, ...]:
    where = (*loc, "choose")
    if not isinstance(raw, list | tuple) or not raw:
        faults.add(where, "a list of values is needed")
        return ()
    if len(raw) > MOST_VALUES:
        faults.add(where, f"{len(raw):,} values; a choice has at most {MOST_VALUES:,}")
        return ()
    values: list[Choice] = []
    for i, item in enumerate(raw):
        before = len(faults.found)
        value = _constant(item, check, (*where, i), faults)
        wrong = "" if len(faults.found) > before else _unwritable(value)
        if wrong:
            faults.add((*where, i), wrong)
        elif value is not None and value in values:
            faults.add((*where, i), f"{value} is there already")
        elif value is not None:
            values.append(value)
    return _ordered(values) if len(values) == len(raw) else ()


def _unwritable(value: Any) -> str:
    """Why a value cannot be one of a choice, empty where it can."""
    if not isinstance(value, str | int | float):
        return "a number, a word, true or false is needed"
    if isinstance(value, str):
        return "" if WORD.fullmatch(value) else "a word of letters, digits and underscores is needed"
    return "" if value >= 0 else "a number of 0 or more is needed"


def _ordered(values: list[Choice]) -> tuple[Choice, ...]:
    """Numbers by size and words by letters, so that the order in the file changes nothing."""
    return tuple(sorted(values, key=lambda value: (isinstance(value, str), value)))


def _range(raw: Mapping[str, Any], check: Check, loc: Loc, faults: Faults) -> tuple[Choice, ...]:
    numbers = {}
    for name, default in (("from", None), ("to", None), ("step", 1)):
        number = raw.get(name, default)
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            faults.add((*loc, name) if name in raw else loc, f"a range needs the number '{name}'")
            return ()
        numbers[name] = number
    low, high, step = numbers["from"], numbers["to"], numbers["step"]
    if step <= 0 or low > high or low < 0:
        faults.add(loc, "a range goes up from 0 or more, by a step above 0")
        return ()
    count = math.floor((high - low) / step + 1e-9) + 1
    if count > MOST_VALUES:
        faults.add(loc, f"a range of {count:,} values; a choice has at most {MOST_VALUES:,}", "set a larger step")
        return ()
    before = len(faults.found)
    values = tuple(_constant(_rounded(low + i * step), check, loc, faults) for i in range(count))
    return values if len(faults.found) == before else ()


def _rounded(value: float) -> float:
    return value if isinstance(value, int) else round(value, 9)


def _conditions(raw: Any, loc: Loc, faults: Faults) -> tuple[Condition, ...]:
    if not isinstance(raw, Mapping):
        faults.add(loc, "a mapping of names to values is needed", "such as when: {block: mbconv}")
        return ()
    found = []
    for name, wanted in raw.items():
        values = wanted if isinstance(wanted, list | tuple) else [wanted]
        if not all(isinstance(value, str | int | float) for value in values):
            faults.add((*loc, name), "a value or a list of values is needed")
            return ()
        found.append(Condition(str(name), frozenset(values)))
    return tuple(found)
