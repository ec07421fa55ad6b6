"""What leaves the service: a trained network as the files that a person takes home.

`weights` (safetensors), `code` (one Python file that needs torch and Pillow), `program` (`torch.export`), `onnx`, and
`card` (Markdown, which says what the others are worth). All of them describe the network in the same words:
`description`.
"""
