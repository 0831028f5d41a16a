"""Colours of a picture, for a light and a dark page; text in a box has a contrast of at least 4.5 to its ground."""

from __future__ import annotations

LIGHT = {
    "ground": "#ffffff",
    "text": "#1b1f24",
    "soft": "#57606a",
    "line": "#57606a",
    "plain": "#f3f4f6",
    "dead-fill": "#f6f7f8",
    "dead-line": "#c3c8ce",
    "dead-text": "#737a82",
}
DARK = {
    "ground": "#14171c",
    "text": "#e8eaed",
    "soft": "#a6aeb8",
    "line": "#8b949e",
    "plain": "#262b33",
    "dead-fill": "#191d23",
    "dead-line": "#454c55",
    "dead-text": "#8b929b",
}
LOOK_COLOURS = {
    "convolution": ("#cfe2ff", "#2f6fbd", "#1d3f6e", "#6ea8fe"),
    "separable": ("#c9efe6", "#1b8a72", "#14463b", "#5cc9b0"),
    "pooling": ("#ffe2c2", "#c2691b", "#5a3512", "#f0a25b"),
    "skip": ("#eff0bd", "#8a8f1c", "#44471a", "#cdd25c"),
    "linear": ("#e5d8fb", "#7a4cc2", "#3d2a63", "#b598f0"),
    "activation": ("#fbd5e2", "#b83a6b", "#5a2038", "#f08ab0"),
    "arithmetic": ("#d5eef8", "#2a7f9e", "#163f50", "#74c2de"),
}
"""Fill and line on a light page, fill and line on a dark one."""


def _variables(colours: dict[str, str], fill: int) -> str:
    looks = {f"{look}-fill": four[fill] for look, four in LOOK_COLOURS.items()}
    lines = {f"{look}-line": four[fill + 1] for look, four in LOOK_COLOURS.items()}
    return "".join(f"--{name}:{colour};" for name, colour in (colours | looks | lines).items())


STYLE = (
    f".ep-drawing{{{_variables(LIGHT, 0)}max-width:none}}"
    f"@media screen and (prefers-color-scheme:dark){{.ep-drawing{{{_variables(DARK, 2)}}}}}"
    ".ep-drawing .ground{fill:var(--ground)}"
    ".ep-drawing text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;fill:var(--text)}"
    ".ep-drawing text.in,.ep-drawing text.middle{text-anchor:middle}"
    ".ep-drawing text.head{font-size:13px;font-weight:600}"
    ".ep-drawing text.note{font-size:11px;fill:var(--soft)}"
    ".ep-drawing text.key{font:11px ui-monospace,'DejaVu Sans Mono',monospace;fill:var(--soft)}"
    ".ep-drawing rect{stroke-width:1.2}"
    ".ep-drawing .input>rect,.ep-drawing .output>rect,.ep-drawing .value>rect,.ep-drawing .level>rect"
    "{fill:var(--plain);stroke:var(--line)}"
    + "".join(f".ep-drawing .{look}>rect{{fill:var(--{look}-fill);stroke:var(--{look}-line)}}" for look in LOOK_COLOURS)
    + ".ep-drawing .dead>rect{fill:var(--dead-fill);stroke:var(--dead-line);stroke-dasharray:3 3}"
    ".ep-drawing .dead>text{fill:var(--dead-text)}"
    ".ep-drawing .arrow>path{fill:none;stroke:var(--line);stroke-width:1.3}"
    ".ep-drawing .arrow>.tip{fill:var(--line);stroke:none}"
    ".ep-drawing .arrow.dead>path{stroke:var(--dead-line);stroke-dasharray:3 3}"
    ".ep-drawing .arrow.dead>.tip{fill:var(--dead-line)}"
)
