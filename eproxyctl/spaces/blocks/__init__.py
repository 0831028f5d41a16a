"""The built-in blocks of declared spaces: options, where they fit, and what they cost; no torch at import."""

BLOCK_MODULES = (
    "eproxyctl.spaces.blocks.convolutional",
    "eproxyctl.spaces.blocks.residual",
    "eproxyctl.spaces.blocks.inverted",
    "eproxyctl.spaces.blocks.tokens",
)
"""Modules that the registry reads."""
