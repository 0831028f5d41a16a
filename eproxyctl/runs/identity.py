"""What makes two runs the same, by part, so that a refusal can say what changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from eproxyctl.contracts.paths import named_paths, pathless
from eproxyctl.registry import Origin
from eproxyctl.spec.models import Spec

FORMAT = 2
"""Of an identity. 1, which does not name itself, knew the content of a task's own files only, and no minibatch."""
TABLES = {"task": {"table", "baselines"}}
"""Files that are read as they are asked for, and not a part of what rows depend on."""


def sections_identity(
    spec: Spec, sections: Sequence[str], exclude: Mapping[str, Any], origins: Sequence[Origin]
) -> dict[str, Any]:
    """Digests of sections of a spec without their paths, of the content of what the paths lead to, and of the plugins.

    The content of metric tables is left to the caller.

    Args:
        spec: whose seed and device count too.
        sections: by name.
        exclude: by section, the settings that do not count.
        origins: of the space, task and proxies that were used.
    """
    whole = pathless(spec, include=set(sections), exclude=dict(exclude))
    digest: dict[str, Any] = {"format": FORMAT} | {section: _sha256(whole[section]) for section in sections}
    device = f"{spec.device} tf32" if spec.tf32 else spec.device
    digest |= {"seed": spec.seed, "device": device}
    digest["plugins"] = _sha256([[o.name, o.sha256] for o in origins if not o.builtin])
    without = {section: {*exclude.get(section, ()), *TABLES.get(section, ())} for section in sections}
    paths = named_paths(spec, include=set(sections), exclude=without)
    return digest | {f"content of {place}": content(path) for place, path in paths.items()}


def contents(options: Sequence[BaseModel], **which: Any) -> tuple[tuple[str, str], ...]:
    """Every path that any of the options names, and a digest of its content: what is sent to other machines."""
    paths = sorted({path for each in options for path in named_paths(each, **which).values()})
    return tuple((path, content(path)) for path in paths)


def content(path: str) -> str:
    """A digest of a file; of a folder by the names and contents of all files in it; empty where there is nothing."""
    whole = Path(path)
    if whole.is_file():
        with whole.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    if whole.is_dir():
        found = sorted((file.relative_to(whole).as_posix(), file) for file in whole.rglob("*") if file.is_file())
        return hashlib.sha256(json.dumps([[name, content(str(file))] for name, file in found]).encode()).hexdigest()
    return ""


def changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The parts of an identity that are not as they were, by name."""
    names = {*before, *now}
    if before.get("format") != now.get("format"):  # another knew of other parts
        names = {name for name in before if name in now} - {"format"}
    return sorted(name for name in names if before.get(name) != now.get(name))


def comparable(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether an identity says all that the present one does.

    One of format 1 does where no plugin is used, whose data nobody looked at, and no option names a file or only one
    does, of which its digest can be told.
    """
    if before.get("format") == now.get("format"):
        return True
    read = [digest for name, digest in now.items() if name.startswith("content of ")]
    files = hashlib.sha256(b"".join(map(bytes.fromhex, read))).hexdigest()[:16]
    return (
        "format" not in before
        and len(read) <= 1
        and before.get("images") == files
        and before.get("plugins") == _sha256([])
    )


def study_name(command: str, identity: Mapping[str, Any]) -> str:
    """What a study is called by.

    The minibatch does not count: hosts that share a study may draw it with other last bits.
    """
    return f"{command}-{_sha256({name: part for name, part in identity.items() if name != 'minibatch'})}"


def _sha256(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]
