"""The dataset that comes with the installation."""

import numpy as np

from ldnas.data.readers.records import Entry, Record, Records, Summary, held

_WHITE = 16  # the scans count the dark pixels of 4×4 blocks


def read_digits() -> Records:
    """1,797 scans of handwritten digits, 8×8 grey (scikit-learn's `load_digits`), values 0..16 scaled to 0..255.

    Source: E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits, UCI, 1998. It names no split.
    """
    # scikit-learn takes a second to load, and no other reader needs it.
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = np.rint(digits.images * (255 / _WHITE)).astype(np.uint8)[:, :, :, None]
    for row, (image, label) in enumerate(zip(pixels, digits.target.tolist(), strict=True)):
        yield Record(Entry(f"digits row {row}", label), held(image))
    return Summary(tuple(str(digit) for digit in range(10)))
