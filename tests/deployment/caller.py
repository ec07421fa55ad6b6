"""A client of the deployed API."""

from typing import Any

import httpx

from tests.deployment.waiting import until

ENDED = ("succeeded", "failed", "cancelled")


class Caller:
    """Calls the API at a port of this machine, at first without a key."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def show(self, key: str) -> None:
        """Sends the key with every request from now on."""
        self.http.headers["Authorization"] = f"Bearer {key}"

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.http.post(path, json=body)
        assert answer.status_code == 202, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def get(self, path: str) -> dict[str, Any]:
        document: dict[str, Any] = self.http.get(path).raise_for_status().json()
        return document

    def is_answered(self) -> bool:
        """Whether the process lives."""
        try:
            return self.http.get("/healthz").is_success
        except httpx.TransportError:
            return False

    def ended(self, path: str) -> dict[str, Any]:
        """The document at `path` once its job has ended."""
        return until(lambda: (found := self.get(path))["state"] in ENDED and found, f"{path} ends")
