"""Specs: every problem at its place, references, overrides, where each value came from."""

from __future__ import annotations

import contextlib
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eproxyctl import plugins
from eproxyctl.errors import EproxyError, SpecError
from eproxyctl.spec.loading import Override, load_spec, quickstart
from eproxyctl.spec.models import json_schema
from eproxyctl.spec.nodes import parse

REGISTRY = plugins.load_plugins(plugins.Sources(installed=False))
GOOD = """\
version: 1
seed: 0
space:
  kind: nasbench201
  channels: 16
  architectures: {sample: 24}
task:
  kind: images
  source: {kind: photos}
  batch_size: 16
  resolution: 32
proxy: {kind: eproxy}
"""


def problems(tmp_path: Path, text: str | bytes, *overrides: Override) -> list[str]:
    path = tmp_path / "x.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SpecError) as caught:
        load_spec(path, REGISTRY, overrides)
    error = caught.value
    found = [f"{p.where.replace(str(path), 'x.yaml')}: {p.message} ({p.hint})" for p in error.problems]
    return found or [f"{error.message.replace(str(path), 'x.yaml')} ({error.hint})"]


def test_every_problem_at_once_with_its_place(tmp_path: Path) -> None:
    text = """\
version: 2
seed: many
space: {kind: nasbench201, chanels: 3, architectures: {sample: -1}}
task:
  kind: images
  source: {kind: photo}
  batch_size: 1.5
proxy:
  kind: eproxy
  init: xavier_unform
  branches: [{levl: 2}, {features: []}]
dsp: {trials: 2}
"""
    found = problems(tmp_path, text)
    expected = [
        "x.yaml:1:10: version: this is none of the choices, not 2",
        "x.yaml:2:7: seed: a whole number is needed, not 'many'",
        "x.yaml:3:28: unknown key 'chanels' in space (did you mean channels",
        "x.yaml:3:64: space.architectures.sample: input should be greater than 0",
        "x.yaml:6:18: task.source: there is no 'photo' (did you mean photos?)",
        "x.yaml:7:15: task.batch_size: a whole number is needed, not 1.5",
        "x.yaml:10:9: proxy.init: this is none of the choices, not 'xavier_unform' (did you mean xavier_uniform",
        "x.yaml:11:15: unknown key 'levl' in proxy.branches.0 (did you mean level?)",
        "x.yaml:11:36: proxy.branches.1.features:",
        "x.yaml:12:1: unknown key 'dsp' in the spec (did you mean dps?)",
    ]
    assert len(found) == len(expected)
    for line, start in zip(found, expected, strict=True):
        assert line.startswith(start)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "x.yaml is empty"),
        ("# nothing\n", "x.yaml is empty"),
        ("- a\n", "a spec is a mapping"),
        (b"\xff\xfe\x00", "is no text"),
        (b"a: \x00", "is no text"),
        (
            "a:\n\tb: 1\n",
            "x.yaml:2:1: found character '\\t' that cannot start any token (indent with spaces, not tabs)",
        ),
        ("seed: 1\nseed: 2\n", "x.yaml:2:1: duplicate key 'seed' (first given at"),
        ("a: &a [1]\nb: [*a, *a]\n", "x.yaml:1:4: YAML anchors and aliases are not used"),
        ("a: !!python/object/apply:os.system [ls]\n", "x.yaml:1:4: YAML tags are not used"),
        (GOOD + "---\na: 1\n", "a second document"),
        ("a: [1, 2\n", "x.yaml:2:1: expected"),
        ("space: {kind: nasbench201}\n", "there is no 'task'"),
        (GOOD.replace("kind: nasbench201", "kind: nasbench21"), "no space is called 'nasbench21' (did you mean"),
        (GOOD.replace("kind: nasbench201\n", "channel: 3\n"), "space needs a kind (known: "),
        (GOOD.replace("{kind: eproxy}", "nowhere.yaml"), "no file"),
        (GOOD.replace("{kind: eproxy}", "eproxi"), "no proxy is called 'eproxi' (did you mean eproxy?)"),
        ("[" * 3000, ""),
    ],
)
def test_broken_files_are_explained(tmp_path: Path, text: str | bytes, expected: str) -> None:
    if not expected:
        with pytest.raises((SpecError, RecursionError)):
            load_text(tmp_path, str(text))
        return
    assert any(expected in line for line in problems(tmp_path, text))


def load_text(tmp_path: Path, text: str, *overrides: Override):  # type: ignore[no-untyped-def]
    path = tmp_path / "x.yaml"
    path.write_text(text)
    return load_spec(path, REGISTRY, overrides)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(SpecError, match=r"no file nowhere\.yaml"):
        load_spec(Path("nowhere.yaml"), REGISTRY)


def test_sections_may_be_files_and_kinds(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "task.yaml").write_text("kind: images\nsource: {kind: npz, path: here.npz}\n")
    (tmp_path / "sub" / "here.npz").touch()
    loaded = load_text(tmp_path, "space: nasbench201\ntask: sub/task.yaml\nproxy: eproxy\n")
    assert loaded.spec.space.channels == 16
    assert loaded.spec.task.source.path == str(tmp_path / "sub" / "here.npz")
    assert loaded.origin(["task", "kind"]) == f"{tmp_path / 'sub' / 'task.yaml'}:1:7"
    assert loaded.origin(["space", "channels"]) == "default"


