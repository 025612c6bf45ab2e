"""Which frames the full face detector sees.

The choice depends on the stamps alone, and what is known of faces after a keyframe depends on that keyframe's
image alone. So a recording can be cut at its keyframes, the pieces be worked on anywhere, and the results are
those of one pass.
"""

from __future__ import annotations

from emotional_dan_ros.core.errors import UserError

#: Between frames further apart than this a face cannot be followed; the later one is a keyframe.
MAX_GAP_NS = 250_000_000


class KeyframeSchedule:
    """Every n-th frame, counted anew after a gap in time or a jump back.

    Args:
        interval: from one keyframe to the next, in frames; 1 makes each frame one.

    Raises:
        UserError: an interval below 1.
    """

    def __init__(self, interval: int) -> None:
        if interval < 1:
            raise UserError(f"expected detection_interval of at least 1, got {interval}; do set 1 or more")
        self.interval = interval
        self._last_ns: int | None = None
        self._since = 0

    def is_keyframe(self, stamp_ns: int) -> bool:
        """Take the stamp of the next frame and say whether it is a keyframe; the first one is."""
        starts_anew = self._last_ns is None or not 0 <= stamp_ns - self._last_ns <= MAX_GAP_NS
        self._last_ns = stamp_ns
        self._since = 0 if starts_anew else (self._since + 1) % self.interval
        return self._since == 0

    def reset(self) -> None:
        """The next frame is the first."""
        self._last_ns = None
