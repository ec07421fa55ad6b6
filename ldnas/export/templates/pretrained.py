"""An image classifier, tuned from weights of ImageNet, complete in this file: it needs torch, timm and Pillow."""

from typing import Any

import timm
from torch import Tensor, nn

# The network's name in timm.
BACKBONE: str = "tf_efficientnet_lite0"


class Network(nn.Module):
    """Images [N, 3, S, S], normalised to [-1, 1] → logits [N, classes]."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        # All weights come from the weights file, so those of ImageNet are not needed.
        backbone: Any = timm.create_model(BACKBONE, pretrained=False, num_classes=0)
        self.backbone = backbone
        self.head = nn.Linear(backbone.num_features, classes)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.backbone(images))
        return logits
