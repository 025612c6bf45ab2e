"""From a camera image to aligned face crops of known passengers.

Two steps that can be run apart: `FaceFinder` looks at images and knows no passengers; `identify` tells
passengers apart and needs no images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.alignment import crop_transform, warp_crop
from emotional_dan_ros.core.images import check_image
from emotional_dan_ros.core.types import UNIDENTIFIED, Detection, Face, FrameFaces


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


class FaceFinder:
    """Detects, aligns and crops; passengers are not told apart.

    Args:
        detector: finds the faces of one image.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    def find(self, image: NDArray[np.uint8], stamp_ns: int, frame_id: str) -> FrameFaces:
        """Take one camera frame.

        Args:
            image: uint8, BGR (H, W, 3) or grey (H, W).
            stamp_ns: of the camera.
            frame_id: of the camera.

        Returns:
            Every face that was found, best first, with the track id `UNIDENTIFIED`; none is an ordinary result.

        Raises:
            UserError: the array is not such an image or has no pixels.
        """
        height, width = check_image(image).shape[:2]
        faces = tuple(_cut_face(image, detection) for detection in self._detector.detect(image))
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
    """Detects, aligns, crops and tracks.

    Args:
        detector: finds the faces of one image.
        tracker: gives them ids that stay.
    """

    def __init__(self, detector: Detector, tracker: Tracker) -> None:
        self._finder = FaceFinder(detector)
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
        """Forget every passenger; ids go on."""
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
