"""A spec with every value spelt out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from eproxyctl.spec.loading import Loaded


def resolved(loaded: Loaded) -> str:
    """The spec with every value, as YAML, and where each came from."""
    lines = list(_lines(loaded, loaded.spec.model_dump(mode="json"), ()))
    width = min(60, max(len(text) for text, _ in lines))
    return "".join(
        f"{text:<{width}}  # {origin}".rstrip(" #") + "\n" if origin else f"{text}\n" for text, origin in lines
    )


def _lines(loaded: Loaded, value: dict[str, Any], path: tuple[str | int, ...]) -> Iterator[tuple[str, str]]:
    indent = "  " * len(path)
    for name in sorted(value, key=lambda n: n != "kind"):
        item, here = value[name], (*path, name)
        if isinstance(item, dict) and item:
            yield f"{indent}{name}:", ""
            yield from _lines(loaded, item, here)
        else:
            yield f"{indent}{name}: {json.dumps(item, ensure_ascii=False)}", loaded.origin(here)
