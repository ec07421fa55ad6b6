"""Every error that `ldnas` raises on purpose, in one tree.

LdnasError
└── RefusedError                  the input cannot be processed; the message says which input is accepted
    ├── InvalidReferenceError     a dataset reference is malformed or names an unsupported location
    ├── ForbiddenLocationError    a reference points outside the allowed dataset roots
    ├── DatasetNotFoundError      a reference points to nothing
    ├── UnreadableDatasetError    a file exists, but no reader can read its layout
    ├── BrokenImageError          one image cannot be read or decoded; named by its row or path
    ├── ImageSizeError            one image is too small or too large
    ├── ReferenceChangedError     the content behind a reference changed while a job was using it
    ├── InvalidMappingError       a label mapping is impossible on its own
    ├── UnknownLabelError         a label mapping names labels that the dataset does not have
    ├── SingleClassError          fewer than two classes are left
    ├── TooFewImagesError         a class has too few images to be split in three
    ├── EmptySplitError           train, validation or test has no image
    ├── UnknownNetworkError       no network architecture of that name
    ├── UnfitWeightsError         weights do not fit the network
    ├── UnknownMeasureError       no distance measure of that name
    ├── UnknownStrategyError      no search strategy of that name
    ├── UnknownObjectiveError     no objective of that name
    ├── InvalidGenotypeError      a genotype is malformed or lies outside its search space
    ├── InvalidSearchError        a search setting cannot be met
    ├── ImpossibleConstraintError no cell of the search space satisfies a limit on size, work or latency
    ├── DivergedNetworkError      the outputs of a trained network are not finite
    ├── OutOfMemoryError          memory does not suffice for a network and one image
    ├── DamagedStarterError       a file of the starter memory is missing or damaged
    └── UnsupportedLayerError     the Fisher diagonal of a layer cannot be computed exactly
"""


class LdnasError(Exception):
    """Base of every deliberate error of `ldnas`."""


class RefusedError(LdnasError):
    """The input cannot be processed.

    Attributes:
        message: the refused input and the accepted alternatives, in one or two sentences.
        field: the request field at fault, dotted (`dataset.uri`), or None.
        origin: the file, row or path at fault, or None.
    """

    def __init__(self, message: str, *, field: str | None = None, origin: str | None = None) -> None:
        self.message = _encodable(message)
        super().__init__(self.message)
        self.field = None if field is None else _encodable(field)
        self.origin = None if origin is None else _encodable(origin)


def _encodable(text: str) -> str:
    r"""Escape halves of surrogate pairs as `\ud800`: JSON can contain them, UTF-8 cannot."""
    return text.encode("utf-8", "backslashreplace").decode()


class InvalidReferenceError(RefusedError):
    """A dataset reference is malformed or names an unsupported location."""


class ForbiddenLocationError(RefusedError):
    """A reference points outside the allowed dataset roots."""


class DatasetNotFoundError(RefusedError):
    """A reference points to nothing."""


class UnreadableDatasetError(RefusedError):
    """A file exists, but no reader can read its layout."""


class BrokenImageError(RefusedError):
    """One image cannot be read or decoded; `origin` names its row or path."""


class ImageSizeError(RefusedError):
    """One image is too small or too large; `origin` names its row or path."""


class ReferenceChangedError(RefusedError):
    """The content behind a reference changed while a job was using it."""


class InvalidMappingError(RefusedError):
    """A label mapping is impossible on its own (an empty group, a label in two groups)."""


class UnknownLabelError(RefusedError):
    """A label mapping names labels that the dataset does not have."""


class SingleClassError(RefusedError):
    """Fewer than two classes are left."""


class TooFewImagesError(RefusedError):
    """A class has too few images to be split into train, validation and test."""


class EmptySplitError(RefusedError):
    """Train, validation or test has no image."""


class UnknownNetworkError(RefusedError):
    """No network architecture of that name."""


class UnfitWeightsError(RefusedError):
    """Weights do not fit the network; `origin` names the first tensor at fault."""


class UnknownMeasureError(RefusedError):
    """No distance measure of that name."""


class UnknownStrategyError(RefusedError):
    """No search strategy of that name."""


class UnknownObjectiveError(RefusedError):
    """No objective of that name."""


class InvalidGenotypeError(RefusedError):
    """A genotype is malformed or lies outside its search space."""


class InvalidSearchError(RefusedError):
    """A search setting cannot be met."""


class ImpossibleConstraintError(RefusedError):
    """No cell of the search space satisfies a limit on size, work or latency; `field` names it
    (`constraints.max_macs`).

    Attributes:
        nearest_possible: the least value of the limit that some cell satisfies, or None if it is unknown.
    """

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        origin: str | None = None,
        nearest_possible: float | None = None,
    ) -> None:
        super().__init__(message, field=field, origin=origin)
        self.nearest_possible = nearest_possible


class DivergedNetworkError(RefusedError):
    """The outputs of a trained network are not finite."""


class OutOfMemoryError(RefusedError):
    """Memory does not suffice for a network and one image, or the fewest it can train on; the message has the bytes."""


class DamagedStarterError(RefusedError):
    """A file of the starter memory is missing, or its content is not the one that was written; `origin` names it."""


class UnsupportedLayerError(RefusedError):
    """The Fisher diagonal of a layer cannot be computed exactly."""
