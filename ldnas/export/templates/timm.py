"""An image classifier, tuned from pretrained weights, complete in this file: it needs torch, timm and Pillow."""

from typing import Any

import timm
import torch
from torch import Tensor, nn

# The network's name in timm.
BACKBONE: str = "tf_efficientnet_lite0"


class Network(nn.Module):
    """Images [N, 3, S, S], normalised to [-1, 1] → logits [N, classes]."""

    scale: Tensor
    shift: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        # All weights come from the weights file, so those of the pretraining are not needed.
        backbone: Any = timm.create_model(BACKBONE, pretrained=False, num_classes=0)
        self.backbone = backbone
        self.head = nn.Linear(backbone.head_hidden_size, classes)
        # The mean and the deviation of the inputs that the backbone was trained with.
        mean, deviation = (torch.tensor(backbone.pretrained_cfg[name]).reshape(3, 1, 1) for name in ("mean", "std"))
        self.register_buffer("scale", 0.5 / deviation, persistent=False)
        self.register_buffer("shift", (0.5 - mean) / deviation, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.backbone(images * self.scale + self.shift))
        return logits
