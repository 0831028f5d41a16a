"""What a space, a task and a proxy are. Built-ins and plugins enter by this same door.

A spec names one of each; scoring turns architecture keys into scored rows. A class becomes available by being
defined in a module that the registry reads and by setting `kind`; its docstring is what `eproxyctl describe` shows.
"""

from typing import TYPE_CHECKING

from eproxyctl.contracts.base import FULL, Choice, Fidelity, Goal, Options, Scheme, Seed, derive
from eproxyctl.contracts.block import Block, BlockOptions, BlockSize, Spot
from eproxyctl.contracts.drawable import Arrow, Diagram, Drawable, Level, Look, Panel, Vertex
from eproxyctl.contracts.paths import DataPath
from eproxyctl.contracts.proxy import (
    Composite,
    Costs,
    Features,
    Known,
    Learner,
    Needs,
    Provenance,
    Proxy,
    ProxyOptions,
    Readable,
    Readout,
    Relative,
    Score,
    Trace,
    Tunable,
)
from eproxyctl.contracts.sized import BySize, Sized
from eproxyctl.contracts.space import Architectures, Space, SpaceOptions
from eproxyctl.contracts.task import Batches, Examples, TableOptions, Task, TaskOptions, Trainable

if TYPE_CHECKING:
    from eproxyctl.contracts.base import Meter as Meter
    from eproxyctl.contracts.base import Network as Network

__all__ = [
    "FULL",
    "Architectures",
    "Arrow",
    "Batches",
    "Block",
    "BlockOptions",
    "BlockSize",
    "BySize",
    "Choice",
    "Composite",
    "Costs",
    "DataPath",
    "Diagram",
    "Drawable",
    "Examples",
    "Features",
    "Fidelity",
    "Goal",
    "Known",
    "Learner",
    "Level",
    "Look",
    "Needs",
    "Options",
    "Panel",
    "Provenance",
    "Proxy",
    "ProxyOptions",
    "Readable",
    "Readout",
    "Relative",
    "Scheme",
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
    "derive",
]
