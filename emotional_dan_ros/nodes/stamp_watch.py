"""What the stamps of an input tell: repeats, jumps back, clocks that never run, losses. Logic only, no node."""

from __future__ import annotations

from collections import deque
from enum import Enum

_NS = 1_000_000_000
_WINDOW = 60
_MIN_GAPS = 20
#: Below this share of lost messages nothing is said: every camera misses a frame now and then.
_TOLERATED_LOSS = 0.1


class Stamp(Enum):
    """What is to be done with a frame."""

    GOOD = "good"
    REPEATED = "repeated"  # the same stamp as the last frame: drop
    JUMPED_BACK = "jumped back"  # a loop or a restarted simulation: start anew
    MISSING = "missing"  # the camera does not stamp: use the time of arrival


class StampWatch:
    """Judges the stamps of one input in the order of arrival."""

    def __init__(self) -> None:
        self._last_ns: int | None = None
        self._last_raw_ns: int | None = None
        self._gaps_ns: deque[int] = deque(maxlen=_WINDOW)

    def judge(self, stamp_ns: int) -> Stamp:
        """Say what a stamp as it came is worth.

        A single zero is the start of a simulation or a recording; zero after zero is a camera that does
        not stamp its images.
        """
        unstamped = stamp_ns == 0 and self._last_raw_ns == 0
        self._last_raw_ns = stamp_ns
        return Stamp.MISSING if unstamped else self._follow(stamp_ns)

    def arrived(self, now_ns: int) -> Stamp:
        """Note the time of arrival that a frame without a stamp goes on with; says nothing about losses."""
        verdict = self._follow(now_ns)
        self._gaps_ns.clear()
        return verdict

    def _follow(self, stamp_ns: int) -> Stamp:
        last_ns, self._last_ns = self._last_ns, stamp_ns
        if last_ns is None:
            return Stamp.GOOD
        if stamp_ns == last_ns:
            return Stamp.REPEATED
        if stamp_ns < last_ns:
            self._gaps_ns.clear()
            return Stamp.JUMPED_BACK
        self._gaps_ns.append(stamp_ns - last_ns)
        return Stamp.GOOD

    def lost_share(self) -> float:
        """Share of frames that seem lost on the way, 0..1, judged from gaps between stamps.

        The camera's period is taken to be the gap that the shorter tenth of the gaps does not exceed; a gap
        of n periods means n - 1 lost frames. 0 while there are too few gaps, or while losses stay rare.
        """
        if len(self._gaps_ns) < _MIN_GAPS:
            return 0.0
        gaps = sorted(self._gaps_ns)
        period_ns = gaps[len(gaps) // 10]
        # A gap of 1.7 periods is still jitter, one of 1.8 a lost frame.
        lost = sum(max(0, int(gap / period_ns + 0.25) - 1) for gap in gaps)
        share = lost / (lost + len(gaps))
        return share if share > _TOLERATED_LOSS else 0.0
