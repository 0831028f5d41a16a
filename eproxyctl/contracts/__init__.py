"""What a space, a task and a proxy are. Built-ins and plugins enter by this same door.

A spec names one of each; the engine turns architecture keys into scored rows. A class becomes available by being
defined in a module that the registry reads and by setting `kind`; its docstring is what `eproxyctl describe` shows.
"""

from typing import TYPE_CHECKING

from eproxyctl.contracts.base import FULL, Choice, Fidelity, Goal, Options, Scheme, Seed, derive
from eproxyctl.contracts.block import Block, BlockOptions, BlockSize, Spot
from eproxyctl.contracts.proxy import (
    Costs,
    Features,
    Known,
    Needs,
    Provenance,
    Proxy,
    ProxyOptions,
    Readout,
    Score,
    Trace,
)
from eproxyctl.contracts.space import Architectures, Space, SpaceOptions
from eproxyctl.contracts.task import Batches, Examples, TableOptions, Task, TaskOptions

if TYPE_CHECKING:
    from eproxyctl.contracts.base import Meter as Meter
    from eproxyctl.contracts.base import Network as Network

__all__ = [
    "FULL",
    "Architectures",
    "Batches",
    "Block",
    "BlockOptions",
    "BlockSize",
    "Choice",
    "Costs",
    "Examples",
    "Features",
    "Fidelity",
    "Goal",
    "Known",
    "Needs",
    "Options",
    "Provenance",
    "Proxy",
    "ProxyOptions",
    "Readout",
    "Scheme",
    "Score",
    "Seed",
    "Space",
    "SpaceOptions",
    "Spot",
    "TableOptions",
    "Task",
    "TaskOptions",
    "Trace",
    "derive",
]
