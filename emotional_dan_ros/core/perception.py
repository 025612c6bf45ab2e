"""From a camera image to aligned face crops of known passengers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.alignment import crop_transform, warp_crop
from emotional_dan_ros.core.images import check_image
from emotional_dan_ros.core.types import Detection, Face, FrameFaces


class Detector(Protocol):
    """Finds faces in one image; `FaceDetector` is one."""

    def detect(self, image: NDArray[np.uint8]) -> Sequence[Detection]:
        """Faces of a uint8 BGR (H, W, 3) or grey (H, W) image."""
        ...


class Tracker(Protocol):
    """Tells passengers apart; `FaceTracker` is one."""

    def update(self, stamp_ns: int, detections: Sequence[Detection]) -> Sequence[tuple[int, Detection]]:
        """The detections that belong to a passenger, with the passenger's id."""
        ...

    def reset(self) -> None:
        """Forget every passenger, but never use an id again."""
        ...


class FacePipeline:
    """Detects, tracks, aligns and crops.

    Args:
        detector: finds the faces of one image.
        tracker: gives them ids that stay.
    """

    def __init__(self, detector: Detector, tracker: Tracker) -> None:
        self._detector = detector
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
        height, width = check_image(image).shape[:2]
        tracked = self._tracker.update(stamp_ns, self._detector.detect(image))
        faces = tuple(_cut_face(image, track_id, detection) for track_id, detection in tracked)
        return FrameFaces(stamp_ns=stamp_ns, frame_id=frame_id, image_wh=(width, height), faces=faces)

    def reset(self) -> None:
        """Forget every passenger; ids go on."""
        self._tracker.reset()


def _cut_face(image: NDArray[np.uint8], track_id: int, detection: Detection) -> Face:
    crop_from_source = crop_transform(detection.keypoints_px)
    return Face(
        track_id=track_id,
        score=detection.score,
        box_xyxy=detection.box_xyxy,
        keypoints_px=detection.keypoints_px,
        crop_from_source=crop_from_source,
        crop=warp_crop(image, crop_from_source),
    )
