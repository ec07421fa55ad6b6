"""A certificate authority of the tests, and HTTPS servers that it certifies."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import trustme


class Authority:
    """An authority that is trusted only by its file.

    Attributes:
        file: its certificate, as PEM.
    """

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self._folder = folder
        self.file = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(self.file)

    def certify(self, *names: str) -> tuple[Path, Path]:
        """A certificate of these names or addresses with its chain, and its key."""
        made = self._authority.issue_cert(*names)
        certificate, key = self._folder / f"{names[0]}.pem", self._folder / f"{names[0]}.key"
        key.write_bytes(made.private_key_pem.bytes())
        certificate.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
        return certificate, key

    @contextmanager
    def serving(self, name: str, answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[int]:
        """An HTTPS server with a certificate of this name; gives its port on 127.0.0.1."""

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                answer(self)

            def log_message(self, *_: object) -> None:
                """Keeps quiet."""

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.certify(name))
        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that refuses the certificate
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield server.server_address[1]
            server.shutdown()
