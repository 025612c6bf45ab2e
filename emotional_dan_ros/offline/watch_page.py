"""A local web page that shows the newest picture and what has happened."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

from emotional_dan_ros.core.errors import UserError

_PAGE = Path(__file__).with_name("watch.html")
_BOUNDARY = "picture"
#: A browser that gets no picture for this long is told the newest one again, and a closed one is noticed.
_REPEAT_S = 2.0


class WatchPage:
    """Serves pictures and words to browsers of this machine; a context manager.

    Args:
        port: to listen on, on the loopback address only; 0 takes any that is free.

    Raises:
        UserError: the port is taken.
    """

    def __init__(self, port: int) -> None:
        self._changed = threading.Condition()
        self._jpeg = b""
        self._number = 0
        self._state: dict[str, object] = {"status": "waiting for the first picture", "anomalies": []}
        self._closed = False
        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        except OSError as error:
            raise UserError(f"expected port {port} to be free, got {error}; choose another with --port") from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="web page", daemon=True)

    def __enter__(self) -> WatchPage:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Address of the page."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    def show(self, jpeg: bytes, status: str, anomalies: list[str]) -> None:
        """Show a picture (JPEG), a line, and the anomalies, newest first."""
        with self._changed:
            self._jpeg = jpeg
            self._number += 1
            self._state = {"status": status, "anomalies": anomalies}
            self._changed.notify_all()

    def _next(self, after: int) -> tuple[int, bytes] | None:
        """The newest picture once it is newer than ``after`` (or after a while); None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._number > after, timeout=_REPEAT_S)
            return None if self._closed else (self._number, self._jpeg)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        page = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                # A foreign page must not read the camera through a name that points here (DNS rebinding).
                if self.headers.get("Host", "").split(":")[0] not in ("127.0.0.1", "localhost"):
                    self.send_error(HTTPStatus.FORBIDDEN)
                    return
                answers: dict[str, Callable[[], None]] = {
                    "/": self._page,
                    "/state": self._state,
                    "/stream": self._stream,
                }
                answers.get(self.path, lambda: self.send_error(HTTPStatus.NOT_FOUND))()

            def _page(self) -> None:
                self._send(_PAGE.read_bytes(), "text/html; charset=utf-8")

            def _state(self) -> None:
                with page._changed:
                    text = json.dumps(page._state)
                self._send(text.encode(), "application/json")

            def _send(self, body: bytes, kind: str) -> None:
                self.send_response(HTTPStatus.OK)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                self.wfile.write(body)

            def _stream(self) -> None:
                self.send_response(HTTPStatus.OK)
                self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                shown = 0
                try:
                    while (found := page._next(shown)) is not None:
                        shown, jpeg = found
                        if jpeg:
                            head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                            self.wfile.write(head.encode() + jpeg + b"\r\n")
                except (BrokenPipeError, ConnectionResetError):
                    return  # the browser has gone

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  named by http.server
                """Say nothing: the terminal is for anomalies."""

        return Handler
