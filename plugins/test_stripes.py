"""The plugin is found, and gives the same finite minibatch for the same seed."""

from pathlib import Path

from eproxyctl.plugins import Sources, load


def test_stripes_is_a_task() -> None:
    registry = load(Sources((str(Path(__file__).parent),), installed=False))
    task = registry.create("task", registry.get("task", "stripes").options())
    inputs = task.batch(seed=0).inputs
    assert inputs.shape == (16, *task.shape)
    assert inputs.isfinite().all()
    assert inputs.equal(task.batch(seed=0).inputs)
    assert not inputs.equal(task.batch(seed=1).inputs)
