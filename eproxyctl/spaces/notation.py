"""Reading what people and tables write, with InvalidArchitecture for all that cannot be read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from eproxyctl.contracts import Choice
from eproxyctl.errors import InvalidArchitecture, did_you_mean


def checked(choices: Mapping[str, Choice], parameters: Mapping[str, tuple[Choice, ...]]) -> dict[str, Choice]:
    """The choice for each parameter, as the parameter lists it; InvalidArchitecture where there is none."""
    missing = [name for name in parameters if name not in choices]
    if missing:
        raise InvalidArchitecture(f"no choice for {', '.join(missing)}", hint="known: " + ", ".join(parameters))
    return {name: _one_of(name, choices[name], options) for name, options in parameters.items()}


def _one_of(name: str, value: object, options: tuple[Choice, ...]) -> Choice:
    for option in options:
        if isinstance(value, str) is isinstance(option, str) and isinstance(value, Choice) and value == option:
            return option
    words = [str(option) for option in options]
    hint = did_you_mean(value, words) if isinstance(value, str) else "one of " + ", ".join(words)
    raise InvalidArchitecture(f"{name} cannot be {value!r}", hint=hint)


def literal(text: str) -> object:
    """Nested lists, tuples and dictionaries of numbers and words, written as Python or JSON writes them."""
    plain = text.replace("(", "[").replace(")", "]").replace("'", '"').replace(",]", "]")
    try:
        return json.loads(plain)
    except (ValueError, RecursionError):
        raise InvalidArchitecture(f"not a list that can be read: {shown(text)}") from None


def listed(value: object) -> list[object] | None:
    """A list, tuple or array as a list, None for anything else."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return list(value)
    return None


def integers(value: object) -> tuple[int, ...] | None:
    """A list, tuple or array of whole numbers as a tuple, None for anything else."""
    items = listed(value)
    if items is None:
        return None
    numbers = [int(item) for item in items if isinstance(item, int)]
    return tuple(numbers) if len(numbers) == len(items) else None


def shown(value: object) -> str:
    """A notation for an error message, cut where it is long."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 120 else text[:117] + "…"
