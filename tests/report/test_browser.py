"""Reports in a real Chromium: no fault in the console, nothing loaded, every figure drawn, names shown as text."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from runs import HOSTILE, QUOTES, benchmark_run, dps_run, lines, nasbench201, row, score_run, search_run
from typer.testing import Result

from eproxyctl.report import report

pytest.importorskip("plotly")
webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: pip install selenium")

FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-background-networking --disable-component-update "
    "--disable-sync --no-first-run --disable-dev-shm-usage --hide-scrollbars --enable-unsafe-swiftshader"
)
PHONE, DESKTOP, PAPER = 390, 1280, 660
WIDTHS = "return [...document.querySelectorAll('.plot .main-svg')].map((svg) => svg.clientWidth)"
MIDDLE = "document.querySelector(arguments[0]).scrollIntoView({block: 'center', behavior: 'instant'})"
CENTRE = """
const box = document.querySelector(arguments[0]).getBoundingClientRect();
return [box.x + box.width / 2, box.y + box.height / 2];
"""
LABEL = """
const done = arguments[0], find = () => document.querySelector(".hoverlayer .hovertext");
const look = (left) => find() || !left ? done(find() ? find().textContent : "") : setTimeout(look, 50, left - 1);
look(100);
"""
DRAWN = """
const [id, done] = arguments, drawn = window.eproxyctlReport.drawn;
document.getElementById(id).scrollIntoView({behavior: "instant"});
const look = (left) => drawn.has(id) || !left ? done(left) : setTimeout(look, 50, left - 1);
look(200);
"""
Cli = Callable[..., Result]


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser, its console and network recorded; skips where there is none."""
    driver = shutil.which("chromedriver")
    if shutil.which("chromium") is None or driver is None:
        pytest.skip("Chromium is not installed: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for flag in FLAGS.split():
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield browser
    finally:
        browser.quit()


def opened(browser: Any, path: Path, width: int = DESKTOP, scheme: str = "light") -> None:
    """Open a page and draw all its figures, those below the fold too."""
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(path.as_uri())
    browser.execute_script("const r = window.eproxyctlReport; r.figures.forEach(r.draw)")


def quiet(browser: Any, path: Path) -> None:
    """Nothing in the console, and no request but for the page itself."""
    said = [entry for entry in browser.get_log("browser") if "GPU stall" not in entry["message"]]  # of software WebGL
    assert said == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = {e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"}
    assert {url for url in asked if not url.startswith("data:")} <= {path.as_uri()}


def drawn(browser: Any) -> dict[str, int]:
    """How many marks each figure has: points, bars, lines and what WebGL draws on."""
    script = """
    return Object.fromEntries([...document.querySelectorAll(".plot")].map((place) => [place.id,
      place.querySelectorAll(".point, .points path, .js-line, .textpoint").length +
      [...place.querySelectorAll("canvas")].filter((canvas) => canvas.width > 0).length]))"""
    found: dict[str, int] = browser.execute_script(script)
    return found


def hovered(browser: Any, point: str) -> str:
    """The label that a pointer over a point shows."""
    browser.execute_script(MIDDLE, point)
    x, y = browser.execute_script(CENTRE, point)
    for nudge in (3, 0):
        event = {"type": "mouseMoved", "x": x + nudge, "y": y}
        browser.execute_cdp_cmd("Input.dispatchMouseEvent", event)
    return str(browser.execute_async_script(LABEL))


def real(table: Path, cli: Cli) -> list[Path]:
    """A small run of each command, truly made."""
    digits = ("--set", "task={kind: images, source: {kind: digits}, grey: true, resolution: 8, batch_size: 4}")
    train = ("--set", "train={architectures: 4, epochs: 1, images: 60, batch_size: 20, learning_rate: 0.05}")
    assert cli("score", table, "--set", "space.architectures={table: true, sample: 8}", "--run", "score").exit_code == 0
    assert cli("dps", table, "--run", "dps", "--trials", 8, "--set", "dps.architectures=3").exit_code == 0
    assert cli("search", table, "-n", 8, "--run", "search", "--set", "search.limits.params=20000").exit_code == 0
    assert cli("benchmark", table, *digits, *train, "--run", "bench").exit_code == 0
    return [Path(name).resolve() for name in ("score", "dps", "search", "bench")]


def hostile(folder: Path) -> Path:
    """A run whose names would be code where they are not text."""
    score_run(folder, [HOSTILE, QUOTES, *nasbench201(10)], (HOSTILE, QUOTES))
    lines(folder / "rows.jsonl", [row(HOSTILE, status="failed", score=None, cause=QUOTES, hint=HOSTILE)])
    return folder


def test_a_report_of_every_command_in_a_browser(tmp_path: Path) -> None:
    keys = nasbench201(30)
    runs = [
        score_run(tmp_path / "score", keys, tuned=keys[:4]),
        dps_run(tmp_path / "dps"),
        search_run(tmp_path / "search"),
    ]
    runs += [benchmark_run(tmp_path / "bench"), hostile(tmp_path / "hostile")]
    path = tmp_path / "report.html"
    path.write_text(report(runs), encoding="utf-8")
    with chromium() as browser:
        opened(browser, path)
        marks = drawn(browser)
        assert len(marks) >= 17
        assert min(marks.values()) > 0, marks
        assert browser.execute_script("return window.hacked") is None
        names = browser.execute_script("return [...document.querySelectorAll('.plot')].at(-1).textContent")
        assert HOSTILE in names
        assert "<b>bold</b>" in names
        label = hovered(browser, "#f1 .point")
        assert "params" in label
        assert "|none~0|" in label
        shown = browser.execute_script("return window.eproxyctlReport.csv('1-score-scores')")
        with (runs[0] / "scores.csv").open() as stream:
            expected = [(r["key"], float(r["score"]), float(r["metric"])) for r in csv.DictReader(stream)]
        found = csv.DictReader(io.StringIO(shown))
        assert [(r["key"], float(r["score"]), float(r["metric"])) for r in found] == expected
        light = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        quiet(browser, path)
        opened(browser, path, PHONE, "dark")
        assert browser.execute_script("return document.documentElement.scrollWidth") == PHONE
        assert min(drawn(browser).values()) > 0
        assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") != light
        browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
        assert set(browser.execute_script(WIDTHS)) == {PAPER}
        assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") == light
        browser.execute_script("window.dispatchEvent(new Event('afterprint'))")
        printed = browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": False})
        assert len(base64.b64decode(printed["data"])) > 50_000
        quiet(browser, path)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_real_runs_of_every_command_in_a_browser(table: Path, cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(report(real(table, cli)), encoding="utf-8")
    with chromium() as browser:
        opened(browser, path)
        marks = drawn(browser)
        assert len(marks) >= 14
        assert min(marks.values()) > 0, marks
        quiet(browser, path)


@pytest.mark.slow
def test_all_of_nasbench201_in_a_browser(tmp_path: Path) -> None:
    """WebGL draws 15,625 points; the figures that come later do not take it from those before for good."""
    runs = [score_run(tmp_path / f"{i}", nasbench201(15_625), ("naswot", "synflow")) for i in range(2)]
    path = tmp_path / "report.html"
    for run in runs:
        (run / "scores.json").write_text((run / "scores.json").read_text().replace('"t"', f'"{run.name}"'))
    path.write_text(report(runs), encoding="utf-8")
    with chromium() as browser:
        browser.get(path.as_uri())
        timing = "return performance.getEntriesByType('navigation')[0].loadEventEnd"
        print(f"{path.stat().st_size / 1e6:.1f} MB, load event after {browser.execute_script(timing):.0f} ms")
        for number in range(browser.execute_script("return window.eproxyctlReport.figures.length")):
            assert browser.execute_async_script(DRAWN, f"f{number}") > 0
        quiet(browser, path)


@pytest.mark.slow
def test_axe_finds_no_serious_fault(tmp_path: Path) -> None:
    """Accessibility by axe-core, from $AXE_JS: the axe.min.js of the npm package."""
    axe = os.environ.get("AXE_JS")
    if not axe:
        pytest.skip("AXE_JS is not set: npm pack axe-core, and name its axe.min.js")
    path = tmp_path / "report.html"
    path.write_text(report([score_run(tmp_path / "score", nasbench201(40), tuned=nasbench201(3))]), encoding="utf-8")
    with chromium() as browser:
        for scheme in ("light", "dark"):
            opened(browser, path, scheme=scheme)
            browser.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})
            browser.execute_cdp_cmd("Runtime.evaluate", {"expression": Path(axe).read_text("utf-8")})
            found = browser.execute_async_script("axe.run().then((r) => arguments[0](r.violations))")
            serious = [(v["id"], v["nodes"][0]["html"][:200]) for v in found if v["impact"] in ("serious", "critical")]
            assert serious == []
