"""Datasets: where they are, how they are read, split and labelled, and the tensors that a task is made of.

`reference` and `labels` need the standard library alone, so that the web process can check a request with them.
"""
