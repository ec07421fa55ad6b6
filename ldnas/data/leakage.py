"""Detects test images of one dataset among the training images of another, by their pixels."""

from ldnas.data.dataset import ImageDataset, Split, content_digest

_BYTES = 8


def fingerprints(dataset: ImageDataset, *splits: Split) -> bytes:
    """The fingerprints of these splits' images: 8 bytes of digest for each distinct image, in ascending order.

    Two different images share a fingerprint with a probability of 1 in 2**64.
    """
    found = {content_digest(dataset.images[place])[:_BYTES] for split in splits for place in dataset.indices(split)}
    return b"".join(sorted(found))


def count_common(ours: bytes, theirs: bytes) -> int:
    """How many images two lists of fingerprints have in common."""
    return len(_split(ours) & _split(theirs))


def _split(listed: bytes) -> set[bytes]:
    return {listed[start : start + _BYTES] for start in range(0, len(listed), _BYTES)}
