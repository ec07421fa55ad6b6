"""Builds a found network in the caller's torch.

The service sends data: a genotype, a skeleton, tensors. The installed `ldnas` builds the network from them. The
service's `network.py` and `network.pt2` are for people; the client neither runs nor unpickles them.
"""

from typing import TYPE_CHECKING

from ldnas.errors import RefusedError
from service.client.errors import MissingPackageError, UnusableNetworkError
from service.schemas.architectures import Architecture

if TYPE_CHECKING:
    from ldnas.export.loading import CellNetwork


def network_of(architecture: Architecture, weights: bytes) -> "CellNetwork":
    """The network on the CPU, in eval mode.

    Raises:
        MissingPackageError: torch is not installed.
        UnusableNetworkError: the parts do not match, or come from a newer release.
    """
    try:
        # Imported here because the client also works without torch.
        from ldnas.export.loading import load_cell_network
    except ModuleNotFoundError as error:
        raise MissingPackageError(error.name or "torch", "worker") from error
    try:
        return load_cell_network(weights, architecture.genotype, architecture.skeleton)
    except (RefusedError, ValueError, LookupError, TypeError) as error:
        raise UnusableNetworkError(f"architecture {architecture.id} cannot be built here: {error}") from error
