"""The ledger: rows paid once, failed ones tried once more a run, damaged ones paid for again, order as asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eproxyctl.runs import files
from eproxyctl.runs.ledger import POINT, ROWS, TIMINGS, Ledger, stream, timings
from eproxyctl.runs.rows import Row, Status
from eproxyctl.workers.executors import Outcome

ABOUT = ({POINT: "p"}, {POINT: "q"})


class Job:
    def __init__(self, key: str, points: list[str]) -> None:
        self.key, self.points = key, points


def paid(folder: Path, keys: list[str], *, fails: frozenset[str] = frozenset()) -> list[tuple[str, str]]:
    """(key, point) of what is scored now; leaves the rows in the order of `keys`."""
    scored: list[tuple[str, str]] = []

    def run(jobs: object) -> object:
        for job in list(jobs)[::-1]:  # type: ignore[call-overload]
            outcomes = []
            for point in job.points:
                scored.append((job.key, point))
                status: Status = "failed" if job.key in fails else "ok"
                outcomes.append(Outcome(Row(job.key, job.key, status, 1.5, cause="why"), 0.25))
            yield job, tuple(outcomes)

    with Ledger(folder, Row.from_json) as ledger:
        rows = list(stream(ledger, keys, ABOUT, Job, run))  # type: ignore[arg-type]
    assert [[row.key for row in each] for each in rows] == [[key, key] for key in keys]
    return scored


def test_nothing_is_paid_twice_and_rows_end_in_the_order_asked_for(tmp_path: Path) -> None:
    assert sorted(paid(tmp_path, ["a", "b"])) == [("a", "p"), ("a", "q"), ("b", "p"), ("b", "q")]
    assert sorted(paid(tmp_path, ["c", "a", "b"])) == [("c", "p"), ("c", "q")]
    lines = [json.loads(line) for line in (tmp_path / ROWS).read_text().splitlines()]
    assert [(line["key"], line[POINT]) for line in lines] == [(k, p) for k in "cab" for p in "pq"]
    assert {timing.seconds for timing in timings(tmp_path)} == {0.25}


def test_a_failed_row_is_tried_once_more_by_the_next_run(tmp_path: Path) -> None:
    assert len(paid(tmp_path, ["a", "b"], fails=frozenset("a"))) == 4
    assert paid(tmp_path, ["a", "b"], fails=frozenset("a")) == [("a", "p"), ("a", "q")]
    assert paid(tmp_path, ["a", "b"]) == [("a", "p"), ("a", "q")]
    assert paid(tmp_path, ["a", "b"]) == []


@pytest.mark.parametrize("damage", [('"score":1.5', '"score":1.6'), ('"key":"a"', '"key":"z"'), ("{", "[")])
def test_a_damaged_row_is_named_and_paid_for_again(tmp_path: Path, damage: tuple[str, str]) -> None:
    paid(tmp_path, ["a", "b"])
    whole = (tmp_path / ROWS).read_bytes()
    path = tmp_path / ROWS
    path.write_text(path.read_text().replace(damage[0], damage[1], 1))
    with Ledger(tmp_path, Row.from_json) as ledger:
        (note,) = ledger.notes
        assert note == f"{path}: 1 damaged (line 1); what they held is paid for again"
    assert paid(tmp_path, ["a", "b"]) == [("a", "p")]
    assert path.read_bytes() == whole


def test_lines_of_an_earlier_version_have_no_checksum_and_are_read(tmp_path: Path) -> None:
    paid(tmp_path, ["a"])
    path = tmp_path / ROWS
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        del line[files.CHECK]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + "5\n{}\n")
    assert paid(tmp_path, ["a"]) == []


def test_damaged_timings_cost_nothing(tmp_path: Path) -> None:
    paid(tmp_path, ["a"])
    with (tmp_path / TIMINGS).open("a") as file:
        file.write('5\n{}\n{"key": 3, "seconds": "x"}\nno json\n')
    assert len(list(timings(tmp_path))) == 2


def test_rows_of_another_process_replace_failed_ones_only(tmp_path: Path) -> None:
    about = {POINT: "p"}
    with Ledger(tmp_path, Row.from_json) as ledger:
        ledger.pay("a", about, Outcome(Row("a", "a", "failed", cause="why"), 0.0))
        assert not ledger.adopt(Row("a", "a", "ok", 2.0).to_json(**about))
        assert not ledger.adopt(Row("a", "a", "ok", 3.0).to_json(**about))
        assert ledger.adopt(Row("b", "b", "ok", 4.0).to_json(**about))
        assert (ledger.get("a", "p").score, ledger.get("b", "p").score) == (2.0, 4.0)
        assert (len(ledger), ledger.failed, ledger.architectures) == (2, 0, 2)
