"""How far it is: a line that is written over on a terminal, and now and then a line of its own elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from typing import final


@final
class Board:
    """One line for all inputs that are under way; may be used from several threads.

    Args:
        num_inputs: how many inputs there will be; with one alone the line bears its name.
    """

    def __init__(self, num_inputs: int) -> None:
        self._num_inputs = num_inputs
        self._num_ended = 0
        self._lines: dict[str, tuple[int, int | None, int]] = {}
        self._tty = sys.stderr.isatty()
        self._began_s = time.monotonic()
        self._shown_s = self._began_s
        self._lock = threading.Lock()

    def line(self, name: str) -> Line:
        """The line of an input."""
        return Line(self, name)

    def show(self, name: str, done: int, total: int | None, resumed: int) -> None:
        """Say how far an input is; writes a few times a second at most."""
        with self._lock:
            self._lines[name] = (done, total, resumed)
            now_s = time.monotonic()
            if now_s - self._shown_s < (0.2 if self._tty else 10.0) or now_s - self._began_s < 1.0:
                return
            self._shown_s = now_s
            self._write(self._text(name, now_s), end="" if self._tty else "\n")

    def _text(self, name: str, now_s: float) -> str:
        lines = self._lines.values()
        done = sum(line[0] for line in lines)
        rate_hz = (done - sum(line[2] for line in lines)) / max(now_s - self._began_s, 1e-6)
        if self._num_inputs > 1:
            name = f"{self._num_ended} of {self._num_inputs} inputs"
        if any(line[1] is None for line in lines) or len(lines) < self._num_inputs:
            return f"{name}: {done} frames, {rate_hz:.0f} frames/s"
        total = max(1, sum(line[1] or 0 for line in lines))
        share = min(1.0, done / total)
        left = "" if rate_hz == 0 else f", {_minutes(max(0, total - done) / rate_hz)} left"
        return (
            f"{name} [{'#' * round(20 * share):<20}] {share:4.0%}, {done}/{total} frames, {rate_hz:.0f} frames/s{left}"
        )

    def end(self, name: str, text: str) -> None:
        """Say how an input ended."""
        with self._lock:
            self._num_ended += 1
            self._lines.setdefault(name, (0, 0, 0))
            self._write(f"{name}: {text}", end="\n")

    def say(self, text: str) -> None:
        """Write a line that stays."""
        with self._lock:
            self._write(text, end="\n")

    def _write(self, text: str, end: str) -> None:
        start = "\r\x1b[K" if self._tty else ""
        print(f"{start}{text}", end=end, file=sys.stderr, flush=True)


@final
class Line:
    """What is said of one input."""

    def __init__(self, board: Board, name: str) -> None:
        self._board, self._name = board, name

    def show(self, done: int, total: int | None, resumed: int) -> None:
        """Say how far it is; called for every frame."""
        self._board.show(self._name, done, total, resumed)

    def end(self, text: str) -> None:
        """Say how it ended, on a line that stays."""
        self._board.end(self._name, text)


def _minutes(seconds: float) -> str:
    hours, minutes = divmod(int(seconds) // 60, 60)
    return f"{hours}:{minutes:02d}:{int(seconds) % 60:02d}" if hours else f"{minutes}:{int(seconds) % 60:02d}"
