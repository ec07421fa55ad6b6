"""An image classifier, tuned from pretrained weights, complete in this file: it needs torch, torchvision and Pillow."""

import torch
import torchvision
from torch import Tensor, nn

# The network's name in torchvision.
BACKBONE: str = "squeezenet1_1"


class Network(nn.Module):
    """Images [N, 3, S, S], normalised to [-1, 1] → logits [N, classes]."""

    scale: Tensor
    shift: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        # All weights come from the weights file, so those of the pretraining are not needed.
        backbone: nn.Module = torchvision.models.get_model(BACKBONE, weights=None)
        layers = [(name, layer) for name, layer in backbone.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
        name, last = layers[-1]
        # The head takes the place of torchvision's last layer.
        backbone.set_submodule(name, nn.Identity())
        self.backbone = backbone
        self.head = nn.Linear(last.weight.shape[1], classes)
        # The mean and the deviation of the inputs that the backbone was trained with.
        mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        self.register_buffer("scale", (0.5 / deviation).reshape(3, 1, 1), persistent=False)
        self.register_buffer("shift", ((0.5 - mean) / deviation).reshape(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.backbone(images * self.scale + self.shift))
        return logits
