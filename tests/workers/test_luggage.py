"""What options name arrives on other machines, and options that are read there name the copies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eproxyctl import plugins
from eproxyctl.runs.identity import contents
from eproxyctl.training.trainee import TrainingContext
from eproxyctl.workers.luggage import pack, unpack

PLUGIN = """\
from collections.abc import Mapping
from eproxyctl import DataPath, Options, Proxy, ProxyOptions, Score

class Prior(Options):
    weights: DataPath
    name: str = ""

class RecordedProxy(Proxy):
    \"\"\"Knows records.\"\"\"
    kind = "recorded"

    class Options(ProxyOptions):
        priors: tuple[Prior, ...] = ()
        others: Mapping[str, DataPath] = {}
        built_in: Prior | DataPath | None = None

    def score(self, network, batches, seed):
        return Score(0.0)
"""


@pytest.fixture
def sources(tmp_path: Path) -> plugins.Sources:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "recorded.py").write_text(PLUGIN)
    return plugins.Sources((str(tmp_path / "own"),), installed=False)


def context(sources: plugins.Sources, files: tuple[tuple[str, str], ...]) -> TrainingContext:
    return TrainingContext(sources, (), "{}", "{}", "{}", 0, "cpu", files=files)


def arrived(sources: plugins.Sources, section: str, options: dict[str, Any]) -> Any:
    """The options as a worker elsewhere reads them from their JSON."""
    read = plugins.load_plugins(sources).parse(section, options)  # type: ignore[arg-type]
    sent = context(sources, contents([read]))
    there = unpack(sent, pack(sent, data=True))
    return plugins.load_plugins(there.sources).parse(section, read.model_dump(mode="json"))  # type: ignore[arg-type]


def test_copies_are_named_wherever_a_path_stands(tmp_path: Path, sources: plugins.Sources) -> None:
    """In a list of models, a mapping, a union, and a proxy inside another; a text that looks the same is left alone."""
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text(name * 3)
    a, b, c = (str(tmp_path / name) for name in ("a", "b", "c"))
    inner = {"kind": "recorded", "priors": [{"weights": a, "name": a}], "others": {"x": b}, "built_in": c}
    found = arrived(sources, "proxy", {"kind": "ensemble", "members": [inner, "params"]}).members[0]
    copies = (found.priors[0].weights, found.others["x"], found.built_in)
    assert [Path(path).read_text() for path in copies] == ["aaa", "bbb", "ccc"]
    assert not any(path.startswith(str(tmp_path / "abc"[i])) for i, path in enumerate(copies))
    assert found.priors[0].name == a


def test_a_folder_arrives_as_it_was_and_what_lies_in_it_stays_there(tmp_path: Path, sources: plugins.Sources) -> None:
    (tmp_path / "photos" / "masks").mkdir(parents=True)
    (tmp_path / "photos" / "1.png").write_bytes(b"image")
    (tmp_path / "photos" / "masks" / "1.png").write_bytes(b"mask")
    source = {"kind": "folder", "path": str(tmp_path / "photos"), "masks": str(tmp_path / "photos" / "masks")}
    found = arrived(sources, "task", {"kind": "segmentation", "source": source}).source
    assert Path(found.path, "1.png").read_bytes() == b"image"
    assert Path(found.masks, "1.png").read_bytes() == b"mask"
    assert Path(found.masks) == Path(found.path, "masks") != Path(source["masks"])


def test_nothing_is_sent_where_workers_see_the_same_files_or_nothing_is_there(
    tmp_path: Path, sources: plugins.Sources
) -> None:
    (tmp_path / "a").write_text("abc")
    options = {"kind": "recorded", "others": {"x": str(tmp_path / "a"), "y": "not/there"}}
    sent = context(sources, contents([plugins.load_plugins(sources).parse("proxy", options)]))
    assert pack(sent, data=False).size == 0
    assert pack(sent, data=True).size == 3
    assert arrived(sources, "proxy", options).others["y"] == "not/there"
