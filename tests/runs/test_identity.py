"""What a run depends on: files that options name, minibatches, versions; and runs that noted less of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Cli

from eproxyctl.errors import RunError
from eproxyctl.runs import directory as rundir
from eproxyctl.runs.identity import changed, comparable, content, study_name

PLUGIN = """\
from collections.abc import Mapping
from pathlib import Path
import numpy as np
from eproxyctl import FULL, Batches, DataPath, Needs, Options, Proxy, ProxyOptions, Score, Task, TaskOptions

class MeasuredTask(Task):
    \"\"\"Its minibatch is the same whatever the measurements end with.\"\"\"
    kind = "measured"
    shape = (3, 8, 8)

    class Options(TaskOptions):
        measurements: DataPath

    def batch(self, seed, fidelity=FULL, n=1):
        import torch
        return Batches(torch.from_numpy(np.load(self.options.measurements)[: 2 * n]))

class HiddenTask(MeasuredTask):
    \"\"\"Its data is named by no option.\"\"\"
    kind = "hidden"

    class Options(TaskOptions):
        pass

    def batch(self, seed, fidelity=FULL, n=1):
        import torch
        return Batches(torch.from_numpy(np.load("m.npy")[: 2 * n]))

class Prior(Options):
    weights: DataPath

class RecordedProxy(Proxy):
    \"\"\"The length of what its options name.\"\"\"
    kind = "recorded"

    class Options(ProxyOptions):
        priors: tuple[Prior, ...] = ()
        others: Mapping[str, DataPath] = {}

    def score(self, network, batches, seed):
        paths = [*(prior.weights for prior in self.options.priors), *self.options.others.values()]
        return Score(float(sum(len(Path(path).read_text()) for path in paths)))
"""


@pytest.fixture
def measured(tiny: Path) -> Path:
    """A spec whose task and proxy are plugins that read files."""
    Path("plugins").mkdir()
    Path("plugins", "measured.py").write_text(PLUGIN)
    np.save("m.npy", np.random.default_rng(0).random((6, 3, 8, 8)).astype(np.float32))
    Path("a.txt").write_text("abc")
    Path("b.txt").write_text("de")
    head = tiny.read_text().partition("task:")[0].replace("sample: 6", "sample: 2")
    proxy = "{kind: recorded, priors: [{weights: a.txt}], others: {more: b.txt}}"
    tiny.write_text(f"{head}task: {{kind: measured, measurements: m.npy}}\nproxy: {proxy}\n")
    return tiny


def stamped(folder: str = "run") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(folder, "run.json").read_text())
    return found


def test_data_of_plugins_that_changed_is_refused_by_name(measured: Path, cli: Cli) -> None:
    """Under another name it is the same data; the minibatch does not show what changed."""
    words = ("score", measured, "--run", "run")
    assert cli(*words).exit_code == 0
    Path("a.txt").rename("moved.txt")
    Path("m.npy").rename("moved.npy")
    moved = ("--set", "proxy.priors=[{weights: moved.txt}]", "--set", "task.measurements=moved.npy")
    assert cli(*words, *moved).exit_code == 0
    data = np.load("moved.npy")
    data[-1] += 1
    np.save("moved.npy", data)
    Path("b.txt").write_text("other")
    result = cli(*words, *moved)
    assert result.exit_code == 6
    assert "another spec: content of proxy.others.more, content of task.measurements changed" in result.stderr
    assert "--run" in result.stderr


def test_data_that_no_option_names_shows_in_the_minibatch(measured: Path, cli: Cli) -> None:
    words = ("score", measured, "--run", "run", "--set", "task.kind=hidden")
    assert cli(*words).exit_code == 0
    assert cli(*words).exit_code == 0
    np.save("m.npy", np.load("m.npy") + 1)
    result = cli(*words)
    assert result.exit_code == 6
    assert "draws another minibatch now" in result.stderr


def test_content_is_that_of_all_files_of_a_folder_and_their_names(tmp_path: Path) -> None:
    def folder(**files: str) -> str:
        root = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        for name, text in files.items():
            path = root / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return content(str(root))

    one = folder(a="1", b__c="2")
    assert one == folder(b__c="2", a="1")
    assert len({one, folder(a="1", b__c="3"), folder(a="1", c="2"), folder(a="1"), content(str(tmp_path / "no"))}) == 5
    large = tmp_path / "large"
    large.write_bytes(bytes(3_000_000))
    assert content(str(large)) != content(str(tmp_path / "0" / "a"))


def former(identity: dict[str, Any], images: str) -> dict[str, Any]:
    """As format 1 had it."""
    new = ("format", "minibatch", *(name for name in identity if name.startswith("content of ")))
    return {name: part for name, part in identity.items() if name not in new} | {"images": images}


EMPTY = "e3b0c44298fc1c14"
"""What format 1 said of no files."""


def test_a_run_that_noted_less_continues_where_it_is_certain_to_be_the_same(tiny: Path, cli: Cli) -> None:
    words = ("score", tiny, "--run", "run")
    assert cli(*words).exit_code == 0
    rows, stamp = Path("run/rows.jsonl").read_bytes(), stamped()
    Path("run/run.json").write_text(json.dumps(stamp | {"identity": former(stamp["identity"], EMPTY)}))
    assert cli(*words).exit_code == 0
    assert Path("run/rows.jsonl").read_bytes() == rows
    assert stamped()["identity"] == stamp["identity"]
    Path("run/run.json").write_text(json.dumps(stamp | {"identity": former(stamp["identity"], "0" * 16)}))
    result = cli(*words)
    assert result.exit_code == 6
    assert "made by an earlier eproxyctl" in result.stderr
    assert "name another directory with --run" in result.stderr
    other = former(stamp["identity"], EMPTY) | {"seed": 1}
    Path("run/run.json").write_text(json.dumps(stamp | {"identity": other}))
    assert "another spec: seed changed" in cli(*words).stderr


def test_of_one_file_the_former_digest_can_be_told() -> None:
    """Of a plugin's data nobody noted anything, so that nothing is certain."""
    file = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    now = {"format": 2, "seed": 0, "plugins": "4f53cda18c2baa0c", "content of task.source.path": file}
    images = "4f8b42c22dd3729b"
    assert comparable(former(now, images), now)
    assert changed(former(now, images), now) == []
    assert not comparable(former(now, EMPTY), now)
    assert not comparable(former(now | {"plugins": "x"}, images), now | {"plugins": "x"})
    assert not comparable(former(now, images) | {"format": 3}, now)


