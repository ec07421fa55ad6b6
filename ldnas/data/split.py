"""The one split of a dataset, drawn from its content alone."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from ldnas.data.dataset import Split
from ldnas.data.reference import Fractions
from ldnas.errors import EmptySplitError

# A change of this constant changes every test set; it is not a setting.
_SPLIT_KEY = b"ldnas/split/1\n"

_Unit = list[int]


@dataclass(frozen=True)
class DrawnSplit:
    """`splits`: the split of each image, None for one that is left out; `left_out`: how many those are."""

    splits: tuple[Split | None, ...]
    left_out: int

    @property
    def kept(self) -> list[int]:
        """The positions of the images that are not left out, ascending."""
        return [place for place, split in enumerate(self.splits) if split is not None]


def draw_split(
    contents: Sequence[bytes],
    labels: Sequence[int],
    given: Sequence[Split | None],
    groups: Sequence[str | None],
    fractions: Fractions | None = None,
) -> DrawnSplit:
    """Put each of N images into train, validation or test; the same images always get the same split.

    A *unit* is a set of images that must stay in one split: images with equal pixels, images of one group, and
    everything that these two relations connect. A given test or validation split is preserved; an image elsewhere whose
    unit reaches into it is left out (for a unit in both, test wins), and counted. The other units are placed one by
    one, the largest first and then by a keyed SHA-256 of their content. Each goes to the split, among those not given,
    where its classes are furthest below their share; of equal splits, to the one that is furthest below its share over
    all classes. This stratifies every class, also where a unit holds several. The draw has no seed: of a request only
    `fractions` moves an image.

    Args:
        contents: the images' content digests (`content_digest`), `[N]`.
        labels: class indices, `[N]`.
        given: the split that the dataset itself names for each image, or None, `[N]`. A missing split is drawn from the
            given `train` images.
        groups: the group of each image, or None, `[N]`.
        fractions: shares in (0, 1), default 0.7, 0.15, 0.15; the shares of given splits are dropped and the others
            keep their proportion.

    Raises:
        EmptySplitError: train, validation or test gets no image.
    """
    splits: list[Split | None] = [None] * len(contents)
    drawn_units: list[_Unit] = []
    for unit in _units(contents, groups):
        fixed = {given[index] for index in unit}
        kept = next((split for split in (Split.TEST, Split.VALIDATION) if split in fixed), None)
        if kept is None:
            drawn_units.append(unit)
        for index in unit:
            splits[index] = kept if given[index] is kept else None
    drawn_units.sort(key=lambda unit: (-len(unit), _order(unit, contents)))
    _distribute(drawn_units, labels, _missing_shares(given, fractions or Fractions()), splits)
    for split in Split:
        if split not in splits:
            raise EmptySplitError(
                f"{len(contents)} images in {len(drawn_units)} independent groups leave {split} empty; "
                "more images, more groups or another given split are needed"
            )
    return DrawnSplit(tuple(splits), left_out=splits.count(None))


def _units(contents: Sequence[bytes], groups: Sequence[str | None]) -> list[_Unit]:
    """Connected components of images, joined by equal content or an equal group."""
    parent: dict[bytes | str, bytes | str] = {content: content for content in contents}

    def root(node: bytes | str) -> bytes | str:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for content, group in zip(contents, groups, strict=True):
        if group is not None:
            parent.setdefault(group, group)
            parent[root(group)] = root(content)
    units: dict[bytes | str, _Unit] = defaultdict(list)
    for index, content in enumerate(contents):
        units[root(content)].append(index)
    return list(units.values())


def _order(unit: _Unit, contents: Sequence[bytes]) -> bytes:
    return hashlib.sha256(_SPLIT_KEY + b"".join(sorted({contents[index] for index in unit}))).digest()


def _missing_shares(given: Sequence[Split | None], fractions: Fractions) -> dict[Split, float]:
    """The share, in (0, 1], of each split that has to be drawn; they add up to 1."""
    shares = {Split.TRAIN: fractions.train, Split.VALIDATION: fractions.validation, Split.TEST: fractions.test}
    missing = {split: share for split, share in shares.items() if split is Split.TRAIN or split not in given}
    return {split: share / sum(missing.values()) for split, share in missing.items()}


def _distribute(
    units: Sequence[_Unit], labels: Sequence[int], shares: dict[Split, float], splits: list[Split | None]
) -> None:
    """Write the split of each unit's images into `splits`."""
    totals = Counter(labels[index] for unit in units for index in unit)
    placed: dict[Split, Counter[int]] = {split: Counter() for split in shares}
    sizes = dict.fromkeys(shares, 0)

    def shortfall(split: Split, classes: Counter[int]) -> tuple[float, float]:
        of_classes = sum(
            count * (1 - placed[split][label] / (shares[split] * totals[label])) for label, count in classes.items()
        )
        # The second decides for the first unit of each class, or classes of one unit would all go to train.
        return of_classes, -sizes[split] / shares[split]

    for unit in units:
        classes = Counter(labels[index] for index in unit)
        chosen = max(shares, key=lambda split: shortfall(split, classes))
        placed[chosen].update(classes)
        sizes[chosen] += len(unit)
        for index in unit:
            splits[index] = chosen
