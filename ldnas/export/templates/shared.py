"""An image classifier, complete in this file: it needs torch and Pillow.

    python network.py weights.safetensors image.png …

prints, for each image, the classes with their probabilities. As a module: `load("weights.safetensors")` gives the
network, `read_image("image.png")` one normalised input [3, S, S], and `network(torch.stack(inputs))` the logits
[N, classes].
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageOps, PngImagePlugin
from torch import Tensor, nn

from ldnas.export.templates.cell import Network

CLASS_NAMES: tuple[str, ...] = ("no", "yes")
IMAGE_SIZE: int = 16
# Of images with more than 8 bits: the values that become 0 and 255. None: no training image had more than 8 bits.
VALUE_RANGE: tuple[float, float] | None = None


def load(path: str | Path) -> nn.Module:
    """The network with the weights of a safetensors file, ready to classify."""
    network = Network(len(CLASS_NAMES))
    network.load_state_dict(read_safetensors(Path(path).read_bytes()))
    return network.eval()


DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}


def read_safetensors(content: bytes) -> dict[str, Tensor]:
    """Name → tensor. The layout: 8 bytes length of the header, the header as JSON, then the tensors' bytes."""
    start = 8 + int.from_bytes(content[:8], "little")
    tensors = {}
    header: dict[str, Any] = json.loads(content[8:start])
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            values = bytearray(content[start + begin : start + end])
            tensors[name] = torch.frombuffer(values, dtype=DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors


FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "AVIF")
MAX_PIXELS = 40_000_000  # larger images are read at a half or a quarter of their sides
Image.MAX_IMAGE_PIXELS = None  # `divisor` judges the size instead
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY  # bytes; Pillow refuses PNGs with long texts


def read_image(path: str | Path) -> Tensor:
    """An image file as the network takes it: float32 [3, S, S] in [-1, 1].

    Upright (EXIF), transparency over white, more than 8 bits scaled to 8, three channels; centred on a black square of
    its longer side, and that resized to S with antialiased bilinear interpolation (28 to 31 pixels are padded to 32).
    """
    with Image.open(path, formats=FORMATS) as file:
        image = to_rgb(file)
    longer = max(image.size)
    side = IMAGE_SIZE if IMAGE_SIZE == 32 and 28 <= longer < 32 else longer
    square = Image.new("RGB", (side, side))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    if side != IMAGE_SIZE:
        square = square.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BILINEAR)
    pixels = torch.frombuffer(bytearray(square.tobytes()), dtype=torch.uint8).reshape(IMAGE_SIZE, IMAGE_SIZE, 3)
    return pixels.permute(2, 0, 1).float() / 127.5 - 1


def to_rgb(image: Any) -> Image.Image:
    """Any kind of image as RGB, upright."""
    by = divisor(image)
    if by > 1 and image.draft(None, (image.width // by, image.height // by)):
        by = 1  # a JPEG is decoded at the reduced size
    is_wide = image.mode[0] in "IF"  # I, I;16, I;16B or F: grey of more than 8 bits
    has_deep_colour = not is_wide and re.search(";16[BLN]", str(image.tile))
    ImageOps.exif_transpose(image, in_place=True)
    if has_deep_colour and max(brightest for _, brightest in image.convert("RGB").getextrema()) < 16:
        raise ValueError("its colour of 16 bits is below 4096, and only the high byte is read: scale it to 0..65535")
    if is_wide:
        return scaled_to_8_bits(image, by).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in image.info:
        layer = reduced(image.convert("RGBA"), by)
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return reduced(image.convert("RGB"), by)


def divisor(image: Any) -> int:
    """The number by which the sides of a large image are divided before anything else: 1, 2 or 4."""
    by = 1
    while image.width * image.height > by**2 * MAX_PIXELS:
        by *= 2
    is_jpeg = image.format in ("JPEG", "MPO") and not image.info.get("progressive")
    if by > (4 if is_jpeg else 2) or min(image.size) < 2:
        raise ValueError(f"it has {image.width}×{image.height} pixels, too many or too few")
    return by


def reduced(image: Image.Image, by: int) -> Image.Image:
    """The image with its sides divided."""
    return image.reduce(by) if by > 1 else image


def scaled_to_8_bits(image: Any, by: int) -> Image.Image:
    """Grey of more than 8 bits as mode L, by VALUE_RANGE."""
    if VALUE_RANGE is None:
        raise ValueError("it has more than 8 bits a value, and the training images had 8: convert it to 8 bits")
    low, high = VALUE_RANGE
    is_float = image.mode == "F"
    # TIFF's tag 339 says whether the integers have a sign; without it Pillow's I means 32 bits without one.
    has_no_sign = image.mode == "I" and image.format == "TIFF" and image.tag_v2.get(339, (1,))[0] == 1
    image = reduced(image.convert("F" if is_float else "I"), by)
    kind = torch.float32 if is_float else torch.int32
    values = torch.frombuffer(bytearray(image.tobytes()), dtype=kind).double()
    if not values.isfinite().all():
        raise ValueError("it has values that are not finite")
    if has_no_sign:
        values = values % 2**32
    levels = ((values.clamp(low, high) - low) * (255 / (high - low)) + 0.5).floor()
    return Image.frombytes("L", image.size, bytes(levels.to(torch.uint8).tolist()))


def main(arguments: list[str]) -> None:
    """Print the classes of the images named on the command line."""
    if len(arguments) < 2:
        sys.exit("usage: python network.py weights.safetensors image.png …")
    network = load(arguments[0])
    for path in arguments[1:]:
        try:
            image = read_image(path)
        except (OSError, ValueError) as error:
            sys.exit(f"{path} cannot be classified: {error}")
        with torch.inference_mode():
            probabilities = network(image.unsqueeze(0)).softmax(dim=1)[0].tolist()
        print(path)
        for name, probability in sorted(zip(CLASS_NAMES, probabilities, strict=True), key=lambda pair: -pair[1]):
            print(f"  {probability:.4f}  {name}")


if __name__ == "__main__":
    main(sys.argv[1:])
