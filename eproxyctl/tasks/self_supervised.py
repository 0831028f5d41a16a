"""Self-supervised tasks: what is to be learned is made from the images alone, so they need no labels."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from itertools import permutations
from typing import TYPE_CHECKING, Self

import numpy as np
from pydantic import Field, PositiveInt, model_validator

from eproxyctl.contracts import FULL, Batches, Examples, Fidelity, Trainable, derive
from eproxyctl.errors import DataError
from eproxyctl.tasks.classification import ClassificationTask, statistics
from eproxyctl.tasks.meters import RSquared
from eproxyctl.tasks.pictures import PictureOptions, PictureTask
from eproxyctl.tasks.sources import DigitImages, Source
from eproxyctl.tasks.splits import divide

if TYPE_CHECKING:
    import torch
    from torch import nn

    from eproxyctl.contracts import Meter, Network

POOL = 20_000
"""Permutations that some are chosen from, where there are more."""


class PretextOptions(PictureOptions):
    """What self-supervised tasks have: any source of images, labelled or not."""

    source: Source = DigitImages()


class PretextTask(PictureTask, ClassificationTask):
    """Each image is changed in one of several ways, and a network says in which: several examples an image."""

    options: PretextOptions
    spoilt_by = ("flip",)

    def batch(self, seed: int, fidelity: Fidelity = FULL, n: int = 1) -> Batches:
        import torch

        images = super().batch(seed, fidelity, n).inputs
        draw = torch.Generator().manual_seed(derive(seed, self.kind))
        labels = torch.randint(0, self.outputs, (len(images),), generator=draw)
        return Batches(self.changed(images, labels), labels)

    def examples(self, seed: int, validation: float, limit: int | None = None) -> Examples:
        """Images uint8 [N, C, side, side] as they are; targets int64 [N · views]: how each is changed, see `pairs`."""
        import torch

        inputs = self.stacked(self.options.source.pictures())
        parts = divide(len(inputs), derive(seed, "split"), validation, limit, own=self.options.source.own())
        training, held = (torch.from_numpy(part) for part in parts)
        targets = self.ways(len(inputs), torch.Generator().manual_seed(derive(seed, self.kind)))
        views = torch.arange(targets.shape[1])
        examples = [(part[:, None] * len(views) + views).flatten() for part in (training, held)]
        return Examples(inputs, targets.flatten(), examples[0], examples[1], *statistics(inputs[training]))

    def pairs(self, examples: Examples, indices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        targets = examples.targets[indices]
        views = len(examples.targets) // len(examples.inputs)
        return self.changed(examples.normalised(indices // views), targets), targets

    @abstractmethod
    def ways(self, images: int, draw: torch.Generator) -> torch.Tensor:
        """In which ways each image is seen: labels [images, views]."""

    @abstractmethod
    def changed(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Images [B, C, side, side], each changed in the way of its label."""


