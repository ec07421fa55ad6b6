"""Whether one dataset's test images were used to train on another: the same pixels under another split or name."""

from ldnas.data.dataset import ImageDataset, Split, content_digest

_BYTES = 8


def fingerprints(dataset: ImageDataset, *splits: Split) -> bytes:
    """What the images of these splits are, 8 bytes of digest for each distinct one, in ascending order.

    Two different images share a fingerprint with a probability of 1 in 2**64.
    """
    found = {content_digest(dataset.images[place])[:_BYTES] for split in splits for place in dataset.indices(split)}
    return b"".join(sorted(found))


def count_common(ours: bytes, theirs: bytes) -> int:
    """How many images two lists of fingerprints have in common."""
    return len(_split(ours) & _split(theirs))


def _split(listed: bytes) -> set[bytes]:
    return {listed[start : start + _BYTES] for start in range(0, len(listed), _BYTES)}
