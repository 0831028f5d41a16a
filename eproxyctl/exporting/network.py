"""An architecture as a network that needs no eproxyctl: Python source, torch.export, ONNX, weights as safetensors."""

from __future__ import annotations

import importlib.util
import logging
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from eproxyctl.contracts import Seed, Space, Task, Trainable
from eproxyctl.errors import DataError
from eproxyctl.exporting.weights import Weights, numbers, require
from eproxyctl.runs import files

if TYPE_CHECKING:
    from torch import nn

Format = Literal["python", "pt2", "onnx"]
SUFFIX: dict[Format, str] = {"python": ".py", "pt2": ".pt2", "onnx": ".onnx"}
TOLERANCE = 1e-4
"""By how much the written network may differ from ours: average pooling is summed in another order."""
WEIGHTS = """
Trained weights, parameter by parameter, are in {file}:

    from safetensors.torch import load_file

    network = Network()
    network.load_state_dict(load_file("{file}"))
    network.eval()
"""


@dataclass(frozen=True)
class Subject:
    """What is exported: an architecture of a space, for inputs of a shape (channels, *spatial).

    With a task that networks are trained on, it has the head that the task gives them.
    """

    space: Space
    key: str
    shape: tuple[int, ...]
    outputs: int
    seed: int
    task: Task | None = None

    def network(self) -> nn.Module:
        """As `benchmark` trains it, its values not set yet."""
        from eproxyctl.networks.size import as_module

        network = self.space.build(self.key, self.shape, self.outputs)
        return self.task.model(network) if isinstance(self.task, Trainable) else as_module(network)


def write_network(
    subject: Subject, folder: Path, name: str, format: Format, weights: Weights | None = None
) -> list[Path]:
    """Write the network; what was written is read back and gives the same outputs.

    Args:
        folder: made where it does not exist.
        name: of the files, without suffix.
        format: `python` writes weights beside the source, where there are any; the others hold them.

    Raises:
        DataError: weights of another architecture, or a network that cannot be written down.
    """
    with files.explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    network = build_network(subject, weights)
    path = folder / f"{name}{SUFFIX[format]}"
    text = _source(subject, name, weights)
    if format != "python":
        with TemporaryDirectory() as temporary:
            file = Path(temporary, "network.py")
            file.write_text(text, "utf-8")
            written = _checked(load_written(file), network, subject)
        with files.explained(path):
            (_pt2 if format == "pt2" else _onnx)(written, subject.shape, path)
        return [path]
    files.write(path, text)
    _checked(load_written(path), network, subject)
    return [path, *([_save(path.with_suffix(".safetensors"), subject, weights)] if weights else [])]


def build_network(subject: Subject, weights: Weights | None = None) -> nn.Module:
    """Our network in evaluation mode, with these weights or with those drawn from the seed.

    Raises:
        DataError: weights of another architecture.
    """
    from eproxyctl.networks.initialise import generator, initialise
    from eproxyctl.networks.size import materialise

    network = materialise(subject.network)
    canonical = subject.space.canonical
    initialise(network, "default", generator(Seed.of(subject.seed, canonical(subject.key)).weights))
    if weights:
        key = weights.metadata.get("key")
        if key is not None and canonical(key) != canonical(subject.key):
            raise DataError(f"the weights are those of {key}", hint=f"--architecture '{key}'")
        try:
            network.load_state_dict(weights.values)
        except RuntimeError as error:
            cause = str(error).splitlines()[1].strip()[:200] if "\n" in str(error) else str(error)[:200]
            raise DataError(f"the weights do not fit {subject.key}: {cause}") from None
    return network.eval()


def load_written(path: Path) -> nn.Module:
    """The network that a written file defines."""
    spec = importlib.util.spec_from_file_location(f"_exported_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    network: nn.Module = module.Network()
    return network


def _source(subject: Subject, name: str, weights: Weights | None) -> str:
    import torch

    from eproxyctl.networks.size import count
    from eproxyctl.networks.source import source
    from eproxyctl.networks.tracing import Unsupported

    space, key, shape = subject.space, subject.key, subject.shape
    params, macs = count(subject.network, shape)
    with torch.device("meta"):
        network = subject.network().eval()
        gives = network(torch.empty(2, *shape)).shape[1:]
    takes, gives = (", ".join(map(str, sides)) for sides in (shape, gives))
    lines = [
        f"An architecture of {space.kind}: takes [batch, {takes}], gives [batch, {gives}].",
        "",
        f"{space.notation(key)}",
        "",
        f"{params:,} parameters, {macs:,} multiply-adds; without parts that no output depends on.",
    ]
    if weights:
        lines.append(WEIGHTS.format(file=f"{name}.safetensors").rstrip())
        mean, std = numbers(weights.metadata, "mean"), numbers(weights.metadata, "std")
        if mean and std:
            normal = f"mean {list(mean)}, std {list(std)}"
            lines += ["", "Inputs are as stored (pixels 0 to 255), then (input - mean) / std a channel:", normal]
        mean, std = numbers(weights.metadata, "target_mean"), numbers(weights.metadata, "target_std")
        if mean and std:
            lines += ["", f"A value is output * {std[0]} + {mean[0]}."]
    try:
        return source(network, shape, "\n".join(lines) + "\n")
    except Unsupported as error:
        raise DataError(f"{key} cannot be written as source: {error}") from None


def _checked(written: nn.Module, network: nn.Module, subject: Subject) -> nn.Module:
    """The written network with our weights, if it gives our outputs."""
    import torch

    written.load_state_dict(network.state_dict())
    written.eval()
    inputs = torch.randn(2, *subject.shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours, theirs = network(inputs), written(inputs)
    if not torch.allclose(ours, theirs, rtol=TOLERANCE, atol=TOLERANCE):
        raise DataError(f"the written network of {subject.key} differs from ours", hint="please report this")
    return written


def _save(path: Path, subject: Subject, weights: Weights) -> Path:
    from safetensors.torch import save

    data = save(weights.values, weights.metadata | {"key": subject.key})
    with files.explained(path):
        path.write_bytes(data)
    return path


def _pt2(network: nn.Module, shape: tuple[int, ...], path: Path) -> None:
    import torch

    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(network, (torch.zeros(2, *shape),), dynamic_shapes=({0: batch},))
    torch.export.save(program, path)


def _onnx(network: nn.Module, shape: tuple[int, ...], path: Path) -> None:
    for package in ("onnx", "onnxscript"):
        require(package, "--format onnx")
    import torch

    batch = torch.export.Dim("batch", min=1)
    logger = logging.getLogger("torch.onnx")  # it warns of packages that are not needed
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(2, *shape),),
            path,
            input_names=["input"],
            output_names=["output"],
            dynamic_shapes=({0: batch},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    logger.setLevel(level)
