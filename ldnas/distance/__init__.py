"""How far one task is from another, seen through the Fisher information of their networks."""

from ldnas.distance.log_det import layerwise_log_det_distance, log_det_distance, mean_log_det

__all__ = ["layerwise_log_det_distance", "log_det_distance", "mean_log_det"]
