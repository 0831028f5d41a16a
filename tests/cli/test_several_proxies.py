"""Several proxies in one pass, ensembles of them, and finished runs compared."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli
from ruamel.yaml import YAML
from scipy import stats

SEVERAL = "proxy=[naswot, {kind: synflow}, {kind: naswot, init: xavier_normal, label: other}]"
ENSEMBLE = "proxy={kind: ensemble, members: [naswot, {kind: eproxy, iterations: 2, map_size: 4}]}"
SAMPLE = "space.architectures={table: true, sample: 20}"


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_column_for_each_proxy_with_the_values_it_has_alone(table: Path, cli: Cli) -> None:
    rows = rows_of(cli("score", table, "--set", SEVERAL, "--set", SAMPLE).stdout)
    assert list(rows[0]) == [
        "key",
        "naswot",
        "synflow",
        "other",
        "params",
        "macs",
        "metric",
        "status",
        "cause",
        "trace",
    ]
    for kind in ("naswot", "synflow"):
        alone = rows_of(cli("score", table, "--set", f"proxy={kind}", "--set", SAMPLE, "--run", kind).stdout)
        assert [row["score"] for row in alone] == [row[kind] for row in rows]
    assert [row["other"] for row in rows] != [row["naswot"] for row in rows]


def test_same_bytes_for_any_workers_and_after_half_a_run(table: Path, cli: Cli) -> None:
    words = ("score", table, "--set", SEVERAL, "--set", SAMPLE)
    once = cli(*words, "--run", "a").stdout
    assert cli(*words, "--run", "b", "--workers", 2).stdout == once
    path = Path("a/rows.jsonl")
    whole = path.read_bytes()
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:31]) + b'{"half')
    assert cli(*words, "--run", "a").stdout == once
    assert path.read_bytes() == whole
    assert Path("a/scores.csv").read_bytes() == Path("b/scores.csv").read_bytes()


def test_one_proxy_may_fail_and_the_others_have_their_scores(tiny: Path, cli: Cli) -> None:
    plugins = tiny.parent / "plugins"
    plugins.mkdir()
    (plugins / "fragile.py").write_text(
        "from eproxyctl import Proxy, Score\n"
        "class Fragile(Proxy):\n    'Fragile.'\n    kind = 'fragile'\n"
        "    def score(self, network, batches, seed):\n"
        "        for module in network.modules():\n            module.register_forward_hook(lambda *a: 1 / 0)\n"
        "        raise MemoryError\n"
    )
    result = cli("score", tiny, "--set", "proxy=[fragile, naswot]", "--format", "json")
    assert result.exit_code == 1
    for row in json.loads(result.stdout)["rows"]:
        assert row["fragile"] is None
        assert row["naswot"] is not None
        assert row["status"] == "failed"
        assert row["cause"].startswith("fragile: out of memory; lower proxy.fidelity.width")


def test_an_ensemble_is_the_mean_rank_of_its_members(table: Path, cli: Cli) -> None:
    proxies = f"proxy=[{ENSEMBLE.removeprefix('proxy=')}, naswot, {{kind: eproxy, iterations: 2, map_size: 4}}]"
    rows = rows_of(cli("score", table, "--set", proxies, "--set", SAMPLE).stdout)
    naswot, eproxy = (np.array([float(row[kind]) for row in rows]) for kind in ("naswot", "eproxy"))
    mean = (stats.rankdata(naswot) + stats.rankdata(-eproxy)) / 2 / len(rows)
    assert [float(row["ensemble"]) for row in rows] == pytest.approx(list(mean))
    assert len(Path("runs/tiny/score/rows.jsonl").read_text().splitlines()) == 2 * len(rows)
    alone = rows_of(cli("score", table, "--set", ENSEMBLE, "--set", SAMPLE, "--run", "alone").stdout)
    assert [row["score"] for row in alone] == [row["ensemble"] for row in rows]


def test_dps_chooses_the_weights_of_an_ensemble_and_trains_each_member_once(table: Path, cli: Cli) -> None:
    words = ("dps", table, "--set", ENSEMBLE, "--trials", 12, "--format", "json")
    found = json.loads(cli(*words).stdout)
    assert found[0]["training"] >= next(row["training"] for row in found if row["proxy"] == "proxy of the spec")
    lines = [json.loads(line) for line in Path("runs/tiny/dps/rows.jsonl").read_text().splitlines()]
    assert len({(line["point"], line["key"]) for line in lines}) == len(lines)
    assert len({line["point"] for line in lines}) == 2
    result = cli(
        "score", table, "--set", "proxy=runs/tiny/dps/proxy.yaml", "--set", "space.architectures={table: true}"
    )
    assert result.exit_code == 0
    assert "excluded from the correlations" in result.stderr


@pytest.mark.parametrize(
    ("proxy", "message"),
    [
        ("[naswot, naswot]", "2 columns are called 'naswot'"),
        ("[]", "proxy"),
        ("[naswot, params]", "a column would be called 'params'"),
        ("[naswot, {kind: synflow, label: metric}]", "a column would be called 'metric'"),
        ("[naswott]", "did you mean naswot?"),
        ("{kind: ensemble, members: [naswot]}", "proxy.members"),
        ("{kind: ensemble, members: [naswot, synflo]}", "did you mean synflow?"),
        ("{kind: ensemble, members: [naswot, {kind: synflow, repeat: 2}]}", "unknown key 'repeat'"),
        ("{kind: ensemble, members: [naswot, synflow], weights: [1]}", "2 members need as many weights"),
    ],
)
def test_refusals(tiny: Path, cli: Cli, proxy: str, message: str) -> None:
    result = cli("score", tiny, "--set", f"proxy={proxy}")
    assert result.exit_code == 3, result.stderr
    assert message in result.stderr


def test_dps_tunes_one_proxy(table: Path, cli: Cli) -> None:
    result = cli("dps", table, "--set", SEVERAL)
    assert result.exit_code == 2
    assert "one proxy is tuned at a time" in result.stderr


def test_a_list_of_proxies_may_be_a_file(tiny: Path, cli: Cli) -> None:
    (tiny.parent / "proxies.yaml").write_text("- naswot\n- {kind: synflow}\n- tuned.yaml\n")
    (tiny.parent / "tuned.yaml").write_text("kind: eproxy\nlabel: tuned\niterations: 2\nmap_size: 4\n")
    text = tiny.read_text()
    tiny.write_text(text[: text.index("proxy:")] + "proxy: proxies.yaml\n")
    rows = rows_of(cli("score", tiny).stdout)
    assert {"naswot", "synflow", "tuned"} <= set(rows[0])


def test_compare_says_what_is_tied(table: Path, cli: Cli) -> None:
    everything = "space.architectures={table: true}"
    cli("score", table, "--set", "proxy=[synflow, {kind: params, label: weights}]", "--set", everything, "--run", "a")
    cli("score", table, "--set", "proxy=synflow", "--set", "seed=1", "--set", SAMPLE, "--run", "b")
    result = cli("compare", "a", "b", "--format", "json")
    found = json.loads(result.stdout)
    assert {row["column"] for row in found} == {"synflow", "weights", "b: score", "params", "macs"}
    assert found[0]["verdict"] == "best"
    assert [row["spearman"] for row in found] == sorted((row["spearman"] for row in found), reverse=True)
    for row in found[1:]:
        assert row["behind"] == pytest.approx(found[0]["spearman"] - row["spearman"])
        assert (row["verdict"] == "tied") == (row["behind_low"] <= 0 <= row["behind_high"])
    assert "40 architecture(s) are left out" in result.stderr
    shared = {row["key"] for row in rows_of(Path("b/scores.csv").read_text())}
    mine = [row for row in rows_of(Path("a/scores.csv").read_text()) if row["key"] in shared]
    scores, metric = [float(r["synflow"] or "-inf") for r in mine], [float(r["metric"]) for r in mine]
    expected = stats.spearmanr(scores, metric).statistic
    assert next(row for row in found if row["column"] == "synflow")["spearman"] == pytest.approx(expected)


def test_compare_refuses_what_cannot_be_compared(table: Path, tiny: Path, cli: Cli) -> None:
    assert cli("compare", "nowhere").exit_code == 6
    cli("score", table, "--set", SAMPLE, "--run", "a")
    assert cli("compare", "a", "a").exit_code == 2
    assert cli("compare", "a", "--statistic", "pearson").exit_code == 2
    cli("dps", table, "--run", "d")
    assert "belongs to `eproxyctl dps`" in cli("compare", "d").stderr
    Path("a/scores.json").unlink()
    assert "has not finished" in cli("compare", "a").stderr
    Path("table.csv").write_text(Path("table.csv").read_text() + "\n")
    cli("score", table, "--set", SAMPLE, "--run", "b")
    cli("score", table, "--run", "c", "--set", "task.table=null")
    result = cli("compare", "b", "c")
    assert result.exit_code == 5
    assert "different metric tables" in result.stderr
    assert "no metric table" in cli("compare", "c").stderr


FEW_SHOT = "proxy={kind: few-shot, members: [params, naswot]}"


def test_dps_teaches_the_few_shot_proxy_what_the_table_says(table: Path, cli: Cli) -> None:
    words = ("dps", table, "--set", FEW_SHOT, "--set", "dps.architectures=20", "--set", "dps.held_out=30")
    result = cli(*words, "--format", "json")
    assert "tiny: the result is the " in result.stderr
    found = json.loads(result.stdout)
    held_out = {row["proxy"]: row["held_out"] for row in found}
    assert list(held_out) == ["result", "naswot", "params", "macs"]
    assert held_out["result"] > 0.9  # the table counts 3×3 convolutions, and so does a trait
    text = Path("runs/tiny/dps/proxy.yaml").read_text()
    assert "# Learned: " in text
    once = Path("runs/tiny/dps/rows.jsonl").read_bytes()
    assert json.loads(cli(*words, "--format", "json").stdout) == found
    assert Path("runs/tiny/dps/rows.jsonl").read_bytes() == once
    tuned = ("score", table, "--set", "proxy=runs/tiny/dps/proxy.yaml", "--set", "space.architectures={table: true}")
    result = cli(*tuned, "--run", "tuned", "--format", "json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    spearman = next(c for c in document["correlations"] if (c["column"], c["statistic"]) == ("score", "spearman"))
    assert spearman["value"] > 0.9
    assert spearman["n"] <= 40


def test_members_that_differ_in_their_read_out_are_trained_once_and_read_apart(table: Path, cli: Cli) -> None:
    """Of two read-outs of one training, the second is the same feature as where it is alone."""
    path = table.parent / "table.csv"
    header, *lines = (line.rpartition(",") for line in path.read_text().splitlines())
    noisy = [f"{key},{float(value) + i * 37 % 60}" for i, (key, _, value) in enumerate(lines)]
    path.write_text("\n".join(["".join(header), *noisy]))
    last, first = "{kind: eproxy, iterations: 3}", "{kind: eproxy, iterations: 3, readout: {iteration: 1}}"
    scales = {}
    for run, members in {"both": f"{last}, {first}", "last": last, "first": first}.items():
        few_shot = f"proxy={{kind: few-shot, members: [{members}]}}"
        assert cli("dps", table, "--set", few_shot, "--set", "dps.architectures=25", "--run", run).exit_code == 0
        model = YAML(typ="safe").load(Path(run, "proxy.yaml").read_text())["choice"]["model"]
        scales[run] = {scale["name"]: scale["values"] for scale in model["scales"]}
    assert scales["both"]["1 eproxy.1"] == scales["last"]["1 eproxy.1"]
    assert scales["both"]["2 eproxy.1"] == scales["first"]["1 eproxy.1"]
    assert scales["first"]["1 eproxy.1"] != scales["last"]["1 eproxy.1"]
    assert Path("both/rows.jsonl").read_bytes() == Path("last/rows.jsonl").read_bytes()


def test_the_few_shot_proxy_scores_nothing_before_it_has_learned(table: Path, cli: Cli) -> None:
    result = cli("score", table, "--set", FEW_SHOT, "--set", SAMPLE)
    assert result.exit_code == 5
    assert "has learned nothing yet" in result.stderr
    assert "eproxyctl dps SPEC" in result.stderr


def test_what_a_member_was_tuned_on_stays_out_for_good(table: Path, cli: Cli) -> None:
    few = ("--set", "dps.architectures=20", "--set", "dps.held_out=30")
    assert cli("dps", table, "--set", FEW_SHOT, *few, "--run", "few").exit_code == 0
    nested = "proxy={kind: ensemble, members: [naswot, few/proxy.yaml]}"
    result = cli("score", table, "--set", nested, "--set", "space.architectures={table: true}", "--format", "json")
    assert "excluded from the correlations" in result.stderr
    assert max(c["n"] for c in json.loads(result.stdout)["correlations"]) <= 40
    again = ("dps", table, "--set", nested, "--seed", 1, "--set", "dps.held_out=100", "--trials", 2, "--run", "again")
    for row in json.loads(cli(*again, "--format", "json").stdout):
        assert row["n"] is None or row["n"] <= 40
    unlearned = f"proxy={{kind: ensemble, members: [naswot, {FEW_SHOT.removeprefix('proxy=')}]}}"
    for command in ("score", "dps"):
        result = cli(command, table, "--set", unlearned, "--set", SAMPLE, "--run", f"none-{command}")
        assert result.exit_code == 5
        assert "has learned nothing yet" in result.stderr
        assert not Path(f"none-{command}/rows.jsonl").exists() or not Path(f"none-{command}/rows.jsonl").read_text()


def test_an_exhausted_study_says_how_many_trials_it_had(table: Path, cli: Cli) -> None:
    result = cli("dps", table, "--set", ENSEMBLE, "--trials", 60)
    assert result.exit_code == 0
    trials = int(result.stderr.partition("repeated a point; ")[2].split()[0])
    assert trials < 60
    assert f" of {trials} by evolution" in Path("runs/tiny/dps/proxy.yaml").read_text()
