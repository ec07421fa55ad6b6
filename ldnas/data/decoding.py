"""Decodes an image file into a uint8 array, with a defined result for every pixel format."""

import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageOps

from ldnas.data.dataset import Image
from ldnas.errors import BrokenImageError, ImageSizeError

MAX_PIXELS = 40_000_000
MIN_SIDE_PIXELS = 2

# Named one by one: Pillow can also read formats that start other programs (EPS runs Ghostscript).
_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "AVIF")
_ALPHA_MODES = ("RGBA", "LA", "PA", "RGBa")
_GREY_MODES = ("1", "L")
_COLOUR_MODES = ("P", "RGB", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")
_SIXTEEN_BIT_STEP = 257  # 65535 / 255: the 16-bit range onto the 8-bit one
# Pillow computes with values from a damaged file before it validates them, which can raise any of these.
_DECODE_ERRORS = (
    *(OSError, SyntaxError, ValueError, EOFError, TypeError, LookupError, ArithmeticError, AttributeError),
    *(RuntimeError, struct.error),
)


def decode_image(source: bytes | Path, origin: str) -> Image:
    """Decode a PNG, JPEG, GIF (first frame), BMP, TIFF, WebP or PPM to uint8 `[H, W, C]`, C = 1 (grey) or 3 (colour).

    - EXIF rotation is applied first: the array is as a person sees the picture.
    - Grey and black-and-white stay one channel; palette, CMYK, YCbCr, LAB and HSV become RGB.
    - Transparency (an alpha channel, a transparent palette entry or colour) is composited over white.
    - 16-bit grey is scaled to 8 bits, 65535 → 255, rounded; 16-bit colour loses its low byte.

    The size is judged from the header, before any pixel is decoded: at most `MAX_PIXELS` (40 megapixels), and no side
    below `MIN_SIDE_PIXELS` (2).

    Raises:
        BrokenImageError: the file is not such an image, is truncated, or has floating-point or 32-bit pixels.
        ImageSizeError: it is too large or too small.
    """
    try:
        with PillowImage.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=_FORMATS) as image:
            check_size(image.width, image.height, origin)
            return _to_array(ImageOps.exif_transpose(image), origin)
    except (PillowImage.DecompressionBombError, PillowImage.DecompressionBombWarning) as error:
        raise ImageSizeError(f"{origin}: {error}", origin=origin) from error
    except _DECODE_ERRORS as error:
        raise BrokenImageError(f"{origin} cannot be decoded as an image: {error}", origin=origin) from error


def check_size(width: int, height: int, origin: str) -> None:
    """Refuse an image by its sides, in pixels.

    Raises:
        ImageSizeError: it has more than `MAX_PIXELS`, or a side below `MIN_SIDE_PIXELS`.
    """
    if width * height > MAX_PIXELS or min(width, height) < MIN_SIDE_PIXELS:
        raise ImageSizeError(
            f"{origin} is {width}×{height} pixels; a side of at least {MIN_SIDE_PIXELS} and at most "
            f"{MAX_PIXELS // 1_000_000} megapixels are accepted",
            origin=origin,
        )


def _to_array(image: PillowImage.Image, origin: str) -> Image:
    if image.mode in ("I", "I;16", "I;16L", "I;16B"):
        return _scale_to_8_bits(np.asarray(image), origin)
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        image = _over_white(image)
    elif image.mode in _GREY_MODES:
        image = image.convert("L")
    elif image.mode in _COLOUR_MODES:
        image = image.convert("RGB")
    else:
        raise BrokenImageError(
            f"{origin} has pixels of kind {image.mode}; 8- or 16-bit grey, palette and colour are read", origin=origin
        )
    pixels = np.array(image, dtype=np.uint8)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def _over_white(image: PillowImage.Image) -> PillowImage.Image:
    is_grey = image.mode in (*_GREY_MODES, "LA")
    layer = image.convert("RGBA")
    composed = PillowImage.alpha_composite(PillowImage.new("RGBA", layer.size, "white"), layer)
    return composed.convert("L" if is_grey else "RGB")


def _scale_to_8_bits(values: np.ndarray, origin: str) -> Image:
    wide = values.astype(np.int64)
    if wide.min() < 0 or wide.max() > 65535:
        raise BrokenImageError(f"{origin} has 32-bit pixels; 8- or 16-bit ones are read", origin=origin)
    return ((wide + _SIXTEEN_BIT_STEP // 2) // _SIXTEEN_BIT_STEP).astype(np.uint8)[:, :, None]
