"""What a user writes: the models of a spec, loading with positions, overrides."""
