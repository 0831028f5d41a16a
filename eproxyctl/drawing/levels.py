"""The row of levels below a picture: what an input goes through, how large its maps are, and how many channels."""

from __future__ import annotations

import math
from collections.abc import Sequence

from eproxyctl.contracts import Level
from eproxyctl.drawing.text import escaped, number, width

TALLEST, STEP, LOWEST = 56.0, 9.0, 22.0
"""Height at the finest resolution, what each halving takes from it, and the least."""
GAP = 22.0
TITLE = "network"


def strip(levels: Sequence[Level], resolution: int | None) -> tuple[str, float, float]:
    """(SVG, width, height); boxes as tall as their maps are fine, channels and resolution below each."""
    finest = min((level.shrink for level in levels if level.shrink), default=1)
    svg = f'<text class="head" x="0" y="12">{TITLE}</text>'
    middle, x = 24 + TALLEST / 2, 0.0
    for i, level in enumerate(levels):
        below = [f"{level.channels:,} ch", _resolution(level, resolution)]
        wide = max(44.0, width(level.title, 12) + 16, *(width(text, 11) for text in below))
        tall = LOWEST if level.shrink is None else max(LOWEST, TALLEST - STEP * math.log2(level.shrink / finest))
        if i:
            svg += f'<g class="arrow"><path d="M{number(x - GAP + 3)} {number(middle)}H{number(x - 6)}"/>'
            svg += f'<path class="tip" d="M{number(x - 2)} {number(middle)}l-7 -3.5v7z"/></g>'
        centre = number(x + wide / 2)
        svg += f'<g class="level"><rect x="{number(x)}" y="{number(middle - tall / 2)}" width="{number(wide)}" '
        svg += f'height="{number(tall)}" rx="3"/><text class="in" x="{centre}" y="{number(middle + 4)}">'
        svg += f"{escaped(level.title)}</text></g>"
        for line, text in enumerate(filter(None, below)):
            y = number(24 + TALLEST + 15 + 14 * line)
            svg += f'<text class="note middle" x="{centre}" y="{y}">{escaped(text)}</text>'
        x += wide + GAP
    lines = 1 + any(level.shrink for level in levels)
    return svg, x - GAP, 24 + TALLEST + 6 + 14 * lines


def _resolution(level: Level, resolution: int | None) -> str:
    if level.shrink is None:
        return ""
    if resolution is None:
        return "full side" if level.shrink == 1 else f"side ÷ {level.shrink}"
    side = -(-resolution // level.shrink)
    return f"{side}×{side}"
