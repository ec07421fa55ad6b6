"""Many small images in one picture: for people, never for a network."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ldnas.data.task_data import TaskData

SHOWN_CLASSES = 30
"""The number of rows at most; of a task with more classes, only the first ones are shown."""

IMAGES_OF_A_CLASS = 8
LARGEST_CELL_PIXELS = 64


def class_sheet(data: TaskData) -> bytes:
    """A PNG with a row of square cells for each class, in their order: its first training images.

    A cell is as large as the task's images, but has at most 64 pixels a side; it is black where a class has fewer
    images. Validation and test images are never shown.
    """
    size = data.train.images.shape[-1]
    classes = min(SHOWN_CLASSES, len(data.class_names))
    cells = np.zeros((classes, IMAGES_OF_A_CLASS, 3, size, size), dtype=np.uint8)
    for row in range(classes):
        of_the_class = (data.train.labels == row).nonzero().flatten()[:IMAGES_OF_A_CLASS]
        cells[row, : len(of_the_class)] = data.train.images[of_the_class].cpu().numpy()
    return contact_sheet(
        cells.reshape(-1, 3, size, size), columns=IMAGES_OF_A_CLASS, pixels=min(LARGEST_CELL_PIXELS, size)
    )


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
