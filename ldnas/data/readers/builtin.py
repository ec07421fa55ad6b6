"""The dataset that comes with the installation."""

import numpy as np

from ldnas.data.readers.raw import RawDataset

_WHITE = 16  # the scans count the dark pixels of 4×4 blocks


def read_digits() -> RawDataset:
    """1,797 scans of handwritten digits, 8×8 grey (scikit-learn's `load_digits`), values 0..16 scaled to 0..255.

    Source: E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits, UCI, 1998. It names no split.
    """
    # scikit-learn takes a second to load, and no other reader needs it.
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = np.rint(digits.images * (255 / _WHITE)).astype(np.uint8)[:, :, :, None]
    count = len(pixels)
    return RawDataset(
        images=list(pixels),
        labels=digits.target.tolist(),
        class_names=tuple(str(digit) for digit in range(10)),
        origins=[f"digits row {row}" for row in range(count)],
        given_splits=[None] * count,
        groups=[None] * count,
    )
