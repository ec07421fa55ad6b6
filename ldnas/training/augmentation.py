"""Random changes to training images that do not change their class.

All draw from a given `torch.Generator` on the CPU, so that a seed has the same effect on every device.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Augmentation:
    """The changes made to a training image; with all values zero the image stays the same.

    Attributes:
        shift_pixels: largest translation along each axis, in pixels; its border is continued.
        rotation_degrees: largest rotation to either side.
        zoom: largest change of the scale, a fraction in [0, 1): from 1 - zoom to 1 + zoom.
        flip: whether half of the images are mirrored left to right.
        colour: largest change of brightness, contrast and saturation, a fraction in [0, 1).
        erased: largest side of a square that is painted over with the mean grey, a fraction of the image's side in
            [0, 1] (cutout: DeVries & Taylor, arXiv:1708.04552); half of the images have one.
    """

    shift_pixels: int = 0
    rotation_degrees: float = 0.0
    zoom: float = 0.0
    flip: bool = False
    colour: float = 0.0
    erased: float = 0.0

    def apply(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        """Normalised images `[N, C, S, S]`, each changed in its own way."""
        if self.flip:
            inputs = _flipped(inputs, generator)
        if self.rotation_degrees or self.zoom:
            inputs = _turned(inputs, math.radians(self.rotation_degrees), self.zoom, generator)
        if self.shift_pixels:
            inputs = _shifted(inputs, self.shift_pixels, generator)
        if self.colour:
            inputs = _recoloured(inputs, self.colour, generator)
        if self.erased:
            inputs = _erased(inputs, self.erased, generator)
        return inputs


def _flipped(inputs: Tensor, generator: torch.Generator) -> Tensor:
    chosen = torch.rand(len(inputs), generator=generator).to(inputs.device) < 0.5
    return torch.where(chosen[:, None, None, None], inputs.flip(3), inputs)


def _turned(inputs: Tensor, radians: float, zoom: float, generator: torch.Generator) -> Tensor:
    """Rotate and scale about the centre, bilinearly; pixels from outside the image repeat its border."""
    draws = 2 * torch.rand(2, len(inputs), generator=generator) - 1
    angle, scale = radians * draws[0], 1 / (1 + zoom * draws[1])
    cosine, sine, zero = scale * angle.cos(), scale * angle.sin(), torch.zeros(len(inputs))
    rows = torch.stack([cosine, -sine, zero, sine, cosine, zero], dim=1).view(-1, 2, 3).to(inputs.device)
    grid = F.affine_grid(rows, list(inputs.shape), align_corners=False)
    turned: Tensor = F.grid_sample(inputs, grid, padding_mode="border", align_corners=False)
    return turned


def _shifted(inputs: Tensor, pixels: int, generator: torch.Generator) -> Tensor:
    """Move each image by up to `pixels` along both axes; pixels from outside the image repeat its border."""
    count, _, height, width = inputs.shape
    padded = F.pad(inputs, (pixels,) * 4, mode="replicate")
    top, left = torch.randint(0, 2 * pixels + 1, (2, count), generator=generator).to(inputs.device)
    rows = top[:, None] + torch.arange(height, device=inputs.device)
    columns = left[:, None] + torch.arange(width, device=inputs.device)
    batch = torch.arange(count, device=inputs.device)
    return padded[batch[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _recoloured(inputs: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Contrast about the image's mean, saturation about each pixel's grey, brightness: one draw each."""
    draws = (strength * (2 * torch.rand(3, len(inputs), generator=generator) - 1)).to(inputs.device)
    contrast, saturation, brightness = draws[:, :, None, None, None]
    grey = inputs.mean(dim=1, keepdim=True)
    inputs = grey + (1 + saturation) * (inputs - grey)
    mean = inputs.mean(dim=(1, 2, 3), keepdim=True)
    recoloured: Tensor = (mean + (1 + contrast) * (inputs - mean) + brightness).clamp(-1, 1)
    return recoloured


def _erased(inputs: Tensor, largest: float, generator: torch.Generator) -> Tensor:
    count, _, height, width = inputs.shape
    draws = torch.rand(4, count, generator=generator).to(inputs.device)
    half = draws[0] * largest * height / 2 * (draws[3] < 0.5)
    rows = torch.arange(height, device=inputs.device) + 0.5
    columns = torch.arange(width, device=inputs.device) + 0.5
    in_rows = (rows - draws[1, :, None] * height).abs() < half[:, None]
    in_columns = (columns - draws[2, :, None] * width).abs() < half[:, None]
    # Normalised images have their mean grey at 0.
    return inputs.masked_fill((in_rows[:, :, None] & in_columns[:, None, :])[:, None], 0.0)
