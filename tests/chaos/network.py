"""The network between the fleet and its servers: relays that can stop forwarding."""

from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import make_url

from tests.relay import Relay


class Network:
    """Relays in front of PostgreSQL and Valkey; where the fleet has no such servers, there are none.

    Attributes:
        settings: those of `direct`, with the URLs that lead through the relays.
    """

    def __init__(self, direct: dict[str, str]) -> None:
        self._relays: list[Relay] = []
        self._open = ExitStack()
        self.settings = {name: self._through_relay(url) for name, url in direct.items()}

    @property
    def present(self) -> bool:
        """Whether anything goes through it."""
        return bool(self._relays)

    def pause(self) -> None:
        """Swallow every packet."""
        for relay in self._relays:
            relay.pause()

    def resume(self) -> None:
        """Forward again."""
        for relay in self._relays:
            relay.resume()

    def close(self) -> None:
        """End the relays, and with them every connection."""
        self._open.close()

    def _through_relay(self, text: str) -> str:
        url = make_url(text)
        if url.drivername == "redis":
            assert url.host is not None
            assert url.port is not None
            port = self._start((url.host, url.port))
            return url.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
        if url.get_backend_name() != "postgresql":
            return text
        folder = url.query.get("host")
        port = url.port or 5432
        target = (url.host or "127.0.0.1", port) if folder is None else Path(str(folder)) / f".s.PGSQL.{port}"
        relayed = url.difference_update_query(["host"]).set(host="127.0.0.1", port=self._start(target))
        return relayed.render_as_string(hide_password=False)

    def _start(self, target: tuple[str, int] | Path) -> int:
        relay = self._open.enter_context(Relay(target))
        self._relays.append(relay)
        return relay.port
