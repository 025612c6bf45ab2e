"""The quick look: newest frame wins, and a page that only this machine sees."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.sources import Frame, ImageSource
from emotional_dan_ros.offline.watch import Newest
from emotional_dan_ros.offline.watch_page import WatchPage


class _Frames(ImageSource):
    """Gives its first frame, and the others when it is told to go on."""

    def __init__(self, number: int) -> None:
        super().__init__("frames", 1000.0, number, is_live=True)
        self.go = threading.Event()
        self.given = threading.Event()
        self._number = number

    def frames(self) -> Iterator[Frame]:
        for index in range(self._number):
            yield index, np.full((4, 4, 3), index, np.uint8)
            if index == 0:
                self.go.wait()
        self.given.set()


def test_newest_frame_wins() -> None:
    source = _Frames(5)
    with Newest(source) as newest:
        frames = iter(newest)
        assert next(frames)[0] == 0
        source.go.set()
        source.given.wait()
        assert next(frames)[0] == 4
        assert newest.num_dropped == 3
        assert list(frames) == []


def test_a_watcher_that_leaves_early_ends_the_source() -> None:
    source = _Frames(3)
    source.go.set()
    with Newest(source):
        pass
    assert threading.active_count() < 50


def _get(page: WatchPage, path: str, host: str | None = None) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(page.url.removeprefix("http://").rstrip("/"), timeout=20)
    connection.request("GET", path, headers={"Host": host} if host else {})
    return connection.getresponse()


def test_page_state_and_stream() -> None:
    with WatchPage(0) as page:
        page.show(b"one", "1 faces", ["startle"])
        assert b'<img src="stream"' in _get(page, "/").read()
        assert json.loads(_get(page, "/state").read()) == {"status": "1 faces", "anomalies": ["startle"]}
        stream = _get(page, "/stream")
        assert "multipart/x-mixed-replace" in stream.headers["Content-Type"]
        lines = [stream.readline() for _ in range(4)]
        assert lines[0] == b"--picture\r\n"
        assert stream.read(3) == b"one"
        page.show(b"three", "", [])
        rest = b"".join(stream.readline() for _ in range(6))
        assert b"Content-Length: 5" in rest
        assert _get(page, "/secret").status == 404
        assert _get(page, "/state", host="evil.example").status == 403


def test_only_this_machine_is_served() -> None:
    with WatchPage(0) as page:
        assert page.url.startswith("http://127.0.0.1:")


def test_port_that_is_taken() -> None:
    with WatchPage(0) as page:
        port = int(page.url.rstrip("/").rsplit(":", 1)[1])
        with pytest.raises(UserError, match="--port"):
            WatchPage(port)
