"""The page: one HTML file with all it needs inside. It may load nothing, from anywhere."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from eproxyctl.report.figures import Figure, Json, Sheet
from eproxyctl.report.markup import text

Block = str | Figure
"""HTML, or what is drawn."""


@dataclass(frozen=True)
class PageSection:
    """A part with a heading of its own; `level` 2 for a run, 3 for what is in it."""

    title: str
    blocks: Sequence[Block]
    level: int = 3


def page(title: str, lead: str, sections: Sequence[PageSection], plotly: str) -> str:
    """The whole file.

    Args:
        title: of the page.
        lead: HTML below it.
        sections: in order.
        plotly: the JavaScript library.
    """
    figures: dict[str, Json] = {}
    sheets: dict[str, Json] = {}
    body = "".join(_section(i, section, figures, sheets) for i, section in enumerate(sections))
    data = json.dumps({"sheets": sheets, "figures": figures}, separators=(",", ":"), allow_nan=False)
    scripts = [plotly, _resource("page.js")]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(scripts)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f'<link rel="icon" href="data:,">\n<title>{text(title)}</title>\n'
        f"<style>{_resource('page.css')}</style>\n</head>\n"
        f'<body>\n<a class="skip" href="#content">Skip to the content</a>\n'
        f'<header><h1>{text(title)}</h1>{lead}<nav aria-label="Contents">{_contents(sections)}</nav></header>\n'
        f'<main id="content">\n<noscript><p class="bad">Figures need JavaScript; tables and pictures are here.</p>'
        f"</noscript>\n{body}</main>\n<footer>Made by eproxyctl. This page loads nothing from anywhere.</footer>\n"
        f'<script type="application/json" id="data">{_quoted(data)}</script>\n'
        + "".join(f"<script>{script}</script>\n" for script in scripts)
        + "</body>\n</html>\n"
    )


def _section(number: int, section: PageSection, figures: dict[str, Json], sheets: dict[str, Json]) -> str:
    parts = [f'<h{section.level} id="s{number}">{text(section.title)}</h{section.level}>\n']
    for block in section.blocks:
        if isinstance(block, str):
            parts.append(block + "\n")
            continue
        name = f"f{len(figures)}"
        figures[name] = block.stored()
        sheets.setdefault(block.sheet.name, block.sheet.stored())
        parts.append(_figure(name, block, block.sheet))
    return "".join(parts)


def _figure(name: str, figure: Figure, sheet: Sheet) -> str:
    heading = f"<h3>{text(figure.title)}</h3>" if figure.title else ""
    return (
        f"{heading}<figure><figcaption>{text(figure.sentence)}</figcaption>"
        f'<div class="plot" id="{name}" role="img" aria-label="{text(figure.sentence)}"></div>'
        f'<div class="actions"><button type="button" class="csv" data-sheet="{text(sheet.name)}">'
        f"Download the data as CSV ({text(sheet.name)}.csv)</button></div></figure>\n"
    )


def _contents(sections: Sequence[PageSection]) -> str:
    """Runs and, inside each, its parts."""
    items, inner = list[str](), list[str]()
    for i, section in reversed(list(enumerate(sections))):
        link = f'<a href="#s{i}">{text(section.title)}</a>'
        if section.level > 2:
            inner.insert(0, f"<li>{link}</li>")
        else:
            parts = f"<ol>{''.join(inner)}</ol>" if inner else ""
            items.insert(0, f"<li>{link}{parts}</li>")
            inner = []
    return f"<ol>{''.join(items + inner)}</ol>"


def _policy(scripts: Sequence[str]) -> str:
    """Only these very scripts run; nothing is loaded. Plotly sets styles and, for WebGL, compiles shaders' callers."""
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{one}'" for one in hashes)
    return (
        f"default-src 'none'; script-src {allowed} 'unsafe-eval'; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _quoted(data: str) -> str:
    """JSON that cannot end its element."""
    return data.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _resource(name: str) -> str:
    return (files("eproxyctl.report") / name).read_text("utf-8")
