"""How a node is: counters, problems, and the diagnostic status made of them. Logic only, no node."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
_WINDOW_S = 5.0


class Health:
    """Counters and problems of one node; thread safe. Times are seconds of any monotonic clock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._problems: dict[str, tuple[bytes, str]] = {}
        self._facts: dict[str, str] = {}
        self._received = 0
        self._dropped = 0
        self._errors = 0
        self._done: deque[tuple[float, float]] = deque()  # when an output left, how long it took
        self._last_input_s: float | None = None

    def report(self, key: str, level: bytes, text: str) -> bool:
        """Set a problem; returns whether it is new or says something new."""
        with self._lock:
            is_new = self._problems.get(key) != (level, text)
            self._problems[key] = (level, text)
            return is_new

    def clear(self, key: str) -> bool:
        """Take a problem back; returns whether there was one."""
        with self._lock:
            return self._problems.pop(key, None) is not None

    def problem(self, key: str) -> str | None:
        """Text of a problem, None where there is none."""
        with self._lock:
            return self._problems[key][1] if key in self._problems else None

    def set_fact(self, name: str, value: str) -> bool:
        """Something to show beside the counters, e.g. the device; returns whether it is new."""
        with self._lock:
            is_new = self._facts.get(name) != value
            self._facts[name] = value
            return is_new

    def received(self, now_s: float) -> None:
        """An input came."""
        with self._lock:
            self._received += 1
            self._last_input_s = now_s

    def dropped(self) -> None:
        """An input gave way to a newer one."""
        with self._lock:
            self._dropped += 1

    def failed(self) -> None:
        """An input could not be worked on."""
        with self._lock:
            self._errors += 1

    def done(self, now_s: float, latency_s: float) -> None:
        """An output left the node `latency_s` after its input came."""
        with self._lock:
            self._done.append((now_s, latency_s))
            self._forget(now_s)

    def status(self, name: str, state: str, now_s: float) -> DiagnosticStatus:
        """Make the status: the worst problem's level, all problems' words, the counters."""
        with self._lock:
            self._forget(now_s)
            worst = max((level for level, _ in self._problems.values()), default=OK)
            message = "; ".join(text for _, text in self._problems.values()) or state
            values = {"state": state, **self._facts, **self._counters(now_s)}
        return DiagnosticStatus(
            level=worst,
            name=name,
            message=message,
            hardware_id=values.get("camera", ""),
            values=[KeyValue(key=key, value=value) for key, value in values.items()],
        )

    def _counters(self, now_s: float) -> Mapping[str, str]:
        latencies = sorted(latency for _, latency in self._done)
        span_s = now_s - self._done[0][0] if len(self._done) > 1 else 0.0
        values = {
            "rate (Hz)": f"{(len(self._done) - 1) / span_s:.1f}" if span_s > 0 else "0.0",
            "received": str(self._received),
            "dropped": str(self._dropped),
            "errors": str(self._errors),
        }
        if latencies:
            values["latency median (ms)"] = f"{latencies[len(latencies) // 2] * 1e3:.1f}"
            values["latency max (ms)"] = f"{latencies[-1] * 1e3:.1f}"
        if self._last_input_s is not None:
            values["input age (s)"] = f"{now_s - self._last_input_s:.2f}"
        return values

    def _forget(self, now_s: float) -> None:
        while self._done and now_s - self._done[0][0] > _WINDOW_S:
            self._done.popleft()
