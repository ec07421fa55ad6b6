"""An image classifier, complete in this file: it needs torch and Pillow.

    python network.py weights.safetensors image.png …

prints, for each image, the classes with their probabilities. As a module: `load("weights.safetensors")` gives the
network, `read_image("image.png")` one normalised input [3, S, S], and `network(torch.stack(inputs))` the logits
[N, classes].
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageOps
from torch import Tensor, nn

from ldnas.export.templates.cell import Network

CLASS_NAMES: tuple[str, ...] = ("no", "yes")
IMAGE_SIZE: int = 16


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


def read_image(path: str | Path) -> Tensor:
    """An image file as the network takes it: float32 [3, S, S] in [-1, 1].

    Upright (EXIF), transparency over white, 16-bit grey scaled to 8, three channels; centred on a black square of its
    longer side, and that resized to S with antialiased bilinear interpolation (28 to 31 pixels are padded to 32).
    """
    with Image.open(path) as file:
        image = to_rgb(ImageOps.exif_transpose(file))
    longer = max(image.size)
    side = IMAGE_SIZE if IMAGE_SIZE == 32 and 28 <= longer < 32 else longer
    square = Image.new("RGB", (side, side))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    if side != IMAGE_SIZE:
        square = square.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BILINEAR)
    pixels = torch.frombuffer(bytearray(square.tobytes()), dtype=torch.uint8).reshape(IMAGE_SIZE, IMAGE_SIZE, 3)
    return pixels.permute(2, 0, 1).float() / 127.5 - 1


def to_rgb(image: Image.Image) -> Image.Image:
    """Any kind of image as RGB."""
    if image.mode.startswith("I"):  # 16-bit grey: 65535 becomes 255
        values = torch.frombuffer(bytearray(image.convert("I").tobytes()), dtype=torch.int32)
        grey = bytes(((values + 128) // 257).tolist())
        return Image.frombytes("L", image.size, grey).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return image.convert("RGB")


def main(arguments: list[str]) -> None:
    """Print the classes of the images named on the command line."""
    if len(arguments) < 2:
        sys.exit("usage: python network.py weights.safetensors image.png …")
    network = load(arguments[0])
    for path in arguments[1:]:
        with torch.inference_mode():
            probabilities = network(read_image(path).unsqueeze(0)).softmax(dim=1)[0].tolist()
        print(path)
        for name, probability in sorted(zip(CLASS_NAMES, probabilities, strict=True), key=lambda pair: -pair[1]):
            print(f"  {probability:.4f}  {name}")


if __name__ == "__main__":
    main(sys.argv[1:])
