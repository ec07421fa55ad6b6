"""Classifying images with a found network on this machine: ONNX Runtime, numpy and Pillow; neither torch nor a service.

`pip install 'ldnas[predict]'` brings what it needs.
"""
