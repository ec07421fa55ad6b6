"""Observability: counts of requests, metrics of the queue, log lines."""
