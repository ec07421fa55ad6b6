"""Search strategies: each looks for the best genotype of a space on one task, behind one contract (`base`)."""
