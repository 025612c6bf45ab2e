"""The boundary: which states of a frame can be trusted to be what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.anomaly.baseline import Floats
from emotional_dan_ros.core.labels import NUM_EMOTIONS
from emotional_dan_ros.core.types import EmotionState

#: How far probabilities may be from summing to 1.
SUM_TOLERANCE = 1e-3
#: Track ids are uint32 in the messages, and 0 is the cabin.
MAX_TRACK_ID = 2**32 - 1


@dataclass(frozen=True, slots=True, eq=False)
class FrameStates:
    """The valid states of a frame, side by side.

    Attributes:
        track_ids: m distinct ids.
        probabilities: float64 (m, 7), rows sum to 1.
        boxes_xyxy: float64 (m, 4).
        quality: float64 (m,), 0..1.
        dropped: how many states were not valid.
    """

    track_ids: tuple[int, ...]
    probabilities: Floats
    boxes_xyxy: Floats
    quality: Floats
    dropped: int

    def select(self, kept: Sequence[int]) -> FrameStates:
        """Return the states at the given places; the others count as dropped."""
        return FrameStates(
            track_ids=tuple(self.track_ids[index] for index in kept),
            probabilities=self.probabilities[list(kept)],
            boxes_xyxy=self.boxes_xyxy[list(kept)],
            quality=self.quality[list(kept)],
            dropped=self.dropped + len(self.track_ids) - len(kept),
        )


def gather(states: Sequence[EmotionState]) -> FrameStates:
    """Put valid states side by side and drop the others.

    Not valid are wrong lengths, NaN, infinite or negative probabilities, sums other than 1, and ids that
    are out of range or were there before in the same frame.
    """
    seen: set[int] = set()
    shaped: list[EmotionState] = []
    for state in states:
        track_id = state.track_id
        if (
            0 < track_id <= MAX_TRACK_ID
            and track_id not in seen
            and np.shape(state.probabilities) == (NUM_EMOTIONS,)
            and np.shape(state.box_xyxy) == (4,)
        ):
            seen.add(track_id)
            shaped.append(state)
    table = np.empty((len(shaped), NUM_EMOTIONS + 5))
    for row, state in zip(table, shaped, strict=True):
        row[:NUM_EMOTIONS] = state.probabilities
        row[NUM_EMOTIONS:-1] = state.box_xyxy
        row[-1] = state.quality
    valid: NDArray[np.bool_] = np.asarray(np.isfinite(table).all(axis=1))
    probabilities = table[:, :NUM_EMOTIONS]
    # Rows with infinities may not be summed up: inf - inf warns.
    sums = np.where(valid[:, None], probabilities, 0.0).sum(axis=1)
    valid = valid & (probabilities >= 0.0).all(axis=1) & (np.abs(sums - 1.0) <= SUM_TOLERANCE)
    if not valid.all():
        table, sums = table[valid], sums[valid]
        shaped = [state for state, good in zip(shaped, valid, strict=True) if good]
    return FrameStates(
        track_ids=tuple(int(state.track_id) for state in shaped),
        probabilities=table[:, :NUM_EMOTIONS] / sums[:, None],
        boxes_xyxy=table[:, NUM_EMOTIONS:-1],
        quality=np.clip(table[:, -1], 0.0, 1.0),
        dropped=len(states) - len(shaped),
    )
