"""Reports from run directories alone: whatever state they are in, nothing hidden, nothing leaked, nothing run."""

from __future__ import annotations

import json
import re
import shutil
import stat
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runs import HOSTILE, QUOTES, benchmark_run, dps_run, lines, nasbench201, row, score_run, search_run, start
from typer.testing import Result

from eproxyctl.ranking import ranked, top_overlap
from eproxyctl.report import report
from eproxyctl.report.figures import log_axis
from eproxyctl.report.reading import masked_text

pytest.importorskip("plotly")
Cli = Callable[..., Result]


class Reader(HTMLParser):
    """The visible text of a page, and its elements."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.data = ""
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = "data" if dict(attrs).get("id") == "data" else tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "data":
            self.data += data
        elif self._inside not in ("script", "style"):
            self.text.append(data)


class Page:
    """A report as it was read."""

    def __init__(self, *folders: Path) -> None:
        self.html = report(folders)
        reader = Reader()
        reader.feed(self.html)
        self.text, self.tags = " ".join(reader.text), reader.tags
        data: dict[str, Any] = json.loads(reader.data)
        self.sheets, self.figures = data["sheets"], data["figures"]

    def headings(self) -> list[str]:
        return re.findall(r"<h[23][^>]*>(.*?)</h", self.html)


def test_a_score_run_has_its_parts_in_the_contents(tmp_path: Path) -> None:
    keys = nasbench201(40)
    page = Page(score_run(tmp_path / "score", keys, ("naswot", "synflow"), tuned=keys[:3]))
    assert page.headings() == [
        "score: score",
        "At a glance",
        "Score against metric",
        "How well each column ranks",
        "What the best by score hold",
        "Distribution of scores",
        "The best by score",
        "What was asked, with what, how long",
    ]
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    ids = {attributes.get("id") for _, attributes in page.tags}
    assert {str(link).removeprefix("#") for link in links} <= ids
    assert page.html.count('class="ep-drawing"') == 3
    assert "2.13.0" in page.text
    assert "45fba512d2718f5e" in page.text
    assert f"eproxyctl score {tmp_path}/score/resolved.yaml --run again" in page.text
    assert "naswot: Spearman's ρ 0.70 [0.45, 0.80], not to be told from size alone (0.50)" in page.text


def test_every_figure_says_what_it_shows_and_gives_its_data(tmp_path: Path) -> None:
    page = Page(score_run(tmp_path / "score", nasbench201(40)))
    plots = [attributes for tag, attributes in page.tags if attributes.get("class") == "plot"]
    buttons = [attributes["data-sheet"] for tag, attributes in page.tags if attributes.get("class") == "csv"]
    assert len(plots) == len(buttons) == len(page.figures) == 4
    assert all(len(str(plot["aria-label"])) > 40 for plot in plots)
    assert set(buttons) == set(page.sheets)
    assert page.sheets["score-scores"]["columns"]["key"] == nasbench201(40)


def test_recall_is_that_of_the_ranking_without_what_was_tuned_on(tmp_path: Path) -> None:
    keys = nasbench201(40)
    folder = score_run(tmp_path / "score", keys, tuned=keys[:10])
    table = [line.split(",") for line in (folder / "scores.csv").read_text().splitlines()[1:]]
    score, metric = (ranked([float(each[i]) for each in table[10:]], higher_is_better=True) for i in (1, -1))
    columns = Page(folder).sheets["score-recall"]["columns"]
    ks, recall = (np.frombuffer(_bytes(columns[name])) for name in ("k", "score recall"))
    assert ks[-1] == 30
    assert recall.tolist() == [top_overlap(score, metric, k / 30) for k in ks]


def _bytes(column: dict[str, str]) -> bytes:
    import base64

    return base64.b64decode(column["data"])


def test_hostile_names_are_text(tmp_path: Path) -> None:
    folder = score_run(tmp_path / HOSTILE.replace("/", "_"), [HOSTILE, QUOTES, *nasbench201(10)], (HOSTILE, QUOTES))
    broken = [row(HOSTILE, status="failed", score=None, cause=QUOTES, hint=HOSTILE), row(QUOTES, status="diverged")]
    lines(folder / "rows.jsonl", broken)
    page = Page(folder)
    assert {tag for tag, _ in page.tags} & {"img", "b"} <= {"b"}
    assert [attributes for tag, attributes in page.tags if tag == "script"] == [
        {"type": "application/json", "id": "data"},
        {},
        {},
    ]
    assert HOSTILE in page.text
    assert QUOTES.replace("\u2028", "") in page.text.replace("\u2028", "")
    assert HOSTILE not in page.html
    assert page.sheets[next(iter(page.sheets))]["columns"]["key"][:2] == [HOSTILE, QUOTES]


def test_passwords_are_never_shown(tmp_path: Path) -> None:
    folder = score_run(tmp_path / "score", nasbench201(12))
    url = "postgresql+psycopg://me:hunter2@host/db"
    about = json.loads((folder / "run.json").read_text())
    about["stamp"]["storage"] = url
    (folder / "run.json").write_text(json.dumps(about))
    for name in ("spec.yaml", "resolved.yaml"):
        (folder / name).write_text((folder / name).read_text() + f"# {url} https://x/?token=hunter2&a=1\n")
    lines(folder / "rows.jsonl", [row("k", status="failed", cause=f"cannot reach {url}")])
    page = Page(folder)
    assert "hunter2" not in page.html
    assert "postgresql+psycopg://me:***@host/db" in page.text
    assert masked_text("key=1 https://host/a:b@c") == "key=1 https://host/a:b@c"


def test_an_unfinished_run_shows_what_there_is(tmp_path: Path) -> None:
    folder = start(tmp_path / "score", "score")
    keys = nasbench201(5)
    lines(folder / "rows.jsonl", [row(key, score=i / 7) for i, key in enumerate(keys)])
    with (folder / "rows.jsonl").open("a") as stream:
        stream.write('{"key": "half a li')
    page = Page(folder)
    assert "has not finished: 5 rows are there" in page.text
    assert "1 line of rows.jsonl cannot be read" in page.text
    assert page.sheets["score-rows"]["columns"]["key"] == keys


@pytest.mark.parametrize("command", ["score", "dps", "search", "benchmark", "export", ""])
def test_a_directory_with_nothing_but_its_stamp_has_a_report(tmp_path: Path, command: str) -> None:
    folder = start(tmp_path / "run", command)
    for name in ("spec.yaml", "resolved.yaml"):
        (folder / name).unlink()
    assert "What was asked" in Page(folder).text


@pytest.mark.parametrize("command", ["score", "dps", "search", "benchmark"])
def test_damaged_files_are_left_out(tmp_path: Path, command: str) -> None:
    folder = start(tmp_path / "run", command)
    names = (
        "rows.jsonl timings.jsonl scores.csv scores.json correlations.json trials.csv result.json proxy.yaml top.csv"
    )
    for name in [*names.split(), "table.csv", "study.journal", "resolved.yaml"]:
        (folder / name).write_text('{"a": [\n"b"\n[1, 2]\nnull\n')
    assert "What was asked" in Page(folder).text


def test_another_user_can_read_it_and_nothing_is_written(tmp_path: Path) -> None:
    folder = score_run(tmp_path / "score", nasbench201(12))
    shutil.copy(Path(__file__), folder / "study.journal")
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    Page(folder)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_failed_and_diverged_rows_are_listed_by_cause(tmp_path: Path) -> None:
    folder = score_run(tmp_path / "score", nasbench201(12))
    failed = [
        row(f"k{i}", status="failed", score=None, cause="out of memory", hint="a smaller batch") for i in range(3)
    ]
    lines(folder / "rows.jsonl", [*failed, row("d", status="diverged", score=None)])
    page = Page(folder)
    assert re.search(r"3\s+failed\s+out of memory\s+a smaller batch", page.text)
    assert re.search(r"1\s+diverged\s+its value was not finite", page.text)


def numbers(page: Page, sheet: str, column: str) -> list[float]:
    values: list[float] = np.frombuffer(_bytes(page.sheets[sheet]["columns"][column])).tolist()
    return values


def test_a_dps_run_shows_history_front_settings_and_entrants(tmp_path: Path) -> None:
    page = Page(dps_run(tmp_path / "dps"))
    assert {"Who competed", "How the search went", "Objective against cost", "Which settings matter", "The result"} <= {
        *page.headings()
    }
    assert "The result is trial 3, with spearman 0.70 [0.20, 0.90] on the training architectures" in page.text
    assert "params has 0.30 [0.10, 0.60]" in page.text
    objective, best = (numbers(page, "dps-history", name) for name in ("objective", "best so far"))
    assert len(objective) == 9
    assert best == np.maximum.accumulate(objective).tolist()
    assert numbers(page, "dps-costs", "cost") == [2e9 * (i + 1) for i in range(9)]
    weights = numbers(page, "dps-importance", "importance")
    assert sum(weights) == pytest.approx(1)
    assert set(page.sheets["dps-importance"]["columns"]["setting"]) <= {"kernel", "features"}
    (folder := tmp_path / "dps").joinpath("study.journal").unlink()
    assert numbers(Page(folder), "dps-history", "objective") == objective
    (folder / "result.json").unlink()
    assert "9 of 6 trials are done" in Page(folder).text


def test_a_search_run_follows_the_order_of_proposal(tmp_path: Path) -> None:
    folder = search_run(tmp_path / "search")
    page = Page(folder)
    keys = nasbench201(12)
    assert page.sheets["search-evaluations"]["columns"]["key"] == keys[6:] + keys[:6]
    score, best = (np.array(numbers(page, "search-evaluations", name)) for name in ("score", "best so far"))
    assert np.isnan(score).tolist() == [key == keys[4] for key in keys[6:] + keys[:6]]
    assert best.tolist() == np.fmax.accumulate(score).tolist()
    assert page.html.count('class="ep-drawing"') == 10
    assert "Within the limits params ≤ 20,000" in page.text
    assert "number 2 of the metric table" in page.text
    costs = next(f for f in page.figures.values() if f["shades"])
    assert costs["shades"] == [{"panel": 0, "from": 0.0, "to": 20000.0}]
    for name in ("top.csv", "result.json"):
        (folder / name).unlink()
    unfinished = Page(folder)
    assert "12 of 12 evaluations are done" in unfinished.text
    assert np.nanmax(numbers(unfinished, "search-evaluations", "score")) == np.nanmax(score)


def test_the_front_of_a_search_is_beaten_by_none(tmp_path: Path) -> None:
    page = Page(search_run(tmp_path / "search"))
    sheet = page.sheets["search-evaluations"]
    score, macs = (np.array(numbers(page, "search-evaluations", name)) for name in ("score", "macs"))
    front = np.frombuffer(_bytes(sheet["rows"]["front macs"]), dtype="<i4")
    known = np.flatnonzero(np.isfinite(score))
    beaten = {i for i in known for j in known if score[j] > score[i] and macs[j] <= macs[i]}
    assert sorted(front) == sorted(set(known) - beaten)


def test_a_benchmark_run_shows_metric_size_and_time(tmp_path: Path) -> None:
    page = Page(benchmark_run(tmp_path / "bench"))
    assert {"Metric and size", "Distribution of the metric", "The best", "Time spent"} <= {*page.headings()}
    assert numbers(page, "bench-trained", "metric") == [40.0 + 3 * i for i in range(6)]
    assert "lowest accuracy" in page.text
    assert "9.0 s of one core in all" in page.text
    (tmp_path / "bench/table.csv").unlink()
    assert "6 of 5 architectures are trained" in Page(tmp_path / "bench").text


def test_what_was_learned_is_told_with_its_directions(tmp_path: Path) -> None:
    from eproxyctl import fewshot

    draw = np.random.default_rng(0)
    good, other = draw.normal(size=30), draw.normal(size=30)
    choice = fewshot.fit({"good": good, "bad": -good + 0.01 * other, "noise": other}, good)
    folder = dps_run(tmp_path / "dps")
    (folder / "proxy.yaml").write_text("kind: few-shot\nchoice: " + choice.model_dump_json())
    page = Page(folder)
    assert f"Learned: {choice.name}; {choice.reason}" in page.text
    names = page.sheets["dps-influences"]["columns"]["feature"]
    direction = dict(zip(names, numbers(page, "dps-influences", "direction"), strict=True))
    weight = dict(zip(names, numbers(page, "dps-influences", "weight"), strict=True))
    assert direction["good"] > 0.8
    assert weight["good"] > weight.get("noise", 0.0)
    assert direction.get("bad", -1.0) < -0.8


def test_several_score_runs_are_compared_and_so_are_those_that_cannot_be(tmp_path: Path) -> None:
    keys = nasbench201(30)
    one, two = score_run(tmp_path / "a/score", keys), score_run(tmp_path / "b/score", keys, ("other",))
    page = Page(one, two)
    assert page.headings()[0] == "Side by side"
    assert page.sheets["side-by-side"]["columns"]["column"][0] in ("a/score: score", "other")
    assert {name[:2] for name in page.sheets} == {"si", "1-", "2-"}
    unfinished = start(tmp_path / "c", "score")
    assert "The runs cannot be compared" in Page(one, unfinished).text


def test_a_space_that_is_not_there_has_no_pictures_and_says_so(tmp_path: Path) -> None:
    folder = score_run(tmp_path / "score", nasbench201(12))
    (folder / "resolved.yaml").write_text("space:\n  kind: mine\n")
    assert "There are no pictures: no space is called 'mine'" in Page(folder).text


def test_all_of_nasbench201_stays_small(tmp_path: Path) -> None:
    page = Page(score_run(tmp_path / "score", nasbench201(15_625), ("naswot", "synflow")))
    assert len(page.html) < 15_000_000
    assert {trace["type"] for trace in page.figures["f0"]["traces"]} == {"scattergl"}
    assert page.html.count("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|") < 5


def test_round_ticks() -> None:
    assert log_axis("n", np.array([900.0, 60_000.0]))["ticktext"] == ["1k", "2k", "5k", "10k", "20k", "50k"]
    assert "type" not in log_axis("n", np.array([1.0, 3.0]))
    assert "type" not in log_axis("n", np.array([-1.0, 300.0]))


def test_the_command_writes_a_file(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    score_run(tmp_path / "runs/score", nasbench201(12))
    result = cli("report", "runs/score", "--open")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "report: report.html\n")
    assert opened == [(tmp_path / "report.html").as_uri()]
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")


def test_what_cannot_be_reported_is_said(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    score_run(tmp_path / "runs/score", nasbench201(12))
    assert "no run directory" in cli("report", "runs").stderr
    assert cli("report", "runs").exit_code == 6
    assert cli("report", "runs/score", "runs/../runs/score").exit_code == 2
    assert cli("report", "runs/score", "-o", "report.pdf").exit_code == 2
    (tmp_path / "runs/score/run.json").write_text("[")
    assert "is damaged" in cli("report", "runs/score").stderr


def test_without_plotly_one_line_says_what_to_install(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score_run(tmp_path / "score", nasbench201(12))
    monkeypatch.setitem(sys.modules, "plotly", None)
    result = cli("report", tmp_path / "score", "-o", tmp_path / "r.html")
    assert result.exit_code == 2
    assert "pip install 'eproxyctl[report]'" in result.stderr
    assert not (tmp_path / "r.html").exists()
