"""The torch modules of the spaces, one file a family. Imported inside `Space.build` and the proxies only."""
