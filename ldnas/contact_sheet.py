"""Many small images in one picture."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def contact_sheet(images: NDArray[np.uint8], *, columns: int, pixels: int) -> bytes:
    """Images uint8 `[N, 3, S, S]` side by side, row by row, as a PNG.

    Each is `pixels` wide and high; where S is another number the images are scaled to it.
    """
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * pixels, rows * pixels))
    for place, image in enumerate(images):
        tile = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
        row, column = divmod(place, columns)
        sheet.paste(tile.resize((pixels, pixels), Image.Resampling.LANCZOS), (column * pixels, row * pixels))
    content = io.BytesIO()
    sheet.save(content, "PNG", optimize=True)
    return content.getvalue()
