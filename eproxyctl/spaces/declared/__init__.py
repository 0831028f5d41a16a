"""Spaces declared in YAML: a stem, stages and a head of blocks, any value of which may be a choice."""
