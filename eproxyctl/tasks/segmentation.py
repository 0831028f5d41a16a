"""Segmentation: a class for every pixel of an image."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field, PositiveInt

from eproxyctl.contracts import DataPath, Examples, Trainable, derive
from eproxyctl.errors import DataError
from eproxyctl.tasks import archives
from eproxyctl.tasks.classification import statistics
from eproxyctl.tasks.files import shown
from eproxyctl.tasks.folders import FolderOptions, Layout, split_files
from eproxyctl.tasks.masks import NUMBERS, VOID, class_numbers, highest_class, read_mask, shrunk
from eproxyctl.tasks.pictures import PictureOptions, PictureSource, PictureTask
from eproxyctl.tasks.pixels import Bytes, Drawn, archived, choose, fault, flat, image_files, read_all, some
from eproxyctl.tasks.splits import divide, drawable

if TYPE_CHECKING:
    import torch
    from torch import nn

    from eproxyctl.contracts import Meter, Network


class MaskArchive(archives.ArchiveOptions, PictureSource):
    """A NumPy archive with `images` (or `x`) uint8 [N, H, W, 3] or [N, H, W], and `masks` (or `y`) [N, H, W].

    An archive in parts (`train_images`, `train_masks`, `val_images`, …) brings its own validation split.
    """

    kind: Literal["npz"] = "npz"

    def draw(self, n: int, generator: random.Random) -> Drawn:
        images = archived(self, "masks").values
        return [flat(images[i]) for i in choose(drawable(self.own(), len(images)), n, generator, self.path)], None

    def own(self) -> int | None:
        return archives.count(self, "images", "x")

    def notes(self) -> tuple[str, ...]:
        return archives.notes(self, "images", "x")

    def pairs(self) -> Iterator[tuple[str, Bytes, Bytes]]:
        """Where each is, the image and its mask."""
        for i, (image, mask) in enumerate(zip(archived(self, "masks").values, self._masks(), strict=True)):
            yield f"{shown(self.path)}[{i}]", flat(image), mask

    def masks_of(self) -> Iterator[tuple[str, Bytes]]:
        """Where each is, and the mask."""
        for i, mask in enumerate(self._masks()):
            yield f"{shown(self.path)}[{i}]", mask

    def _masks(self) -> Bytes:
        images, found = archived(self, "masks"), archives.load_archive(self, "masks", "y")
        if found is None:
            raise archives.missing(self.path, "masks", "images")
        if found.training != images.training:
            raise archives.parts_differ(self.path, "images", "masks")
        masks, wanted = found.values, images.values.shape[:3]
        if masks.shape[3:] == (1,):
            masks = masks[..., 0]
        if masks.dtype.kind not in "iu" or masks.shape != wanted:
            raise DataError(
                f"{shown(self.path)}: 'masks' is {masks.dtype} {list(masks.shape)}",
                hint=f"it must be whole numbers {list(wanted)}, as there are images",
            )
        return class_numbers(masks, self.path)


class MaskFolder(FolderOptions, PictureSource):
    """A folder of images and one of masks, named alike but for the suffix: photos/a.jpg and masks/a.png.

    Where both have `train/` and `val/` (or `valid`, `validation`, `test`) and nothing beside them, `val/` is the
    validation split; a `test/` beside it is left out.
    """

    kind: Literal["folder"] = "folder"
    path: DataPath = Field(description="the folder of images")
    masks: DataPath = Field(description="the folder of masks: a class number a pixel, grey or palette png; 255 is none")

    def draw(self, n: int, generator: random.Random) -> Drawn:
        files = self._layout.files
        return list(read_all(files[i] for i in choose(drawable(self.own(), len(files)), n, generator, self.path))), None

    def own(self) -> int | None:
        return self._layout.training

    def notes(self) -> tuple[str, ...]:
        return self._layout.notes

    def pairs(self) -> Iterator[tuple[str, Bytes, Bytes]]:
        """Where each is, the image and its mask."""
        masks = [self._files[image] for image in self._layout.files]
        read = zip(masks, read_all(self._layout.files), read_all(masks, read_mask), strict=True)
        yield from ((shown(path), image, mask) for path, image, mask in read)

    def masks_of(self) -> Iterator[tuple[str, Bytes]]:
        """Where each is, and the mask."""
        masks = [self._files[image] for image in self._layout.files]
        yield from zip(map(shown, masks), read_all(masks, read_mask), strict=True)

    @cached_property
    def _layout(self) -> Layout:
        """The images, and which are for training, as `split_files` has it of folders without classes."""
        found = split_files(Path(self.path), list(self._files))
        return found.without(self._bad) if self.skip_bad else found

    def _bad(self, image: Path) -> bool:
        return fault(image) is not None or fault(self._files[image], read_mask) is not None

    @cached_property
    def _files(self) -> dict[Path, Path]:
        """Each image and its mask. Raises DataError where there is none."""
        images = some(image_files(self.path), self.path)
        masks: dict[Path, Path] = {}
        for mask in image_files(self.masks):
            name = mask.relative_to(self.masks).with_suffix("")
            if name in masks:
                both = f"{shown(masks[name])} and {shown(mask)}"
                raise DataError(f"two masks for one image: {both}", hint="remove one of them")
            masks[name] = mask
        inside = Path(self.masks).is_relative_to(self.path)
        images = some([image for image in images if not (inside and image.is_relative_to(self.masks))], self.path)
        lacking = [image for image in images if image.relative_to(self.path).with_suffix("") not in masks]
        if lacking:
            more = f" (nor for {len(lacking) - 1} others)" if len(lacking) > 1 else ""
            wanted = Path(self.masks) / lacking[0].relative_to(self.path).with_suffix(".png")
            raise DataError(f"no mask for {shown(lacking[0])}{more}", hint=f"it would be {shown(wanted)}")
        return {image: masks[image.relative_to(self.path).with_suffix("")] for image in images}


Source = Annotated[MaskArchive | MaskFolder, Field(discriminator="kind")]


class SegmentationTask(PictureTask, Trainable):
    """Segmentation: the class of every pixel, from images and masks in two folders or an npz archive.

    A decoder (the deepest map doubled in size step by step, the others added where their size is reached) takes the
    place of the classifier; images and masks are resized to resolution × resolution, masks without mixing classes. The
    metric is the mean intersection over union of the classes on the validation images in percent (miou). Pixels
    of 255 are of no class and do not count. params and macs are those of the space's network, without the decoder.
    """

    kind = "segmentation"
    metric = "miou"

    class Options(PictureOptions):
        source: Source = Field(
            description="{kind: folder, path: photos, masks: masks}, or {kind: npz, path: FILE} of images and masks"
        )
        outputs: int | None = Field(None, ge=2, le=VOID, description="classes; unset: as many as the masks number")
        decoder: PositiveInt = Field(32, description="channels of the decoder that benchmark trains")

    options: Options

    @cached_property
    def outputs(self) -> int:
        """Read from all masks once."""
        if self.options.outputs:
            return self.options.outputs
        most = max((highest_class(mask) for _, mask in self.options.source.masks_of()), default=-1)
        if most < 1:
            raise DataError("the masks have one class: nothing to tell apart", hint=NUMBERS)
        return most + 1

    def examples(self, seed: int, validation: float, limit: int | None = None) -> Examples:
        """Images uint8 [N, C, side, side] and masks uint8 [N, side, side]."""
        import torch

        classes, masks = self.outputs, list[Bytes]()

        def images() -> Iterator[Bytes]:
            for where, image, mask in self.options.source.pairs():
                if mask.shape != image.shape[:2]:
                    ours, theirs = (" × ".join(map(str, shape[:2])) for shape in (mask.shape, image.shape))
                    raise DataError(f"{where}: the mask is {ours} pixels, its image {theirs}")
                if highest_class(mask) >= classes:
                    what = f"class {highest_class(mask)}, and task.outputs is {classes} (they start at 0)"
                    raise DataError(f"{where}: {what}", hint=NUMBERS)
                masks.append(shrunk(mask, self.options.resolution))
                yield image

        inputs = self.stacked(images())
        targets = torch.from_numpy(np.stack(masks))
        parts = divide(len(inputs), derive(seed, "split"), validation, limit, own=self.source.own())
        training, held = (torch.from_numpy(part) for part in parts)
        for part, name in ((training, "training"), (held, "validation")):
            found = np.unique(targets[part].numpy())
            if (found != VOID).sum() < 2:
                raise DataError(f"the masks of the {name} images have one class: nothing to tell apart", hint=NUMBERS)
        return Examples(inputs, targets, training, held, *statistics(inputs[training]))

    def pairs(self, examples: Examples, indices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return examples.normalised(indices), examples.targets[indices].long()

    def model(self, network: Network) -> nn.Module:
        from eproxyctl.networks.dense import DenseNetwork

        return DenseNetwork(network, self.shape, self.outputs, width=self.options.decoder)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        import torch.nn.functional as F

        # Pixel by pixel, since torch's kernel for images adds up in any order on a GPU; and the mean by hand, so that a
        # batch without any class has the loss 0, not NaN.
        pixels = outputs.movedim(1, -1).flatten(0, -2)
        total = F.cross_entropy(pixels, targets.flatten(), ignore_index=VOID, reduction="sum")
        return total / (targets != VOID).sum().clamp(min=1)

    def meter(self) -> Meter:
        from torchmetrics.classification import MulticlassJaccardIndex

        return 100 * MulticlassJaccardIndex(self.outputs, average="macro", ignore_index=VOID)

    def augment_pairs(
        self, inputs: torch.Tensor, targets: torch.Tensor, augmentations: Sequence[str], random: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The mask goes with its image; what a crop brings in is of no class."""
        import torch

        both = torch.cat([inputs, (targets[:, None] - VOID).float()], 1)
        varied = self.augment(both, augmentations, random)
        return varied[:, :-1], varied[:, -1].long() + VOID
