"""Exports a trained network as files that a user can download.

`weights` (safetensors), `code` (one Python file that needs torch and Pillow, for a pretrained network also timm or
torchvision), `program` (`torch.export`), `onnx`, and `card` (Markdown, with the network's accuracy and limits). All of
them describe the network in the same words: `description`.
"""
