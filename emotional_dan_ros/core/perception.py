"""From a camera image to aligned face crops of known passengers.

Two steps that can be run apart: `FaceFinder` looks at images and knows no passengers; `identify` tells
passengers apart and needs no images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.alignment import crop_transform, warp_crop
from emotional_dan_ros.core.following import FaceFollower, FollowingDetector
from emotional_dan_ros.core.images import check_image
from emotional_dan_ros.core.types import UNIDENTIFIED, Detection, Face, FrameFaces


class Tracker(Protocol):
    """Tells passengers apart; `FaceTracker` is one."""

    def update(self, stamp_ns: int, detections: Sequence[Detection]) -> Sequence[tuple[int, Detection]]:
        """The detections that belong to a passenger, with the passenger's id."""
        ...

    def reset(self) -> None:
        """Forget every passenger, but never use an id again."""
        ...


class FaceFinder:
    """Detects, follows, aligns and crops; passengers are not told apart.

    Args:
        detector: finds faces and finds them again.
        detection_interval: from one keyframe to the next, in frames; 1 detects on every frame.

    Raises:
        UserError: an interval below 1.
    """

    def __init__(self, detector: FollowingDetector[Any], detection_interval: int = 1) -> None:
        self._follower = FaceFollower(detector, detection_interval)

    @property
    def detection_interval(self) -> int:
        """From one keyframe to the next, in frames."""
        return self._follower.detection_interval

    def reset(self) -> None:
        """The next frame is a keyframe."""
        self._follower.reset()

    def find(self, image: NDArray[np.uint8], stamp_ns: int, frame_id: str) -> FrameFaces:
        """Take one camera frame.

        Args:
            image: uint8, BGR (H, W, 3) or grey (H, W).
            stamp_ns: of the camera; one that lies before the last one makes this frame the first.
            frame_id: of the camera.

        Returns:
            Every face that was found, best first, with the track id `UNIDENTIFIED`; none is an ordinary result.

        Raises:
            UserError: the array is not such an image or has no pixels.
        """
        height, width = check_image(image).shape[:2]
        faces = tuple(_cut_face(image, detection) for detection in self._follower.find(image, stamp_ns))
        return FrameFaces(stamp_ns=stamp_ns, frame_id=frame_id, image_wh=(width, height), faces=faces)


def passenger_ids(tracker: Tracker, stamp_ns: int, detections: Sequence[Detection]) -> tuple[int, ...]:
    """The track id of each detection of the next frame; `UNIDENTIFIED` where it belongs to no passenger."""
    ids = {id(detection): track_id for track_id, detection in tracker.update(stamp_ns, detections)}
    return tuple(ids.get(id(detection), UNIDENTIFIED) for detection in detections)


def identify(tracker: Tracker, found: FrameFaces) -> FrameFaces:
    """The faces of known passengers among those that were found, by id.

    Args:
        tracker: told of every frame, in the order of the frames.
        found: of `FaceFinder.find`.
    """
    detections = [Detection(face.box_xyxy, face.score, face.keypoints_px) for face in found.faces]
    ids = passenger_ids(tracker, found.stamp_ns, detections)
    known = [replace(face, track_id=i) for face, i in zip(found.faces, ids, strict=True) if i != UNIDENTIFIED]
    return replace(found, faces=tuple(sorted(known, key=lambda face: face.track_id)))


class FacePipeline:
    """Detects, follows, aligns, crops and tracks.

    Args:
        detector: finds faces and finds them again.
        tracker: gives them ids that stay.
        detection_interval: from one keyframe to the next, in frames; 1 detects on every frame.

    Raises:
        UserError: an interval below 1.
    """

    def __init__(
        self,
        detector: FollowingDetector[Any],
        tracker: Tracker,
        detection_interval: int = 1,
    ) -> None:
        self._finder = FaceFinder(detector, detection_interval)
        self._tracker = tracker

    def process(self, image: NDArray[np.uint8], stamp_ns: int, frame_id: str) -> FrameFaces:
        """Take one camera frame.

        Args:
            image: uint8, BGR (H, W, 3) or grey (H, W).
            stamp_ns: of the camera; one that lies before the last one starts the tracks anew.
            frame_id: of the camera.

        Returns:
            The faces of known passengers by id; none is an ordinary result.

        Raises:
            UserError: the array is not such an image or has no pixels.
        """
        return identify(self._tracker, self._finder.find(image, stamp_ns, frame_id))

    def reset(self) -> None:
        """Forget every face and passenger; ids go on."""
        self._finder.reset()
        self._tracker.reset()


def _cut_face(image: NDArray[np.uint8], detection: Detection) -> Face:
    crop_from_source = crop_transform(detection.keypoints_px)
    return Face(
        track_id=UNIDENTIFIED,
        score=detection.score,
        box_xyxy=detection.box_xyxy,
        keypoints_px=detection.keypoints_px,
        crop_from_source=crop_from_source,
        crop=warp_crop(image, crop_from_source),
    )
