"""The memory of cells: what the known tasks say about cells, pooled for a new task."""
