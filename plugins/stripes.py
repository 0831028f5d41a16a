"""A worked task plugin: gratings of random direction and frequency, made from the seed. No files, no labels."""

from pydantic import Field

from eproxyctl import FULL, Batches, Fidelity, Task, TaskOptions, derive


class StripesTask(Task):
    """Stripes: sinusoidal gratings of random direction and frequency, one a channel. A task without data."""

    kind = "stripes"
    shape = (3, 32, 32)

    class Options(TaskOptions):
        batch_size: int = Field(16, gt=0, description="images in a minibatch")

    def batch(self, seed: int, fidelity: Fidelity = FULL, n: int = 1) -> Batches:
        import torch

        side, size = fidelity.resolution or 32, (fidelity.batch or self.options.batch_size) * n
        random = torch.Generator().manual_seed(derive(seed, "stripes"))
        waves = torch.randn(size, 3, 2, generator=random)
        grid = torch.stack(torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")).float()
        return Batches(torch.sin(torch.einsum("bcd,dhw->bchw", waves, grid)) * 2**0.5)
