"""Text in a picture: escaped, and about as wide as a browser will make it."""

from __future__ import annotations

import html
import re

ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML cannot hold, not even escaped."""
NARROW, WIDE = "fijlrt.,:;'|!()[] ·", "mwMW@%×÷+"
NARROW_EM, USUAL_EM, WIDE_EM = 0.36, 0.63, 0.9
MONOSPACE_EM = 0.61


def escaped(text: str) -> str:
    """Text as it may stand in an element or an attribute; what XML cannot hold becomes �."""
    return html.escape(ILLEGAL.sub("\ufffd", text), quote=True)


def width(text: str, size: float) -> float:
    """About how wide text of a usual sans-serif font is, in pixels; rather too much than too little."""
    return size * sum(NARROW_EM if c in NARROW else WIDE_EM if c in WIDE else USUAL_EM for c in text)


def wrapped(text: str, columns: int) -> list[str]:
    """Lines of at most so many characters, broken anywhere: keys have no spaces."""
    return [text[i : i + columns] for i in range(0, len(text), columns)] or [""]


def number(value: float) -> str:
    """A coordinate, to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")
