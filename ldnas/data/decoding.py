"""Decodes an image file into an array, with a defined result for every pixel format."""

import io
import re
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageOps, PngImagePlugin, UnidentifiedImageError

from ldnas.data.scaling import Pixels
from ldnas.errors import BrokenImageError, ImageSizeError

MAX_PIXELS = 40_000_000
"""The most pixels of a decoded image; files with more of them are decoded at a half or a quarter of their sides."""

MIN_SIDE_PIXELS = 2

# Named one by one: Pillow can also read formats that start other programs (EPS runs Ghostscript).
_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "AVIF")
_ALPHA_MODES = ("RGBA", "LA", "PA", "RGBa")
_GREY_MODES = ("1", "L")
_COLOUR_MODES = ("P", "RGB", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")
_WIDE_MODES = ("I", "I;16", "I;16L", "I;16B", "F")
# The sides of a JPEG are divided while it is decoded; other files are decoded whole, and then take 640 MB at most. A
# progressive JPEG is between them: its coefficients are held for the whole picture.
_LARGEST_DIVISOR = 2
_LARGEST_DIVISOR_OF_JPEG = 4
_SAMPLE_FORMAT_TAG, _UNSIGNED = 339, 1
_ORIENTATION_TAG, _TURNED = 0x0112, (5, 6, 7, 8)
_SIXTEEN_BITS = r";16[BLN]"
# Pillow reads colour of 16 bits by its high byte; below this many levels the picture is lost.
_FEWEST_LEVELS = 16
# Pillow computes with values from a damaged file before it validates them, which can raise any of these.
_DECODE_ERRORS = (
    *(OSError, SyntaxError, ValueError, EOFError, TypeError, LookupError, ArithmeticError, AttributeError),
    *(RuntimeError, struct.error),
)

# `check_size` judges every image by its header instead, before a pixel is decoded.
PillowImage.MAX_IMAGE_PIXELS = None
# Pillow refuses the whole image for one longer text or colour profile, which nothing here reads.
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded image file.

    Attributes:
        pixels: `[H, W, C]`.
        width, height: those of the file, as a person sees the picture; `pixels` may have been reduced.
        has_more: whether the file has more frames or pages after this first one.
    """

    pixels: Pixels
    width: int
    height: int
    has_more: bool = False

    @classmethod
    def whole(cls, pixels: Pixels) -> "Picture":
        """Pixels that were not reduced."""
        return cls(pixels, pixels.shape[1], pixels.shape[0])


def decode_image(source: bytes | Path, origin: str) -> Pixels:
    """The pixels of `decode_picture`, with the same arguments and errors."""
    return decode_picture(source, origin).pixels


def decode_picture(source: bytes | Path, origin: str) -> Picture:
    """Decode a PNG, JPEG, GIF, BMP, TIFF, WebP, AVIF, PPM or PGM to `[H, W, C]`, C = 1 (grey) or 3.

    Of several frames or pages, the first one is decoded.

    - EXIF rotation is applied: the array is as a person sees the picture.
    - Grey and black-and-white stay one channel; palette, CMYK, YCbCr, LAB and HSV become RGB. These are uint8.
    - Transparency (an alpha channel, a transparent palette entry or colour) is composited over white.
    - Grey of more than 8 bits keeps its values: integers of 16 or 32 bits, with or without a sign, or float32. The
      dataset's range scales them (`ldnas.data.value_range`). Colour of 16 bits a channel loses its low byte.
    - An image of more than `MAX_PIXELS` (40 megapixels) is decoded at a half of its sides, a JPEG also at a quarter.

    The size is judged from the header, before any pixel is decoded: at most 160 megapixels, 640 as a JPEG that is not
    progressive, and no side below `MIN_SIDE_PIXELS` (2).

    Raises:
        BrokenImageError: the file may not be read, is not such an image, is truncated, has values that are not finite,
            or colour of 16 bits of which the high byte has fewer than 16 levels.
        ImageSizeError: it is too large or too small.
    """
    try:
        with PillowImage.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=_FORMATS) as image:
            divisor = _divisor(image, origin)
            width, height = image.size
            if divisor > 1 and image.draft(None, (image.width // divisor, image.height // divisor)) is not None:
                divisor = 1
            # Pillow keeps the layout of the file in `tile` only until the pixels are loaded.
            has_deep_colour = image.mode not in _WIDE_MODES and re.search(_SIXTEEN_BITS, str(image.tile)) is not None
            if image.getexif().get(_ORIENTATION_TAG) in _TURNED:
                width, height = height, width
            ImageOps.exif_transpose(image, in_place=True)
            if has_deep_colour:
                _check_levels(image, origin)
            return Picture(_to_array(image, divisor, origin), width, height, _has_more(image))
    except PermissionError as error:
        message = f"{origin} cannot be read: {error.strerror}; make it readable for the user that runs the worker"
        raise BrokenImageError(message, origin=origin) from error
    except UnidentifiedImageError as error:
        # Pillow's own message has the path on this machine, or the place of the bytes in memory.
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        reason = f"its content is none of {', '.join(_FORMATS)}" if size else "it is empty"
        raise BrokenImageError(f"{origin} cannot be decoded as an image: {reason}", origin=origin) from error
    except _DECODE_ERRORS as error:
        raise BrokenImageError(f"{origin} cannot be decoded as an image: {error}", origin=origin) from error


def check_size(width: int, height: int, origin: str, *, max_pixels: int = MAX_PIXELS) -> None:
    """Refuse an image by its sides, in pixels.

    Raises:
        ImageSizeError: it has more than `max_pixels`, or a side below `MIN_SIDE_PIXELS`.
    """
    if width * height > max_pixels or min(width, height) < MIN_SIDE_PIXELS:
        raise ImageSizeError(
            f"{origin} is {width}×{height} pixels; a side of at least {MIN_SIDE_PIXELS} and at most "
            f"{max_pixels // 1_000_000} megapixels are accepted",
            origin=origin,
        )


def _has_more(image: PillowImage.Image) -> bool:
    """Whether frames or pages follow the first one; a JPEG's second picture is a preview, or another eye's view."""
    try:
        return image.format not in ("JPEG", "MPO") and bool(getattr(image, "is_animated", False))
    except _DECODE_ERRORS:
        return False


def _divisor(image: PillowImage.Image, origin: str) -> int:
    """The number by which the sides are divided, so that at most `MAX_PIXELS` are left: 1, 2 or 4."""
    is_progressive = bool(image.info.get("progressive"))
    is_jpeg = image.format in ("JPEG", "MPO")
    largest = _LARGEST_DIVISOR_OF_JPEG if is_jpeg and not is_progressive else _LARGEST_DIVISOR
    check_size(image.width, image.height, origin, max_pixels=largest**2 * MAX_PIXELS)
    return next(divisor for divisor in (1, 2, 4) if image.width * image.height <= divisor**2 * MAX_PIXELS)


def _check_levels(image: PillowImage.Image, origin: str) -> None:
    if np.asarray(image.convert("RGB")).max() < _FEWEST_LEVELS:
        raise BrokenImageError(
            f"{origin} has colour of 16 bits with values below {256 * _FEWEST_LEVELS}; of such colour the high byte is "
            "read, which would leave a black image; scale its values to 0..65535, or convert it to 8 bits",
            origin=origin,
        )


def _to_array(image: PillowImage.Image, divisor: int, origin: str) -> Pixels:
    if image.mode in _WIDE_MODES:
        return _wide(image, divisor, origin)
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        image = _over_white(image, divisor)
    elif image.mode in (*_GREY_MODES, *_COLOUR_MODES):
        image = _reduced(image.convert("L" if image.mode in _GREY_MODES else "RGB"), divisor)
    else:
        raise BrokenImageError(
            f"{origin} has pixels of kind {image.mode}; grey, palette and colour are read", origin=origin
        )
    pixels = np.array(image, dtype=np.uint8)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def _over_white(image: PillowImage.Image, divisor: int) -> PillowImage.Image:
    is_grey = image.mode in (*_GREY_MODES, "LA")
    layer = _reduced(image.convert("RGBA"), divisor)
    composed = PillowImage.alpha_composite(PillowImage.new("RGBA", layer.size, "white"), layer)
    return composed.convert("L" if is_grey else "RGB")


def _wide(image: PillowImage.Image, divisor: int, origin: str) -> Pixels:
    tags = getattr(image, "tag_v2", {})
    if divisor > 1:
        image = image.convert("F" if image.mode == "F" else "I").reduce(divisor)
    values = np.array(image)
    # Pillow reads integers of 32 bits without a sign as if they had one.
    if values.dtype == np.int32 and tags and tags.get(_SAMPLE_FORMAT_TAG, (_UNSIGNED,))[0] == _UNSIGNED:
        values = values.view(np.uint32)
    if not np.isfinite(values).all():
        raise BrokenImageError(f"{origin} has values that are not finite; finite numbers are read", origin=origin)
    return values[:, :, None]


def _reduced(image: PillowImage.Image, divisor: int) -> PillowImage.Image:
    """The image with its sides divided; each pixel is the mean of a square of pixels."""
    return image.reduce(divisor) if divisor > 1 else image
