"""One reader for each layout that a dataset can lie in; each gives a `RawDataset`."""
