"""What the client can do with finished architectures."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from service.client.cache import FileCache
from service.client.connection import Json, reference
from service.client.documents.architecture import Architecture
from service.client.files import FileCalls, OnBytes
from service.client.networks import network_of
from service.client.submission import Submission

if TYPE_CHECKING:
    from service.client.networks import CellNetwork

FILES = {
    "code": "network.py",
    "weights": "weights.safetensors",
    "program": "network.pt2",
    "onnx": "network.onnx",
    "card": "card.md",
}
"""The files of an architecture: the last part of the path in the API → what it is called on disk."""


class ArchitectureCalls(FileCalls):
    """The calls under `/v1/architectures`."""

    def architectures(self) -> Iterator[Architecture]:
        """Every finished architecture, newest first, page by page."""
        return self._pages(Architecture, "/v1/architectures", {})

    def architecture(self, architecture_id: str) -> Architecture:
        """One architecture: its cell, its skeleton, what it scored, and the paths of its files."""
        return self.read(Architecture, _path(architecture_id))

    def architecture_code(self, architecture_id: str) -> str:
        """The network as one Python file that needs only torch and Pillow."""
        return self.fetch(_path(architecture_id, "code")).decode()

    def architecture_weights(self, architecture_id: str) -> bytes:
        """The network's weights, in the safetensors layout."""
        return self.fetch(_path(architecture_id, "weights"))

    def architecture_onnx(self, architecture_id: str, cache: FileCache, on_bytes: OnBytes | None = None) -> Path:
        """Where the network lies as an ONNX file, downloaded into the cache where that does not have it yet.

        Raises:
            DamagedFileError: it did not arrive as the service has it.
            OSError: the cache cannot be written.
        """
        return self.fetch_cached(_path(architecture_id, "onnx"), cache, on_bytes)

    def download(
        self, architecture_id: str, folder: str | Path, on_bytes: Callable[[str, int, int | None], None] | None = None
    ) -> dict[str, Path]:
        """Write all files of an architecture (`FILES`) to a folder, which is made where it is missing.

        Each appears whole or not at all, in place of one that has its name.

        Args:
            on_bytes: hears the name of the file that is coming, how many bytes are there, and of how many (or None).

        Returns:
            Where each lies, by the last part of its path in the API.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        paths = {}
        for file, name in FILES.items():
            told = None if on_bytes is None else partial(on_bytes, name)
            content = self.fetch(_path(architecture_id, file), told)
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
        """Train an architecture again on other data. What is left out takes the service's default.

        `.wait()` gives the new architecture, which is not there before its training has ended.

        Args:
            dataset: a URI, or a whole dataset reference.
            labels: `{"groups": [[2], [6, 7]], "rest": true}`; absent = the dataset's own classes.
            name: of the new architecture.
            image_size: side of the images in pixels; None = that of the architecture.
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

    def load_network(self, architecture_id: str) -> "CellNetwork":
        """The network as a torch module, on the CPU and in eval mode: images `[N, 3, S, S]` in [-1, 1] → logits.

        It is built by `ldnas` as it is installed here, from the genotype, the skeleton and the weights; no code of the
        service is run. Needs torch.

        Raises:
            MissingPackageError: torch is not installed.
            UnusableNetworkError: it cannot be built by this release.
        """
        return network_of(self.architecture(architecture_id), self.architecture_weights(architecture_id))


def _path(architecture_id: str, *parts: str) -> str:
    return "/".join(("/v1/architectures", quote(architecture_id, safe=""), *parts))
