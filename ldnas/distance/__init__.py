"""Distances between tasks, computed from the Fisher information of their networks."""

from ldnas.distance.log_det import mean_log_det
from ldnas.distance.measures import layerwise_log_det_distance, log_det_distance

__all__ = ["layerwise_log_det_distance", "log_det_distance", "mean_log_det"]
