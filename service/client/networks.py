"""A found network in the caller's own torch.

What the service sends is data: a genotype, a skeleton, tensors. The network is built from them by `ldnas` as it is
installed here; the service's `network.py` and `network.pt2` are for people, and nothing here runs or unpickles them.
"""

from typing import TYPE_CHECKING

from ldnas.errors import RefusedError
from service.client.documents.architecture import Architecture
from service.client.errors import MissingPackageError, UnusableNetworkError

if TYPE_CHECKING:
    # The one place of the client that names it: everything else has it from here.
    from ldnas.export.loading import CellNetwork as CellNetwork


def network_of(architecture: Architecture, weights: bytes) -> "CellNetwork":
    """The network on the CPU, in eval mode.

    Raises:
        MissingPackageError: torch is not installed.
        UnusableNetworkError: the parts do not fit together, or are of a newer release.
    """
    try:
        # Only here: the client itself works where torch is not installed.
        from ldnas.export.loading import load_cell_network
    except ModuleNotFoundError as error:
        raise MissingPackageError(error.name or "torch", "worker") from error
    try:
        return load_cell_network(weights, architecture.genotype, architecture.skeleton)
    except (RefusedError, ValueError, LookupError, TypeError) as error:
        raise UnusableNetworkError(f"architecture {architecture.id} cannot be built here: {error}") from error
