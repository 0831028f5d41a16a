"""Size as a proxy: from the key where it can be, from the network where it must."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from eproxyctl.contracts import Batches, Score, Seed
from eproxyctl.networks.counting import by_size, size_of
from eproxyctl.networks.size import materialise
from eproxyctl.proxies.size import MacsProxy, ParamsProxy
from eproxyctl.spaces.nasbench201 import NasBench201Space


@pytest.mark.parametrize("kind", [ParamsProxy, MacsProxy])
def test_the_score_of_a_size_is_that_of_the_network(kind: type[ParamsProxy] | type[MacsProxy]) -> None:
    import torch

    proxy, space = kind(kind.Options()), NasBench201Space(NasBench201Space.Options())
    shape = (3, 16, 16)
    network = materialise(lambda: space.build(space.example, shape, 10, pruned=False))
    batches = Batches(torch.zeros(2, *shape), None)
    sized = by_size(proxy)
    assert sized is not None
    assert sized.of_size(*size_of(space, space.example, shape, 10)) == proxy.score(network, batches, Seed(0, 0))


def test_a_proxy_that_scores_otherwise_than_its_parent_is_given_a_network() -> None:
    class Fewest(ParamsProxy):
        def score(self, network: object, batches: Batches, seed: Seed) -> Score:
            return Score(0.0)

    assert by_size(Fewest(Fewest.Options())) is None


SPEC = """\
version: 1
seed: 0
space: {kind: nasbench201, architectures: {sample: 5}}
task: {kind: images, source: {kind: digits}, batch_size: 4, resolution: 16}
proxy: [{kind: params, label: a}, {kind: macs, label: b}]
"""


def test_scoring_by_size_builds_nothing_and_is_the_size(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(SPEC)
    program = (
        "import sys; from eproxyctl.networks import counting; from eproxyctl.cli import app\n"
        "try: app(['score', 'spec.yaml', '--workers', '0', '--format', 'jsonl'])\n"
        "except SystemExit as done: assert not done.code, done.code\n"
        "assert 'eproxyctl.networks.nasbench201' not in sys.modules\n"
    )
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == 5
    assert all((row["params"], row["macs"]) == (row["a"], row["b"]) for row in rows)
