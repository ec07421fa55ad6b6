"""One reader for each dataset layout; each returns a `RawDataset`."""
