"""Pictures of architectures in a report, where the space of the run can be had and drawn."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from eproxyctl import drawing, plugins
from eproxyctl.errors import EproxyError
from eproxyctl.registry import Registry
from eproxyctl.report import markup
from eproxyctl.report.reading import Run

ABSENT = "There are no pictures: "


@lru_cache(maxsize=1)
def _registry() -> Registry:
    return plugins.load_plugins(plugins.Sources())


def gallery(run: Run, chosen: Sequence[tuple[str, str]], registry: Registry | None = None) -> str:
    """A picture of each (key, caption), or a sentence that says why there is none."""
    try:
        found = drawing.opened_space(run.folder, registry or _registry())
        drawn = [
            (key, caption, drawing.drawing(found.space, key, heading=False, resolution=found.resolution).svg)
            for key, caption in chosen
        ]
    except EproxyError as error:
        return markup.paragraph(f"{ABSENT}{error.message}.", soft=True)
    return '<div class="pictures">' + "".join(_one(*each) for each in drawn) + "</div>"


def _one(key: str, caption: str, svg: str) -> str:
    return (
        f"<figure><figcaption><b>{markup.text(caption)}</b><br><code>{markup.text(key)}</code></figcaption>"
        f'<div class="scroll" tabindex="0" role="region" aria-label="{markup.text(caption)}">{svg}</div></figure>'
    )
