"""Measurements of this project; each script here runs by itself, and `benchmarks.paper` as a module."""
