"""The images of a dataset without their pixels, which is all that a split needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from ldnas.data.dataset import dataset_digest
from ldnas.data.readers.records import Entry, Summary, require_distinct
from ldnas.data.reference import Fractions
from ldnas.data.split import DrawnSplit, draw_split
from ldnas.errors import UnreadableDatasetError


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Every readable image, in the order of the dataset; each sequence has one item per image.

    Attributes:
        entries: what the dataset says about each image.
        labels: indices into `class_names`.
        contents: the images' content digests.
        class_names: the dataset's own classes, also those without a readable image.
        warnings: sentences on files and columns that were left out or ignored, and on doubtful classes.
    """

    entries: Sequence[Entry]
    labels: Sequence[int]
    contents: Sequence[bytes]
    class_names: tuple[str, ...]
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, entries: Sequence[Entry], contents: Sequence[bytes | None], summary: Summary) -> Self:
        """Index the labels, and leave out the images without a content, which cannot be decoded.

        The classes are those of the reader's summary, or else the distinct labels, sorted.

        Raises:
            UnreadableDatasetError: a label is not the index of a named class, or two classes have one name.
        """
        labels, names = _index_labels(entries, summary.class_names)
        require_distinct(names)
        readable = [place for place, content in enumerate(contents) if content is not None]
        return cls(
            entries=[entries[place] for place in readable],
            labels=[labels[place] for place in readable],
            contents=[content for content in contents if content is not None],
            class_names=names,
            warnings=(*summary.warnings, *_warnings(names)),
        )

    def draw(self, fractions: Fractions | None) -> DrawnSplit:
        """Put each image into a split; arguments and errors are those of `draw_split`."""
        given = [entry.given_split for entry in self.entries]
        groups = [entry.group for entry in self.entries]
        return draw_split(self.contents, self.labels, given, groups, fractions)

    def digest(self, drawn: DrawnSplit) -> str:
        """`ImageDataset.digest` of the images that the split contains."""
        kept = drawn.kept
        return dataset_digest(
            (self.contents[place] for place in kept),
            (self.labels[place] for place in kept),
            (str(drawn.splits[place]) for place in kept),
            self.class_names,
        )


def _warnings(names: Sequence[str]) -> list[str]:
    """Sentences on class names that look like one name."""
    by_letters: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        by_letters.setdefault("".join(name.casefold().split()), []).append(name)
    alike = [same for same in by_letters.values() if len(same) > 1]
    return [f"doubtful: the classes {', '.join(map(repr, same))} differ only by case or spaces" for same in alike]


def _index_labels(entries: Sequence[Entry], names: tuple[str, ...] | None) -> tuple[list[int], tuple[str, ...]]:
    """The labels as class indices, and the class names."""
    if names is not None:
        for entry in entries:
            if isinstance(entry.label, str) or entry.label >= len(names):
                raise UnreadableDatasetError(
                    f"{entry.origin} has the label {entry.label!r}, but the schema names {len(names)} classes",
                    origin=entry.origin,
                )
        return [int(entry.label) for entry in entries], names
    # Integers sort by value; a text and an integer column never meet in one dataset, or sort apart.
    values = sorted({entry.label for entry in entries}, key=lambda label: (isinstance(label, str), label))
    index_of = {value: index for index, value in enumerate(values)}
    return [index_of[entry.label] for entry in entries], tuple(str(value) for value in values)
