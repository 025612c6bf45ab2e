"""Follow faces from frame to frame and give each passenger an id that stays.

A face is expected where it was last seen, moved on by its recent speed. Detections and tracks are
paired at the least total cost (distance of the keypoints and overlap of the boxes). Every constant
is in seconds or in sides of the face, so that 5 Hz and 60 Hz, near and far faces behave alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.assignment import assign
from emotional_dan_ros.core.boxes import box_sides, overlaps
from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.types import Detection

_NS_PER_S = 1_000_000_000


@dataclass(frozen=True)
class TrackerConfig:
    """When a face becomes a passenger, and how long it may be out of sight.

    Attributes:
        instant_score: a detection of at least this score gets an id on its first frame.
        start_score: a weaker one of at least this score starts a track on probation, which has no id
            and is not reported; detections below it only continue tracks.
        probation_s: a track on probation gets its id when it is seen again after at least this long.
        probation_gap_s: a track on probation is given up when it is not seen for longer.
        keep_lost_s: a passenger who is not seen for longer is forgotten and comes back under a new id.
        gate_sides: how far from where it is expected a face may be found, in sides of the face.
        gate_sides_per_s: how much that grows with the time since it was last seen.
        max_gate_sides: how far it grows.
        max_size_ratio: how much larger or smaller than last seen a face may be, at least 1.
        speed_memory_s: time constant over which the speed of a face is averaged.
        coasting_s: time constant with which a face that is out of sight is taken to come to rest.
    """

    instant_score: float = 0.95
    start_score: float = 0.9
    probation_s: float = 0.15
    probation_gap_s: float = 0.5
    keep_lost_s: float = 2.0
    gate_sides: float = 0.4
    gate_sides_per_s: float = 2.0
    max_gate_sides: float = 1.0
    max_size_ratio: float = 1.8
    speed_memory_s: float = 0.2
    coasting_s: float = 0.5

    def __post_init__(self) -> None:
        for name in ("instant_score", "start_score"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise UserError(f"expected {name} from 0 to 1, got {value}; do set 0.9")
        for name in ("probation_s", "gate_sides_per_s", "probation_gap_s", "keep_lost_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0.0):
                raise UserError(f"expected {name} of 0 or more, got {value}; do set a number that is not negative")
        for name in ("gate_sides", "max_gate_sides", "speed_memory_s", "coasting_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0.0):
                raise UserError(f"expected {name} above 0, got {value}; do set a positive number")
        if not self.max_size_ratio >= 1.0:
            raise UserError(f"expected max_size_ratio of at least 1, got {self.max_size_ratio}; do set 1.8")


@dataclass(eq=False)
class _Track:
    """What is known of one face; ``track_id`` is 0 on probation."""

    track_id: int
    first_ns: int
    last_ns: int
    detection: Detection
    speed_px_s: NDArray[np.float64]


class FaceTracker:
    """Gives detections ids that stay with the passenger; ids count up from 1 and are never reused."""

    def __init__(self, config: TrackerConfig | None = None) -> None:
        self.config = config or TrackerConfig()
        self._tracks: list[_Track] = []
        self._last_id = 0
        self._last_ns: int | None = None

    def reset(self) -> None:
        """Forget every face; the next ones get ids that were never used before."""
        self._tracks = []
        self._last_ns = None

    def update(self, stamp_ns: int, detections: Sequence[Detection]) -> tuple[tuple[int, Detection], ...]:
        """Take the detections of one frame.

        Args:
            stamp_ns: of the camera frame; one that lies before the last one (a bag that loops) resets.
            detections: all faces of that frame.

        Returns:
            The detections that belong to a passenger, with the ids, by id. Faces on probation and
            passengers out of sight are not among them.
        """
        if self._last_ns is not None and stamp_ns < self._last_ns:
            self.reset()
        self._last_ns = stamp_ns
        self._tracks = [track for track in self._tracks if self._is_remembered(track, stamp_ns)]

        pairs = self._pair(stamp_ns, detections)
        seen = []
        for index, detection in enumerate(detections):
            track = pairs.get(index)
            if track is not None:
                self._follow(track, stamp_ns, detection)
            elif detection.score >= self.config.start_score:
                track = _Track(0, stamp_ns, stamp_ns, detection, np.zeros(2))
                self._tracks.append(track)
            else:
                continue
            seen.append(track)

        for track in seen:
            if track.track_id == 0 and self._deserves_id(track):
                self._last_id += 1
                track.track_id = self._last_id
        passengers = sorted((track for track in seen if track.track_id), key=lambda track: track.track_id)
        return tuple((track.track_id, track.detection) for track in passengers)

    def _is_remembered(self, track: _Track, stamp_ns: int) -> bool:
        limit_s = self.config.keep_lost_s if track.track_id else self.config.probation_gap_s
        return stamp_ns - track.last_ns <= limit_s * _NS_PER_S

    def _deserves_id(self, track: _Track) -> bool:
        seen_for_s = (track.last_ns - track.first_ns) / _NS_PER_S
        return track.detection.score >= self.config.instant_score or (
            track.last_ns > track.first_ns and seen_for_s >= self.config.probation_s
        )

    def _pair(self, stamp_ns: int, detections: Sequence[Detection]) -> dict[int, _Track]:
        """Which track each detection (by index) continues: at least total cost, nothing beyond its gate."""
        if not self._tracks or not detections:
            return {}
        elapsed_s = np.array([(stamp_ns - track.last_ns) / _NS_PER_S for track in self._tracks])
        coasted_s = self.config.coasting_s * -np.expm1(-elapsed_s / self.config.coasting_s)
        shift_px = np.stack([track.speed_px_s for track in self._tracks]) * coasted_s[:, None]
        boxes = np.stack([track.detection.box_xyxy for track in self._tracks]) + np.tile(shift_px, 2)
        keypoints = np.stack([track.detection.keypoints_px for track in self._tracks]) + shift_px[:, None]
        found_boxes = np.stack([detection.box_xyxy for detection in detections])
        found_keypoints = np.stack([detection.keypoints_px for detection in detections])

        sides, found_sides = _side_px(boxes)[:, None], _side_px(found_boxes)[None, :]
        gates = np.minimum(
            self.config.gate_sides + self.config.gate_sides_per_s * elapsed_s, self.config.max_gate_sides
        )[:, None]
        distance_px = np.linalg.norm(keypoints[:, None] - found_keypoints[None], axis=3).mean(axis=2)
        distance_gates = distance_px / (np.sqrt(sides * found_sides) * gates)
        cost = (distance_gates + 1.0 - overlaps(boxes, found_boxes)) / 2
        size_ratio = np.maximum(sides / found_sides, found_sides / sides)
        # 1 is what leaving both unpaired costs, so that no pair is made only because it is possible.
        cost[(distance_gates > 1.0) | (size_ratio > self.config.max_size_ratio)] = 1.0
        return {j: self._tracks[i] for i, j in assign(cost) if cost[i, j] < 1.0}

    def _follow(self, track: _Track, stamp_ns: int, detection: Detection) -> None:
        elapsed_s = (stamp_ns - track.last_ns) / _NS_PER_S
        if elapsed_s > 0.0:
            moved_px = (detection.keypoints_px - track.detection.keypoints_px).mean(axis=0)
            weight = -math.expm1(-elapsed_s / self.config.speed_memory_s)
            track.speed_px_s = track.speed_px_s + weight * (moved_px / elapsed_s - track.speed_px_s)
        track.last_ns = stamp_ns
        track.detection = detection


def _side_px(boxes_xyxy: NDArray[np.floating]) -> NDArray[np.float64]:
    """Geometric mean of the sides of boxes (N, 4), at least 1 px."""
    return np.sqrt(np.maximum(box_sides(boxes_xyxy), 1.0).prod(axis=1).astype(np.float64))
