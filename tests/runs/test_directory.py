"""Run directories: whole lines only, one writer, one spec."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eproxyctl.errors import RunError
from eproxyctl.runs import directory as rundir
from eproxyctl.runs import files
from eproxyctl.runs.rows import Row


def directory(path: Path, command: str = "score", **identity: object) -> rundir.RunDirectory:
    return rundir.RunDirectory(path, command, {"space": "a", **identity}, {"spec.yaml": "x"}, ())


def test_one_writer(tmp_path: Path) -> None:
    with directory(tmp_path / "run"), pytest.raises(RunError, match="another process"), directory(tmp_path / "run"):
        pass
    with directory(tmp_path / "run"):
        pass


def test_another_spec_or_command_is_refused_by_name(tmp_path: Path) -> None:
    with directory(tmp_path / "run"):
        pass
    with pytest.raises(RunError, match="another spec: space changed"), directory(tmp_path / "run", space="b"):
        pass
    with pytest.raises(RunError, match="belongs to `eproxyctl score`"), directory(tmp_path / "run", "dps"):
        pass
    (tmp_path / "run" / "run.json").write_text("{")
    with pytest.raises(RunError, match="damaged"), directory(tmp_path / "run"):
        pass


@given(st.lists(st.text("ab", max_size=3), max_size=4), st.text("ab", max_size=5))
def test_half_a_line_is_cut(tmp_path_factory: pytest.TempPathFactory, whole: list[str], rest: str) -> None:
    path = tmp_path_factory.mktemp("log") / "rows"
    text = "".join(f"{line}\n" for line in whole)
    path.write_text(text + rest)
    files.repair(path)
    assert path.read_text() == text


def test_a_log_of_large_lines_is_cut_too(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_text("a" * 200_000 + "\n" + "b" * 200_000)
    files.repair(path)
    assert path.stat().st_size == 200_001


def test_damaged_lines_are_passed_over_and_counted(tmp_path: Path) -> None:
    whole = files.sealed('{"a":1.25}')
    changed = whole.replace("1.25", "1.26")
    (tmp_path / "rows").write_text(f'{whole}\nno json\n{changed}\n5\n{{"a": 2}}\n')
    damaged: list[int] = []
    assert [line["a"] for line in files.lines(tmp_path / "rows", damaged)] == [1.25, 2]
    assert damaged == [2, 3, 4]


def test_a_full_device_is_explained() -> None:
    log = files.Log(Path("/dev/full"))
    with pytest.raises(RunError) as caught:
        log.append("x" * 10)
    assert "No space left" in caught.value.message
    assert "continues where it stopped" in caught.value.hint
    log.close()


@given(
    st.floats(allow_nan=False, allow_infinity=False), st.lists(st.lists(st.floats(-1e9, 1e9), max_size=3), max_size=3)
)
def test_rows_round_trip_exactly(score: float, trace: list[list[float]]) -> None:
    import json

    row = Row("k", "c", "ok", score, None, 1, 2, (tuple(map(tuple, trace)),))
    assert Row.from_json(json.loads(row.to_json(point="p"))) == row
