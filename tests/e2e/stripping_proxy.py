"""A reverse proxy that publishes a service below a path and strips that path, as nginx's `location /ldnas/` does."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_OF_THE_CONNECTION = ("connection", "keep-alive", "transfer-encoding")


@contextmanager
def stripping_proxy(port: int, prefix: str) -> Iterator[str]:
    """The address below which the service on `port` is published; nothing else is at the proxy's host."""

    class Handler(BaseHTTPRequestHandler):
        def forward(self) -> None:
            if not self.path.startswith(f"{prefix}/"):
                self.send_error(404, "the proxy has no such location")
                return
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            sent = {name: value for name, value in self.headers.items() if name.lower() not in _OF_THE_CONNECTION}
            service = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            service.request(self.command, self.path.removeprefix(prefix), body, sent)
            answer = service.getresponse()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _OF_THE_CONNECTION:
                    self.send_header(name, value)
            self.end_headers()  # in HTTP/1.0, the end of the connection is the end of the body
            try:
                while chunk := answer.read1(2**16):  # a stream of events passes as it comes
                    self.wfile.write(chunk)
            except OSError:
                pass  # the browser, or the service, has closed its end
            service.close()

        do_GET = do_POST = do_PUT = do_DELETE = forward  # noqa: N815 - the library's names

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{prefix}"
    finally:
        server.shutdown()
        server.server_close()
