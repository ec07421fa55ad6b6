"""The structure of every task network: a backbone that computes features, and a linear head."""

from torch import Tensor, nn


class Classifier(nn.Module):
    """A backbone `[N, 3, H, W] -> [N, D]` followed by a linear head `[N, D] -> [N, classes]`."""

    def __init__(self, backbone: nn.Module, feature_size: int, classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(feature_size, classes)

    def features(self, inputs: Tensor) -> Tensor:
        """Features `[N, D]` of images `[N, 3, H, W]`, before the head."""
        features: Tensor = self.backbone(inputs)
        return features

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits `[N, classes]`."""
        logits: Tensor = self.head(self.features(inputs))
        return logits

    def backbone_parameters(self) -> tuple[str, ...]:
        """The names of all parameters but the head's, as `named_parameters()` gives them."""
        return tuple(name for name, _ in self.named_parameters() if not name.startswith("head."))
