"""Classifies images on this machine with ONNX Runtime, numpy and Pillow; without torch or a service.

`pip install 'ldnas[predict]'` installs its dependencies.
"""

import os

# Otherwise ONNX Runtime sends telemetry, and stores an identity of the machine in the user's cache.
# It reads this variable once, at import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
