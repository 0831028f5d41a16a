"""The plugin is found, and does what a task must: minibatches that are normalised and come from the seed."""

from pathlib import Path

from eproxyctl.contracts import Task
from eproxyctl.plugins import Sources, load_plugins
from eproxyctl.testing import TaskConformance


class TestStripes(TaskConformance):
    def task(self) -> Task:
        registry = load_plugins(Sources((str(Path(__file__).parent),), installed=False))
        task: Task = registry.create("task", registry.parse("task", {"kind": "stripes"}))
        return task
