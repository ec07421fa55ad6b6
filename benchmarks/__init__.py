"""Measurements of this project; each is started as a module: `python -m benchmarks.service`."""
