"""Known networks as declarations of one architecture, and spaces for the tests."""

from __future__ import annotations

from typing import Any

from eproxyctl.spaces.declared.space import DeclaredSpace

Fields = dict[str, Any]


def declared(fields: Fields) -> DeclaredSpace:
    """The space of a declaration."""
    return DeclaredSpace(DeclaredSpace.Options.model_validate(fields))


def choose(*values: Any) -> Fields:
    """A choice."""
    return {"choose": list(values)}


def _resnet(block: str, depths: tuple[int, ...], widths: tuple[int, ...], **options: Any) -> Fields:
    return {
        "stem": [{"block": "conv", "channels": 64, "kernel": 7, "stride": 2}, {"block": "pool", "stride": 2}],
        "stages": [
            {"block": block, "channels": width, "depth": depth, "stride": 2 if i else 1, **options}
            for i, (width, depth) in enumerate(zip(widths, depths, strict=True))
        ],
    }


Rows = tuple[tuple[int, int, int, int, int], ...]
"""Channels, depth, stride, expansion, kernel of the stages."""


def _mobile(rows: Rows, *, squeeze: bool | tuple[bool, ...] = False, activation: str = "relu6") -> Fields:
    return {
        "defaults": {"activation": activation},
        "stem": {"block": "conv", "channels": 32, "stride": 2},
        "stages": [
            {
                "block": "mbconv",
                "channels": c,
                "depth": n,
                "stride": s,
                "expansion": t,
                "kernel": k,
                "squeeze": squeeze,
            }
            for c, n, s, t, k in rows
        ],
        "head": {"channels": 1280, "activation": activation},
    }


def _vit(channels: int, heads: int) -> Fields:
    return {
        "stem": {"block": "patch", "channels": channels, "class_token": True},
        "stages": [{"block": "vit", "depth": 12, "heads": heads}],
        "head": {"norm": "layer", "pool": "class"},
    }


KNOWN: dict[str, tuple[Fields, int, float]] = {
    "ResNet-18": (_resnet("basic", (2, 2, 2, 2), (64, 128, 256, 512)), 11_689_512, 1.82e9),
    "ResNet-50": (_resnet("bottleneck", (3, 4, 6, 3), (256, 512, 1024, 2048)), 25_557_032, 4.09e9),
    "ResNeXt-50 32x4d": (
        _resnet("bottleneck", (3, 4, 6, 3), (256, 512, 1024, 2048), ratio=0.5, groups=32),
        25_028_904,
        4.23e9,
    ),
    "MobileNetV2": (
        _mobile(
            (
                (16, 1, 1, 1, 3),
                (24, 2, 2, 6, 3),
                (32, 3, 2, 6, 3),
                (64, 4, 2, 6, 3),
                (96, 3, 1, 6, 3),
                (160, 3, 2, 6, 3),
                (320, 1, 1, 6, 3),
            )
        ),
        3_504_872,
        300.8e6,
    ),
    "MnasNet-B1": (
        _mobile(
            (
                (16, 1, 1, 1, 3),
                (24, 3, 2, 3, 3),
                (40, 3, 2, 3, 5),
                (80, 3, 2, 6, 5),
                (96, 2, 1, 6, 3),
                (192, 4, 2, 6, 5),
                (320, 1, 1, 6, 3),
            ),
            activation="relu",
        ),
        4_383_312,
        314e6,
    ),
    "EfficientNet-B0": (
        _mobile(
            (
                (16, 1, 1, 1, 3),
                (24, 2, 2, 6, 3),
                (40, 2, 2, 6, 5),
                (80, 3, 2, 6, 3),
                (112, 3, 1, 6, 5),
                (192, 4, 2, 6, 5),
                (320, 1, 1, 6, 3),
            ),
            squeeze=True,
            activation="silu",
        ),
        5_288_548,
        386e6,
    ),
    "ConvNeXt-T": (
        {
            "stem": {
                "block": "conv",
                "channels": 96,
                "kernel": 4,
                "stride": 4,
                "bias": True,
                "normalisation": "layer",
                "activation": "none",
            },
            "stages": [
                {"block": "convnext", "channels": c, "depth": d, "stride": 2 if i else 1}
                for i, (c, d) in enumerate(((96, 3), (192, 3), (384, 9), (768, 3)))
            ],
            "head": {"norm": "layer"},
        },
        28_589_128,
        4.46e9,
    ),
    "DeiT-Ti": (_vit(192, 3), 5_717_416, 1.26e9),
    "DeiT-S": (_vit(384, 6), 22_050_664, 4.61e9),
    "ViT-B/16": (_vit(768, 12), 86_567_656, 17.58e9),
    "Mixer-B/16": (
        {
            "stem": {"block": "patch", "channels": 768, "positions": False},
            "stages": [{"block": "mixer", "depth": 12}],
            "head": {"norm": "layer"},
        },
        59_880_472,
        12.61e9,
    ),
    "RegNetX-400MF": (
        {
            "stem": {"block": "conv", "channels": 32, "stride": 2},
            "stages": [
                {"block": "bottleneck", "channels": c, "depth": d, "stride": 2, "ratio": 1, "group_width": 16}
                for c, d in ((32, 1), (64, 2), (160, 7), (400, 12))
            ],
        },
        5_495_976,
        0.414e9,
    ),
}
"""A declaration, and the published parameters and multiply-adds at 224×224 with 1,000 classes."""
