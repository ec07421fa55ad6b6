"""The experiments of the paper (Le et al., arXiv:2103.00241) through our own parts; see `docs/paper.md`."""
