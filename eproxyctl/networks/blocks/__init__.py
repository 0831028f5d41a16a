"""The modules that declared networks are put together from."""
