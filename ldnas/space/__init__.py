"""The search space: genotypes of cells, the skeleton they are placed in, and the networks that result."""
