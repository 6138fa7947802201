"""A web server in a thread that answers as it is told and remembers what it was sent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Reply = tuple[int, dict[str, str], bytes]


@dataclass
class Web:
    url: str = ""
    answer: Callable[[str, dict[str, str]], Reply] = lambda path, headers: (204, {}, b"")
    asked: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def serving(answer: Callable[[str, dict[str, str]], Reply] | None = None) -> Iterator[Web]:
    web = Web()
    if answer is not None:
        web.answer = answer

    class Asked(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            web.asked.append((self.path, headers, body))
            status, found, content = web.answer(self.path, headers)
            self.send_response(status)
            for name, value in found.items():
                self.send_header(name, value)
            if "content-length" not in {name.lower() for name in found}:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Asked)
    web.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
