"""A small pretrained network of timm, with weights that were drawn and not learned."""

import timm
from safetensors.torch import save

SMALL = "test_efficientnet"
"""Its name in timm; it has 99,196 parameters."""


def small_weights() -> bytes:
    """A safetensors file of its weights."""
    return save(timm.create_model(SMALL, pretrained=False).state_dict())