class RotationTask(PretextTask):
    """Rotation: by which of 0, 90, 180 and 270 degrees was an image turned? Self-supervised, no labels are used.

    Networks are trained as classifiers of four classes on every image in all four positions (Gidaris et al., ICLR
    2018); the metric is the accuracy on the validation images in percent, 25 by chance. Flips would spoil it and are
    refused. train.images counts images, of which each is four examples.
    """

    kind = "rotation"
    Options = PretextOptions

    @property
    def outputs(self) -> int:
        return 4

    def ways(self, images: int, draw: torch.Generator) -> torch.Tensor:
        import torch

        return torch.arange(4).repeat(images, 1)

    def changed(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        import torch

        turned = torch.stack([torch.rot90(images, quarter, (-2, -1)) for quarter in range(4)])
        return turned[labels, torch.arange(len(images), device=images.device)]


class JigsawTask(PretextTask):
    """Jigsaw: in which order are the tiles of an image? Self-supervised, no labels are used.

    Each image is cut into grid × grid tiles, which are shuffled by one of a fixed set of permutations; networks are
    trained to classify which (Noroozi and Favaro, ECCV 2016, though on the shuffled image as a whole). The set depends
    on grid and permutations only: all there are, or some that are far from each other. Which of them an image is
    shuffled by depends on the seed. The metric is the accuracy on the validation images in percent. Flips would spoil
    it and are refused. train.images counts images, of which each is `views` examples.
    """

    kind = "jigsaw"

    class Options(PretextOptions):
        grid: int = Field(2, ge=2, le=8, description="tiles a side; resolution must be a multiple")
        permutations: int = Field(24, ge=2, le=1000, description="how many are told apart; 2 × 2 tiles have 24")
        views: PositiveInt = Field(4, description="permutations each image is seen in")

        @model_validator(mode="after")
        def _whole_tiles(self) -> Self:
            if self.resolution % self.grid:
                nearest = self.grid * max(1, round(self.resolution / self.grid))
                raise ValueError(f"resolution {self.resolution} is no multiple of grid {self.grid}: use {nearest}")
            if self.permutations > math.factorial(self.grid**2):
                raise ValueError(f"{self.grid} × {self.grid} tiles have {math.factorial(self.grid**2)} permutations")
            if self.views > self.permutations:
                raise ValueError(f"{self.views} views, and there are {self.permutations} permutations")
            return self

    options: Options

    @property
    def outputs(self) -> int:
        return self.options.permutations

    @cached_property
    def permutations(self) -> tuple[tuple[int, ...], ...]:
        """Which tile comes to each place, [permutations][grid²]; the first leaves the image as it is."""
        return spread(self.options.grid**2, self.options.permutations)

    def batch(self, seed: int, fidelity: Fidelity = FULL, n: int = 1) -> Batches:
        if fidelity.resolution and fidelity.resolution % self.options.grid:
            raise DataError(
                f"proxy.fidelity.resolution is {fidelity.resolution}, no multiple of task.grid {self.options.grid}"
            )
        return super().batch(seed, fidelity, n)

    def ways(self, images: int, draw: torch.Generator) -> torch.Tensor:
        import torch

        order = torch.argsort(torch.rand(images, self.outputs, generator=draw), dim=1, stable=True)
        return order[:, : self.options.views]

    def changed(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        import torch

        count, channels, side, _ = images.shape
        grid = self.options.grid
        size = side // grid
        tiles = images.reshape(count, channels, grid, size, grid, size).permute(0, 2, 4, 1, 3, 5).flatten(1, 2)
        order = torch.tensor(self.permutations, device=images.device)[labels]
        shuffled = tiles[torch.arange(count, device=images.device)[:, None], order]
        rows = shuffled.reshape(count, grid, grid, channels, size, size).permute(0, 3, 1, 4, 2, 5)
        return rows.reshape(count, channels, side, side)


class AutoencodingTask(PictureTask, Trainable):
    """Autoencoding: an image is drawn again from the network's deepest map. Self-supervised, no labels are used.

    A decoder (the map doubled in size step by step, a convolution after each) takes the place of the classifier; the
    loss is the mean squared error of pixels, normalised per channel. The metric is R² (r2), the share of the pixels'
    variance in the validation images that is drawn right: 1 is perfect, 0 no better than the mean colour. params and
    macs are those of the space's network, without the decoder.
    """

    kind = "autoencoding"
    metric = "r2"

    class Options(PretextOptions):
        decoder: PositiveInt = Field(32, description="channels of the decoder that benchmark trains")

    options: Options

    @property
    def outputs(self) -> int:
        return self.shape[0]

    def batch(self, seed: int, fidelity: Fidelity = FULL, n: int = 1) -> Batches:
        return Batches(super().batch(seed, fidelity, n).inputs)

    def examples(self, seed: int, validation: float, limit: int | None = None) -> Examples:
        """Images uint8 [N, C, side, side], which are their own targets."""
        import torch

        inputs = self.stacked(self.options.source.pictures())
        parts = divide(len(inputs), derive(seed, "split"), validation, limit, own=self.options.source.own())
        training, held = (torch.from_numpy(part) for part in parts)
        return Examples(inputs, inputs, training, held, *statistics(inputs[training]))

    def pairs(self, examples: Examples, indices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        inputs = examples.normalised(indices)
        return inputs, inputs

    def model(self, network: Network) -> nn.Module:
        from eproxyctl.networks.dense import DenseNetwork

        return DenseNetwork(network, self.shape, self.shape[0], width=self.options.decoder, deepest=True)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        import torch.nn.functional as F

        return F.mse_loss(outputs, targets)

    def meter(self) -> Meter:
        return RSquared()

    def augment_pairs(
        self, inputs: torch.Tensor, targets: torch.Tensor, augmentations: Sequence[str], random: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        varied = self.augment(inputs, augmentations, random)
        return varied, varied


def spread(tiles: int, count: int) -> tuple[tuple[int, ...], ...]:
    """`count` permutations of `tiles`, the identity first, always the same: all, or some far from each other.

    Each further one is, of a fixed pool, the one that differs from its nearest of those before in most places.
    """
    if math.factorial(tiles) <= POOL:
        pool = np.array(list(permutations(range(tiles))))
    else:
        drawn = np.random.RandomState(tiles).rand(POOL, tiles).argsort(1, kind="stable")
        pool = np.unique(np.concatenate([np.arange(tiles)[None], drawn]), axis=0)
    chosen = [pool[0]]  # sorted: the identity
    distance = np.full(len(pool), tiles)
    while len(chosen) < count:
        distance = np.minimum(distance, (pool != chosen[-1]).sum(1))
        chosen.append(pool[distance.argmax()])
    return tuple(tuple(one.tolist()) for one in chosen)
