"""What holds of every built-in task, whatever its data are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eproxyctl import plugins
from eproxyctl.contracts import Trainable
from eproxyctl.testing import TaskConformance, TrainableConformance

REGISTRY = plugins.load_plugins(plugins.Sources(installed=False))
SMALL = {"resolution": 16, "batch_size": 12}
VARIANTS: dict[str, dict[str, Any]] = {
    "photos": {"kind": "images", "source": {"kind": "photos"}, **SMALL},
    "images": {"kind": "images", "source": {"kind": "digits"}, **SMALL},
    "rotation": {"kind": "rotation", **SMALL},
    "jigsaw": {"kind": "jigsaw", "resolution": 24, "batch_size": 12},
    "autoencoding": {"kind": "autoencoding", **SMALL},
    "segmentation": {"kind": "segmentation", "source": {"kind": "npz", "path": "masks.npz"}, **SMALL},
    "regression": {"kind": "regression", "source": {"kind": "npz", "path": "values.npz"}, **SMALL},
    "sequences": {"kind": "sequences", "batch_size": 12},
    "text": {"kind": "sequences", "source": {"kind": "text"}, "batch_size": 12},
    "volumes": {"kind": "volumes", "batch_size": 12},
}
UNTRAINABLE = {"photos", "text"}
"""Sources without labels of their own."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (60, 16, 16, 3), dtype=np.uint8)
    np.savez(folder / "masks.npz", x=images, y=random.integers(0, 3, (60, 16, 16), dtype=np.uint8))
    np.savez(folder / "values.npz", x=images, y=random.normal(size=60))
    return folder


class Chosen:
    fields: dict[str, Any]

    @pytest.fixture(autouse=True)
    def _chosen(self, request: pytest.FixtureRequest, data: Path) -> None:
        fields = dict(VARIANTS[request.param])
        if "path" in fields.get("source", {}):
            fields["source"] = fields["source"] | {"path": str(data / fields["source"]["path"])}
        self.fields = fields
        self.normalised = request.param != "text"

    def task(self) -> Any:
        return REGISTRY.create("task", REGISTRY.parse("task", self.fields))


def test_no_built_in_task_is_left_out() -> None:
    assert {fields["kind"] for fields in VARIANTS.values()} == set(REGISTRY.kinds("task"))
    assert all(issubclass(entry.cls, Trainable) for entry in REGISTRY.of("task"))


@pytest.mark.parametrize("_chosen", VARIANTS, indirect=True)
class TestEveryTask(Chosen, TaskConformance):
    pass


@pytest.mark.parametrize("_chosen", sorted(set(VARIANTS) - UNTRAINABLE), indirect=True)
class TestEveryTrainable(Chosen, TrainableConformance):
    pass
