"""An image classifier found by architecture search, complete in this file: it needs torch and Pillow.

    python network.py weights.safetensors image.png …

prints, for each image, the classes with their probabilities. As a module: `load("weights.safetensors")` gives the
network, `read_image("image.png")` one normalised input [3, S, S], and `network(torch.stack(inputs))` the logits
[N, classes].
"""

import json
import sys
from pathlib import Path

import torch
from PIL import Image, ImageOps
from torch import Tensor, nn

CLASS_NAMES: tuple[str, ...] = ("no", "yes")
IMAGE_SIZE: int = 16
# Channels and number of cells of each stage; every stage but the first begins by halving height and width.
STAGES: tuple[tuple[int, int], ...] = ((16, 1), (32, 1))
# The cell: (from node, to node, operation). Node 0 is its input, node 3 its output, a node the sum of its edges.
EDGES: tuple[tuple[int, int, str], ...] = ((0, 1, "identity"), (0, 2, "identity"), (1, 2, "identity"))

DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}


def operation(name: str, channels: int) -> nn.Module:
    """The operation of an edge; it keeps the shape [N, C, H, W] of its input."""
    if name == "identity":
        return nn.Identity()
    if name == "max_pool_3x3":
        return nn.MaxPool2d(3, stride=1, padding=1)
    if name == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    if name == "conv_7x1_1x7":
        return nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels, channels, (1, 7), padding=(0, 3), bias=False),
            nn.Conv2d(channels, channels, (7, 1), padding=(3, 0), bias=False),
            nn.BatchNorm2d(channels),
        )
    kind, _, size = name.split("_")  # sep_conv_3x3, dil_conv_5x5, …
    kernel, dilation = int(size[0]), 2 if kind == "dil" else 1
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, channels, kernel, padding=padding, dilation=dilation, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
    )


class Cell(nn.Module):
    """A small graph of operations at one resolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.edges = nn.ModuleList(operation(name, channels) for _, _, name in EDGES)

    def forward(self, inputs: Tensor) -> Tensor:
        nodes = {0: inputs}
        for (start, end, _), edge in zip(EDGES, self.edges, strict=True):
            term = edge(nodes[start])
            nodes[end] = nodes[end] + term if end in nodes else term
        return nodes[max(nodes)]


class Network(nn.Module):
    """Images [N, 3, S, S], normalised to [-1, 1] → logits [N, classes]."""

    def __init__(self) -> None:
        super().__init__()
        channels = STAGES[0][0]
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        self.stages = nn.ModuleList()
        for index, (width, cells) in enumerate(STAGES):
            layers: list[nn.Module] = [Cell(width) for _ in range(cells)]
            if index > 0:
                halve = nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False)
                layers.insert(0, nn.Sequential(nn.ReLU(), halve, nn.BatchNorm2d(width)))
            self.stages.append(nn.Sequential(*layers))
            channels = width
        self.head = nn.Linear(channels, len(CLASS_NAMES))

    def forward(self, images: Tensor) -> Tensor:
        maps = self.stem(images)
        for stage in self.stages:
            maps = stage(maps)
        logits: Tensor = self.head(torch.relu(maps).mean(dim=(2, 3)))
        return logits


def load(path: str | Path) -> Network:
    """The network with the weights of a safetensors file, ready to classify."""
    network = Network()
    network.load_state_dict(read_safetensors(Path(path).read_bytes()))
    return network.eval()


def read_safetensors(content: bytes) -> dict[str, Tensor]:
    """Name → tensor. The layout: 8 bytes length of the header, the header as JSON, then the tensors' bytes."""
    start = 8 + int.from_bytes(content[:8], "little")
    tensors = {}
    for name, entry in json.loads(content[8:start]).items():
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
