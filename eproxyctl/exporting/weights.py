"""Trained weights from a safetensors file, and what the file says of them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from eproxyctl.errors import DataError, UsageError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Weights:
    """Trained weights by parameter, and what their file says of them."""

    values: dict[str, torch.Tensor]
    metadata: dict[str, str]


def read_weights(path: Path) -> Weights:
    """Weights from a safetensors file.

    Raises:
        DataError: no such file, or another format.
    """
    require("safetensors", "--weights")
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return Weights({name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {})  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise DataError(f"cannot read weights from {path}: {error}") from None


def require(package: str, wanted: str) -> None:
    """Raises UsageError where an optional package is not there."""
    if find_spec(package) is None:
        raise UsageError(f"{wanted} needs the package {package}", hint="pip install 'eproxyctl[export]'")


def numbers(metadata: dict[str, str], name: str) -> tuple[float, ...] | None:
    """Finite numbers that a file states under a name: one, or a list; None where it states nothing.

    Raises:
        DataError: something else stands there.
    """
    if name not in metadata:
        return None
    try:
        value = json.loads(metadata[name])
        found = tuple(float(each) for each in (value if isinstance(value, list) else [value]))
    except (ValueError, TypeError, RecursionError):
        found = (math.nan,)
    if not all(map(math.isfinite, found)):
        raise DataError(f"the weights file states '{name}' in its metadata, which is not made of finite numbers")
    return found