def test_paths_are_looked_up_beside_the_file_then_under_data(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "t.csv").touch()
    text = GOOD.replace("  resolution: 32\n", "  resolution: 32\n  table: {path: t.csv}\n")
    path = tmp_path / "x.yaml"
    path.write_text(text)
    assert load_spec(path, REGISTRY, data=[data]).spec.task.table.path == str(data / "t.csv")
    (tmp_path / "t.csv").touch()
    assert load_spec(path, REGISTRY, data=[data]).spec.task.table.path == str(tmp_path / "t.csv")


RECORDED = """\
from collections.abc import Mapping
from eproxyctl import DataPath, Options, Proxy, ProxyOptions, Score

class Prior(Options):
    weights: DataPath
    path: str = ""

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


def test_what_is_a_path_says_its_type_and_not_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In lists, mappings, unions and nested proxies; beside the file that names it, then under the data folders."""
    for name in ("own/recorded.py", "sub/near", "near", "data/far", "here/near"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "own" / "recorded.py").write_text(RECORDED)
    registry = plugins.load_plugins(plugins.Sources((str(tmp_path / "own"),), installed=False))
    member = "kind: recorded\npriors: [{weights: near, path: near}, {weights: far}]\nothers: {x: near}\nbuilt_in: no\n"
    (tmp_path / "sub" / "recorded.yaml").write_text(member.replace("no", "nowhere"))
    members = "[sub/recorded.yaml, {kind: recorded, others: {x: near}, built_in: {weights: near}}]"
    (tmp_path / "x.yaml").write_text(GOOD.replace("{kind: eproxy}", f"{{kind: ensemble, members: {members}}}"))
    monkeypatch.chdir(tmp_path / "here")
    override = Override("--set[0]", "proxy.members.1.priors", "[{weights: near}, {weights: far}]")
    loaded = load_spec(tmp_path / "x.yaml", registry, [override], [tmp_path / "data"])
    below, beside = loaded.spec.proxies[0].members  # type: ignore[attr-defined]
    assert [prior.weights for prior in below.priors] == [str(tmp_path / "sub/near"), str(tmp_path / "data/far")]
    assert below.priors[0].path == "near"
    assert (below.others["x"], below.built_in) == (str(tmp_path / "sub/near"), str(tmp_path / "sub/nowhere"))
    assert (beside.others["x"], beside.built_in.weights) == (str(tmp_path / "near"), str(tmp_path / "near"))
    assert [prior.weights for prior in beside.priors] == ["near", str(tmp_path / "data/far")]


def test_a_path_that_is_none_is_said_as_it_was_written(tmp_path: Path) -> None:
    found = problems(tmp_path, GOOD.replace("{kind: photos}", "{kind: npz, path: [a.npz]}"))
    assert found == ["x.yaml:9:29: task.source.path: text is needed ()"]


def test_overrides_win_and_say_where_they_are(tmp_path: Path) -> None:
    loaded = load_text(tmp_path, GOOD, Override("--set[0]", "space.channels", "8"), Override("--seed", "seed", "3"))
    assert (loaded.spec.space.channels, loaded.spec.seed) == (8, 3)
    assert loaded.origin(["space", "channels"]) == "--set[0]"
    assert "--set[0]: space.channels" in problems(tmp_path, GOOD, Override("--set[0]", "space.channels", "x"))[0]


def test_an_override_is_text_where_text_is_wanted(tmp_path: Path) -> None:
    loaded = load_text(
        tmp_path,
        GOOD,
        Override("--set[0]", "task.table", "{path: a}"),
        Override("--set[1]", "task.table.metric", "012"),
    )
    assert loaded.spec.task.table.metric == "012"


def test_another_kind_drops_the_keys_of_the_old_one(tmp_path: Path) -> None:
    loaded = load_text(tmp_path, GOOD, Override("--set[0]", "space.kind", "mobilenet"))
    assert "--set[0]: space is now 'mobilenet', so its channels no longer apply" in loaded.notes
    assert loaded.spec.space.architectures.sample == 24


def test_the_quickstart_finds_its_table_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    loaded = load_spec(quickstart(), REGISTRY)
    assert loaded.spec.task.table is not None
    assert Path(loaded.spec.task.table.path) == quickstart().parent / "digits201.csv"


def test_the_schema_accepts_what_loads_and_refuses_what_does_not() -> None:
    schema = json_schema(REGISTRY)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(parse(GOOD, "x").plain(), schema)
    jsonschema.validate({"space": "nasbench201", "task": "a.yaml", "proxy": "eproxy"}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"space": {"kind": "nasbench201", "chanels": 1}, "task": "a.yaml", "proxy": "x"}, schema)


@given(st.text(max_size=60) | st.text("{}[]:,-&*!#|>%@\"' \n\tab1", max_size=40))
def test_no_text_breaks_the_reader(text: str) -> None:
    with contextlib.suppress(EproxyError):
        parse(text, "x")
