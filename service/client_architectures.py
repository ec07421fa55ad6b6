"""What the client can do with finished architectures."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from service.client_connection import Connection, Json, reference
from service.submission import Submission

FILES = {
    "code": "network.py",
    "weights": "weights.safetensors",
    "program": "network.pt2",
    "onnx": "network.onnx",
    "card": "card.md",
}
"""The files of an architecture: the last part of the path in the API → what it is called on disk."""


class ArchitectureCalls(Connection):
    """The calls under `/v1/architectures`."""

    def architectures(self) -> Iterator[Json]:
        """Every finished architecture, newest first, page by page."""
        return self._pages("/v1/architectures", {})

    def architecture(self, architecture_id: str) -> Json:
        """One architecture: its cell, its skeleton, what it scored, and the paths of its files."""
        return self.get(f"/v1/architectures/{architecture_id}")

    def architecture_code(self, architecture_id: str) -> str:
        """The network as one Python file that needs only torch and Pillow."""
        return self.request("GET", f"/v1/architectures/{architecture_id}/code").text

    def architecture_weights(self, architecture_id: str) -> bytes:
        """The network's weights, in the safetensors layout."""
        return self.request("GET", f"/v1/architectures/{architecture_id}/weights").content

    def download(self, architecture_id: str, folder: str | Path) -> dict[str, Path]:
        """Write all files of an architecture (`FILES`) to a folder, which is made where it is missing.

        Each appears whole or not at all, in place of one that has its name.

        Returns:
            Where each lies, by the last part of its path in the API.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        paths = {}
        for file, name in FILES.items():
            content = self.request("GET", f"/v1/architectures/{architecture_id}/{file}").content
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
    ) -> Submission:
        """Train an architecture again on other data. What is left out takes the service's default.

        `.wait()` gives the job's document; the `architecture_id` of its `result` is the new architecture.

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
        document = self._post(f"/v1/architectures/{architecture_id}/train", fields, idempotency_key)
        path = f"/v1/jobs/{document['job_id']}"
        return Submission(self, document, path, path)
