"""What makes two runs the same, by part, so that a refusal can say what changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eproxyctl.registry import Origin
from eproxyctl.spec.loading import PATH_SETTINGS
from eproxyctl.spec.models import Spec


def sections_identity(
    parts: Mapping[str, Any], spec: Spec, files: Sequence[str], origins: Sequence[Origin]
) -> dict[str, Any]:
    """Digests of sections of a spec without their paths, and of the task's files and the plugins."""
    content = hashlib.sha256()
    for name in sorted(files):
        content.update(hashlib.sha256(Path(name).read_bytes()).digest())
    digest: dict[str, Any] = {section: _sha256(_without_paths(part)) for section, part in parts.items()}
    device = f"{spec.device} tf32" if spec.tf32 else spec.device
    digest |= {"seed": spec.seed, "device": device, "images": content.hexdigest()[:16]}
    digest["plugins"] = _sha256([[o.name, o.sha256] for o in origins if not o.builtin])
    return digest


def _sha256(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]


def _without_paths(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_paths(v) for key, v in value.items() if key not in PATH_SETTINGS}
    return [_without_paths(v) for v in value] if isinstance(value, list) else value
