"""`export` from the outside: every format is loaded back and gives the outputs of the network that was scored."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import Cli
from torch import nn

from eproxyctl.contracts import Seed
from eproxyctl.networks.initialise import generator, initialise
from eproxyctl.networks.size import as_module, materialise
from eproxyctl.spaces.nasbench201 import NasBench201Space

CHEAP = ("--set", "proxy.kind=params", "-n", 4)
SPACE = NasBench201Space(NasBench201Space.Options(channels=2, cells=1))
INPUTS = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(5))
OTHER = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|"


def network(key: str, seed: int = 0) -> nn.Module:
    """As export draws an untrained one."""
    module = as_module(materialise(lambda: SPACE.build(key, (3, 16, 16), 10)))
    initialise(module, "default", generator(Seed.of(seed, SPACE.canonical(key)).weights))
    return module.eval()


@pytest.fixture
def best(tiny: Path, cli: Cli) -> str:
    assert cli("search", tiny, *CHEAP).exit_code == 0
    return str(json.loads(Path("runs/tiny/search/result.json").read_text())["top"][0]["key"])


def outputs(module: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = module(INPUTS)
    return found


def test_source_that_needs_torch_only(best: str, cli: Cli) -> None:
    from safetensors.torch import load_file, save_file

    trained = network(best, seed=9)
    save_file(trained.state_dict(), "trained.safetensors", {"key": best, "mean": "[0.5]", "std": "[0.1]"})
    result = cli("export", "runs/tiny/search", "--weights", "trained.safetensors")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == ["runs/tiny/search/export/top1.py", "runs/tiny/search/export/top1.safetensors"]
    save_file({"inputs": INPUTS}, "inputs.safetensors")
    program = """if True:
        import sys
        import torch
        from safetensors.torch import load_file, save_file
        from top1 import Network
        network = Network()
        network.load_state_dict(load_file("top1.safetensors"))
        network.eval()
        inputs = load_file("../../../../inputs.safetensors")["inputs"]
        save_file({"outputs": network(inputs).detach()}, "outputs.safetensors")
        assert not any(name.startswith("eproxyctl") for name in sys.modules)
    """
    folder = Path("runs/tiny/search/export")
    subprocess.run([sys.executable, "-c", program], cwd=folder, check=True)
    torch.testing.assert_close(load_file(folder / "outputs.safetensors")["outputs"], outputs(trained))
    text = (folder / "top1.py").read_text()
    assert best in text
    assert "mean [0.5], std [0.1]" in text


def test_torch_export(best: str, cli: Cli) -> None:
    assert cli("export", "runs/tiny/search", "--format", "pt2", "-o", "out").exit_code == 0
    program = torch.export.load("out/top1.pt2")
    torch.testing.assert_close(outputs(program.module()), outputs(network(best)))


def test_onnx(best: str, cli: Cli) -> None:
    for package in ("onnx", "onnxscript"):
        pytest.importorskip(package)
    runtime = pytest.importorskip("onnxruntime")
    result = cli("export", "runs/tiny/search", "--format", "onnx", "-o", "out")
    assert result.exit_code == 0
    assert result.stdout == "out/top1.onnx\n"
    session = runtime.InferenceSession("out/top1.onnx")
    (found,) = session.run(None, {"input": INPUTS.numpy()})
    torch.testing.assert_close(torch.from_numpy(found), outputs(network(best)), rtol=1e-4, atol=1e-5)


def test_an_architecture_by_its_key_and_several_of_the_top(best: str, tiny: Path, cli: Cli) -> None:
    result = cli("export", "--spec", tiny, "--architecture", "[[3],[3,3],[1,3,2]]")
    assert result.exit_code == 0
    assert result.stdout == "runs/tiny/export/network.py\n"
    assert OTHER in Path("runs/tiny/export/network.py").read_text()
    assert cli("export", "runs/tiny/search", "--top", 3, "-o", "out").stdout.split() == [
        f"out/top{i}.py" for i in (1, 2, 3)
    ]
    many = cli("export", "runs/tiny/search", "--top", 9)
    assert many.exit_code == 2
    assert "runs/tiny/search has 4" in many.stderr


def test_what_cannot_be_exported(best: str, tiny: Path, cli: Cli) -> None:
    from safetensors.torch import save_file

    save_file(network(OTHER).state_dict(), "other.safetensors", {"key": OTHER})
    other = cli("export", "runs/tiny/search", "--weights", "other.safetensors")
    assert other.exit_code == 5
    assert f"the weights are those of {OTHER}" in other.stderr
    save_file({"x": torch.zeros(1)}, "bare.safetensors")
    bare = cli("export", "runs/tiny/search", "--weights", "bare.safetensors")
    assert bare.exit_code == 5
    assert "the weights do not fit" in bare.stderr
    Path("no.safetensors").write_text("no")
    assert cli("export", "runs/tiny/search", "--weights", "no.safetensors").exit_code == 5
    assert cli("export").exit_code == 2
    assert cli("export", "--spec", tiny).exit_code == 2
    nowhere = cli("export", "runs/none")
    assert nowhere.exit_code == 6
    assert "runs/none is no run of `eproxyctl search`" in nowhere.stderr
    assert cli("export", "runs/tiny/search", "--architecture", "what").exit_code == 3