def test_hosts_that_draw_other_last_bits_share_a_study() -> None:
    names = {"format": 2, "space": "a", "minibatch": "b"}
    assert study_name("dps", names) == study_name("dps", names | {"minibatch": "c"})
    assert study_name("dps", names) != study_name("dps", names | {"space": "c"})


def test_rows_of_other_versions_are_refused_until_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"torch": "2.12.0", "numpy": "2.4", "eproxyctl": "0.1.0", "scipy": "1.0"}
    monkeypatch.setattr(rundir, "_version", lambda name: versions.get(name, "1"))

    def enter(*, accept_versions: bool = False) -> dict[str, Any]:
        with rundir.RunDirectory(tmp_path, "score", {"space": "a"}, {}, (), accept_versions=accept_versions):
            stamp: dict[str, Any] = stamped(str(tmp_path))["stamp"]
            return stamp

    enter()
    versions["scipy"] = "2.0"
    assert enter()["versions"]["scipy"] == "2.0"
    versions |= {"torch": "2.13.0", "eproxyctl": "0.2.0"}
    with pytest.raises(
        RunError, match=r"made with eproxyctl 0\.1\.0 and torch 2\.12\.0, and this is .*torch 2\.13\.0"
    ) as e:
        enter()
    assert e.value.exit_code == 6
    assert "--run" in e.value.hint
    assert "--accept-versions" in e.value.hint
    assert stamped(str(tmp_path))["stamp"]["versions"]["torch"] == "2.12.0"
    stamp = enter(accept_versions=True)
    first = {"eproxyctl": "0.1.0", "torch": "2.12.0", "numpy": "2.4"}
    assert (stamp["versions"]["torch"], stamp["earlier versions"]) == ("2.13.0", [first])
    assert enter()["earlier versions"] == [first]
    versions |= {"torch": "2.12.0", "eproxyctl": "0.1.0"}
    assert [each["torch"] for each in enter()["earlier versions"]] == ["2.13.0"]


@pytest.mark.parametrize("command", ["score", "search", "dps", "benchmark"])
def test_every_command_that_pays_for_rows_takes_the_flag(table: Path, cli: Cli, command: str) -> None:
    table.write_text(table.read_text() + "search: {evaluations: 2}\n")
    source = ("--set", "task.source={kind: digits}", "--set", "train={architectures: 1, epochs: 1, images: 64}")
    known = ("--set", "space.architectures={table: true, sample: 4}")
    words = (command, table, *source, *known, "--run", "run")
    assert cli(*words).exit_code == 0
    stamp = stamped()
    stamp["stamp"]["versions"]["torch"] = "2.0"
    Path("run/run.json").write_text(json.dumps(stamp))
    refused = cli(*words)
    assert refused.exit_code == 6
    assert "torch 2.0" in refused.stderr
    assert cli(*words, "--accept-versions").exit_code == 0
    assert stamped()["stamp"]["earlier versions"][0]["torch"] == "2.0"
