"""LD-NAS: architecture search that starts from the closest known task (Le et al., arXiv:2103.00241)."""
