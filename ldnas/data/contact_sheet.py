"""A few training images of each class of a task, side by side on one picture: for people, never for a network."""

import io

from PIL import Image as PillowImage

from ldnas.data.task_data import TaskData

SHOWN_CLASSES = 30
"""Of a task with more classes, the first so many have a row."""

IMAGES_OF_A_CLASS = 8
LARGEST_CELL_PIXELS = 64


def contact_sheet(data: TaskData) -> bytes:
    """A PNG with a row of square cells for each class, in their order: its first training images.

    A cell is as large as the task's images, but has at most 64 pixels a side; it is transparent where a class has fewer
    images. Validation and test images are never shown.
    """
    size = min(LARGEST_CELL_PIXELS, data.train.images.shape[-1])
    classes = min(SHOWN_CLASSES, len(data.class_names))
    sheet = PillowImage.new("RGBA", (IMAGES_OF_A_CLASS * size, classes * size))
    for row in range(classes):
        of_the_class = (data.train.labels == row).nonzero().flatten()[:IMAGES_OF_A_CLASS]
        for column, image in enumerate(data.train.images[of_the_class]):
            cell = PillowImage.fromarray(image.permute(1, 2, 0).cpu().numpy())
            if cell.width > size:
                cell = cell.resize((size, size), PillowImage.Resampling.BOX)
            sheet.paste(cell, (column * size, row * size))
    content = io.BytesIO()
    sheet.save(content, "PNG", optimize=True)
    return content.getvalue()
