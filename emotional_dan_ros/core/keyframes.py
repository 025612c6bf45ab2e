"""Which frames the full face detector sees.

The choice depends on the stamps alone, and what is known of faces after a keyframe depends on that keyframe's
image alone. So a recording can be cut at its keyframes, the pieces be worked on anywhere, and the results are
those of one pass.
"""

from __future__ import annotations

from emotional_dan_ros.core.errors import UserError

#: From one keyframe to the next, in frames, where nothing else is asked for.
DEFAULT_DETECTION_INTERVAL = 10
#: However many frames that are: a keyframe is never further from the one before than this (unless no frame came).
#: A face that comes into the picture of a slow camera is found as soon, and none is followed over a large gap.
MAX_KEYFRAME_AGE_NS = 500_000_000


class KeyframeSchedule:
    """Every n-th frame, or earlier where the last keyframe would get too old; anew after a jump back in time.

    Args:
        interval: from one keyframe to the next, in frames; 1 makes each frame one.

    Raises:
        UserError: an interval below 1.
    """

    def __init__(self, interval: int) -> None:
        if interval < 1:
            raise UserError(f"expected detection_interval of at least 1, got {interval}; do set 1 or more")
        self.interval = interval
        self._keyframe_ns = 0
        self._last_ns: int | None = None
        self._since = 0

    def is_keyframe(self, stamp_ns: int) -> bool:
        """Take the stamp of the next frame and say whether it is a keyframe; the first one is."""
        self._since += 1
        result = (
            self._last_ns is None
            or stamp_ns < self._last_ns
            or self._since >= self.interval
            or stamp_ns - self._keyframe_ns >= MAX_KEYFRAME_AGE_NS
        )
        self._last_ns = stamp_ns
        if result:
            self._keyframe_ns, self._since = stamp_ns, 0
        return result

    def reset(self) -> None:
        """The next frame is the first."""
        self._last_ns = None
