"""Classifying images with a found network on this machine: ONNX Runtime, numpy and Pillow; neither torch nor a service.

`pip install 'ldnas[predict]'` brings what it needs.
"""

import os

# Else ONNX Runtime reports its use to its maker, and keeps an identity of the machine in the user's cache.
# It looks once, when it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
