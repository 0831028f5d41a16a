"""eproxyctl ranks neural architectures in seconds without training them.

This module holds what a plugin or a notebook imports: the contracts, and nothing heavy; and by name, loaded when they
are asked for, the verbs that the command line is made of: `score`, `tune`, `search`, `benchmark`, `compare`, `export`,
`rank`, `draw`, and `load`, which reads a finished run. A verb takes a spec's path, a mapping or a loaded spec, prints
nothing, and raises EproxyError.
"""

import importlib
from typing import TYPE_CHECKING, Any

from eproxyctl.contracts import (
    FULL,
    Arrow,
    Batches,
    Block,
    BlockOptions,
    BlockSize,
    BySize,
    Choice,
    Composite,
    Costs,
    DataPath,
    Diagram,
    Drawable,
    Examples,
    Features,
    Fidelity,
    Known,
    Learner,
    Level,
    Needs,
    Options,
    Panel,
    Proxy,
    ProxyOptions,
    Readable,
    Readout,
    Relative,
    Score,
    Seed,
    Sized,
    Space,
    SpaceOptions,
    Spot,
    TableOptions,
    Task,
    TaskOptions,
    Trace,
    Trainable,
    Tunable,
    Vertex,
    derive,
)
from eproxyctl.errors import DataError, EproxyError, InvalidArchitecture
from eproxyctl.registry import AnyProxy

if TYPE_CHECKING:
    from eproxyctl.dps.run import tune
    from eproxyctl.drawing import draw
    from eproxyctl.exporting.run import export
    from eproxyctl.reading import load
    from eproxyctl.scoring.compare import compare
    from eproxyctl.scoring.models import rank
    from eproxyctl.scoring.run import score
    from eproxyctl.searching.run import search
    from eproxyctl.training.run import benchmark

__version__ = "0.1.0"

__all__ = [
    "FULL",
    "AnyProxy",
    "Arrow",
    "Batches",
    "Block",
    "BlockOptions",
    "BlockSize",
    "BySize",
    "Choice",
    "Composite",
    "Costs",
    "DataError",
    "DataPath",
    "Diagram",
    "Drawable",
    "EproxyError",
    "Examples",
    "Features",
    "Fidelity",
    "InvalidArchitecture",
    "Known",
    "Learner",
    "Level",
    "Needs",
    "Options",
    "Panel",
    "Proxy",
    "ProxyOptions",
    "Readable",
    "Readout",
    "Relative",
    "Score",
    "Seed",
    "Sized",
    "Space",
    "SpaceOptions",
    "Spot",
    "TableOptions",
    "Task",
    "TaskOptions",
    "Trace",
    "Trainable",
    "Tunable",
    "Vertex",
    "__version__",
    "benchmark",
    "compare",
    "derive",
    "draw",
    "export",
    "load",
    "rank",
    "score",
    "search",
    "tune",
]

_VERBS = {
    "benchmark": "eproxyctl.training.run",
    "compare": "eproxyctl.scoring.compare",
    "draw": "eproxyctl.drawing",
    "export": "eproxyctl.exporting.run",
    "load": "eproxyctl.reading",
    "rank": "eproxyctl.scoring.models",
    "score": "eproxyctl.scoring.run",
    "search": "eproxyctl.searching.run",
    "tune": "eproxyctl.dps.run",
}


def __getattr__(name: str) -> Any:
    if name not in _VERBS:
        raise AttributeError(f"module 'eproxyctl' has no attribute '{name}'")
    return getattr(importlib.import_module(_VERBS[name]), name)
