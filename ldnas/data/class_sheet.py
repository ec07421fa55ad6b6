"""A few training images of each class of a task in one picture: for people, never for a network."""

import numpy as np

from ldnas.contact_sheet import contact_sheet
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
