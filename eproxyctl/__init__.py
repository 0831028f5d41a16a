"""eproxyctl ranks neural architectures in seconds without training them.

This module holds what a plugin or a notebook imports: the contracts, and nothing heavy.
"""

from eproxyctl.contracts import (
    FULL,
    Batches,
    Block,
    BlockOptions,
    BlockSize,
    Choice,
    Costs,
    Examples,
    Features,
    Fidelity,
    Known,
    Needs,
    Options,
    Proxy,
    ProxyOptions,
    Readout,
    Score,
    Seed,
    Space,
    SpaceOptions,
    Spot,
    TableOptions,
    Task,
    TaskOptions,
    Trace,
    derive,
)
from eproxyctl.errors import DataError, EproxyError, InvalidArchitecture
from eproxyctl.registry import AnyProxy

__version__ = "0.1.0"

__all__ = [
    "FULL",
    "AnyProxy",
    "Batches",
    "Block",
    "BlockOptions",
    "BlockSize",
    "Choice",
    "Costs",
    "DataError",
    "EproxyError",
    "Examples",
    "Features",
    "Fidelity",
    "InvalidArchitecture",
    "Known",
    "Needs",
    "Options",
    "Proxy",
    "ProxyOptions",
    "Readout",
    "Score",
    "Seed",
    "Space",
    "SpaceOptions",
    "Spot",
    "TableOptions",
    "Task",
    "TaskOptions",
    "Trace",
    "__version__",
    "derive",
]
