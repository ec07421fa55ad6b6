"""The client's calls for finished architectures."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ldnas.errors import RefusedError
from service.client.cache import FileCache
from service.client.connection import reference
from service.client.documents import Architecture
from service.client.errors import MissingPackageError, UnusableNetworkError
from service.client.files import FileCalls, OnBytes
from service.client.submission import Submission
from service.schemas.base import Json

if TYPE_CHECKING:
    from torch import nn


class ArchitectureCalls(FileCalls):
    """The calls under `/v1/architectures`."""

    def architectures(self) -> Iterator[Architecture]:
        """Yields every finished architecture, newest first, page by page."""
        return self._pages(Architecture, "/v1/architectures", {})

    def architecture(self, architecture_id: str) -> Architecture:
        """One architecture: its design, its scores, and the paths of its files."""
        return self.read(Architecture, _path(architecture_id))

    def architecture_code(self, architecture_id: str) -> str:
        """The network as one Python file that needs torch and Pillow, and for a pretrained network its library.

        That is timm, or torchvision for a network whose name begins with `torchvision/`.
        """
        return self.fetch(_path(architecture_id, "code")).decode()

    def architecture_weights(self, architecture_id: str) -> bytes:
        """The network's weights, as a safetensors file."""
        return self.fetch(_path(architecture_id, "weights"))

    def architecture_onnx(self, architecture_id: str, cache: FileCache, on_bytes: OnBytes | None = None) -> Path:
        """The path of the network as an ONNX file in the cache; downloads the file if the cache does not have it.

        Raises:
            DamagedFileError: the content does not match its digest.
            OSError: the cache cannot be written.
        """
        return self.fetch_cached(_path(architecture_id, "onnx"), cache, on_bytes)

    def download(
        self, architecture_id: str, folder: str | Path, on_bytes: Callable[[str, int, int | None], None] | None = None
    ) -> dict[str, Path]:
        """Downloads all files of an architecture (`FILES`) to a folder, which is created if it does not exist.

        Each file is written completely or not at all, and replaces an existing file of its name.

        Args:
            on_bytes: called with the name of the file, the bytes received so far, and the total (or None).

        Returns:
            The path of each file, by the last part of its path in the API.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        paths = {}
        for file, name in FILES.items():
            on_bytes_of_file = None if on_bytes is None else partial(on_bytes, name)
            content = self.fetch(_path(architecture_id, file), on_bytes_of_file)
            paths[file] = folder / name
            unfinished = folder / f".{name}.part"
            unfinished.write_bytes(content)
            unfinished.replace(paths[file])
        return paths

    def train_architecture(
        self,
        architecture_id: str,
        dataset: str | Mapping[str, Any],
        *,
        labels: Mapping[str, Any] | None = None,
        name: str | None = None,
        image_size: int | None = None,
        objective: str | None = None,
        seed: int | None = None,
        priority: int | None = None,
        idempotency_key: str | None = None,
    ) -> Submission[Architecture]:
        """Trains an architecture again on other data. Omitted arguments take the service's defaults.

        `.wait()` returns the new architecture, which does not exist before its training has ended.

        Args:
            dataset: a URI, or a whole dataset reference.
            labels: `{"groups": [[2], [6, 7]], "rest": true}`; absent = the dataset's own classes.
            name: name of the new architecture.
            image_size: side of the images in pixels; None = the image size of the architecture.
            objective: `accuracy`, `balanced_accuracy` or `macro_f1`.
        """
        fields: Json = {
            "dataset": reference(dataset),
            "labels": labels,
            "name": name,
            "image_size": image_size,
            "objective": objective,
            "seed": seed,
            "priority": priority,
        }
        document = self._post(_path(architecture_id, "train"), fields, idempotency_key)
        resource = _path(document["architecture_id"])
        return Submission(self, document, resource, f"/v1/jobs/{document['job_id']}", Architecture)

    def load_network(self, architecture_id: str) -> "nn.Module":
        """The network as a torch module, on the CPU and in eval mode: images `[N, 3, S, S]` in [-1, 1] → logits.

        The installed `ldnas` builds it from the design and the weights, without running code of the service. Needs
        torch; for networks other than cells also torchvision and timm.

        Raises:
            MissingPackageError: one of these packages is not installed.
            UnusableNetworkError: this release cannot build the network.
        """
        return network_of(self.architecture(architecture_id), self.architecture_weights(architecture_id))


def _path(architecture_id: str, *parts: str) -> str:
    return "/".join(("/v1/architectures", quote(architecture_id, safe=""), *parts))


def network_of(architecture: Architecture, weights: bytes) -> "nn.Module":
    """The network on the CPU, in eval mode, built by the installed `ldnas` from a design and tensors.

    The service's `network.py` and `network.pt2` are for people; the client neither runs nor unpickles them.

    Raises:
        MissingPackageError: torch, or another package that a network of this kind needs, is not installed.
        UnusableNetworkError: the parts do not match, or come from a newer release.
    """
    # A service of release 0.1 sends no design: all its networks are cells.
    cell = {"kind": "cell", "genotype": architecture.genotype, "skeleton": architecture.skeleton}
    try:
        # Imported here because the client also works without torch.
        from ldnas.export.loading import load_network

        return load_network(weights, architecture.design or cell)
    except ModuleNotFoundError as error:
        raise MissingPackageError(error.name or "torch", "worker") from error
    except (RefusedError, ValueError, LookupError, TypeError) as error:
        raise UnusableNetworkError(f"architecture {architecture.id} cannot be built here: {error}") from error


FILES = {
    "code": "network.py",
    "weights": "weights.safetensors",
    "program": "network.pt2",
    "onnx": "network.onnx",
    "card": "card.md",
}
"""The files of an architecture: the last part of the path in the API → the file name on disk."""
