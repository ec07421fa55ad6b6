"""What the picture of many images shows."""

import io

import numpy as np
from PIL import Image

from ldnas.contact_sheet import contact_sheet


def test_images_lie_side_by_side_in_their_order_and_the_rest_of_the_last_row_is_black() -> None:
    images = np.zeros((3, 3, 4, 4), dtype=np.uint8)
    images[0, 0], images[1, 1], images[2, 2] = 255, 255, 255  # red, green, blue
    sheet = np.asarray(Image.open(io.BytesIO(contact_sheet(images, columns=2, pixels=4))))
    assert sheet.shape == (8, 8, 3)
    for row, column, colour in ((0, 0, (255, 0, 0)), (0, 4, (0, 255, 0)), (4, 0, (0, 0, 255)), (4, 4, (0, 0, 0))):
        assert (sheet[row : row + 4, column : column + 4] == colour).all()


def test_large_images_are_made_smaller() -> None:
    image = np.repeat(np.array([[[10]], [[20]], [[30]]], dtype=np.uint8)[None], 64, axis=2).repeat(64, axis=3)
    picture = Image.open(io.BytesIO(contact_sheet(image, columns=1, pixels=8)))
    assert picture.size == (8, 8)
    assert picture.getpixel((4, 4)) == (10, 20, 30)
