"""Follow faces between keyframes at a few percent of the detector's cost.

On a keyframe the full detector looks at the whole image. On the frames between, the last two networks of the
detector look again where each face was: they verify it, and give its box and its five keypoints. Nothing else
is needed, no answer of the recogniser in particular, so that faces are followed the same in one process, in
several, and in a recording. A face that comes into the picture is found on the next keyframe.

After a keyframe nothing is known of faces but what the keyframe's image shows: see `core/keyframes.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.boxes import box_centres, non_maximum_suppression
from emotional_dan_ros.core.images import check_image
from emotional_dan_ros.core.keyframes import KeyframeSchedule
from emotional_dan_ros.core.types import Detection

#: Share of the smaller box above which two faces are one.
_SAME_FACE_OVERLAP = 0.7
#: From a search of the whole image that did not find a lost face to the next one, in frames; doubled every time.
_FIRST_WAIT = 2


V = TypeVar("V")


class FollowingDetector(Protocol[V]):
    """Finds faces and finds them again; `FaceDetector` is one."""

    def open(self, image: NDArray[np.uint8]) -> V:
        """Take a uint8 BGR (H, W, 3) or grey (H, W) image in the form in which it is looked at."""
        ...

    def detect(self, image: V) -> Sequence[Detection]:
        """The faces of an image, best first."""
        ...

    def verify(self, image: V, boxes_xyxy: NDArray[np.float32]) -> Sequence[Detection | None]:
        """The face at each box (N, 4) of the frame before; None where there is none any more."""
        ...


@dataclass(eq=False)
class _LostFace:
    """A face that was there on the keyframe or after it and is not any more.

    It stays to be looked for where it was: a hand before a face is soon away again. The whole image is searched
    for it too, at longer and longer intervals: an empty seat must not cost much.
    """

    face: Detection
    frames_to_wait: int = 0
    next_wait: int = _FIRST_WAIT

    def wait(self) -> None:
        self.frames_to_wait, self.next_wait = self.next_wait - 1, 2 * self.next_wait


class FaceFollower:
    """Detects on keyframes and on loss, follows on the frames between.

    Args:
        detector: finds faces and finds them again.
        detection_interval: from one keyframe to the next, in frames; 1 detects on every frame.

    Raises:
        UserError: an interval below 1.
    """

    def __init__(self, detector: FollowingDetector[Any], detection_interval: int) -> None:
        self._detector = detector
        self._schedule = KeyframeSchedule(detection_interval)
        self._image_wh = (0, 0)
        self._seen: list[Detection] = []
        self._lost: list[_LostFace] = []

    @property
    def detection_interval(self) -> int:
        """From one keyframe to the next, in frames."""
        return self._schedule.interval

    def reset(self) -> None:
        """The next frame is a keyframe."""
        self._schedule.reset()

    def find(self, image: NDArray[np.uint8], stamp_ns: int) -> tuple[Detection, ...]:
        """Take the next frame.

        Args:
            image: uint8, BGR (H, W, 3) or grey (H, W); after a change of size the whole image is searched.
            stamp_ns: of the camera; a jump back or a gap makes the frame a keyframe.

        Returns:
            The faces, best first.

        Raises:
            UserError: the array is not such an image or has no pixels.
        """
        height, width = check_image(image).shape[:2]
        if self._schedule.is_keyframe(stamp_ns) or (width, height) != self._image_wh:
            self._image_wh = (width, height)
            self._seen, self._lost = self._detect(self._detector.open(image)), []
        elif self._seen or self._lost:
            self._follow(self._detector.open(image))
        return tuple(sorted(self._seen, key=lambda face: -face.score))

    def _detect(self, image: Any) -> list[Detection]:
        faces = list(self._detector.detect(image))
        if self.detection_interval == 1 or not faces:
            return faces
        # Measured as they are on the frames between: crops would jump a little on every keyframe otherwise.
        again = self._detector.verify(image, np.stack([face.box_xyxy for face in faces]))
        return _without_repetitions([now or face for face, now in zip(faces, again, strict=True)])

    def _follow(self, image: Any) -> None:
        places = [*self._seen, *(lost.face for lost in self._lost)]
        again = list(self._detector.verify(image, np.stack([face.box_xyxy for face in places])))
        num_seen = len(self._seen)
        found = _without_repetitions([face for face in again if face is not None])
        kept = {id(face) for face in found}
        is_lost = [id(face) not in kept for face in again]
        lost = [_LostFace(face) for face, gone in zip(self._seen, is_lost[:num_seen], strict=True) if gone]
        lost += [entry for entry, gone in zip(self._lost, is_lost[num_seen:], strict=True) if gone]
        if any(entry.frames_to_wait == 0 for entry in lost):
            num_followed = len(found)
            found = _without_repetitions([*found, *self._detect(image)])
            for face in found[num_followed:]:
                _strike_nearest(lost, face)
            for entry in lost:
                entry.wait()
        else:
            for entry in lost:
                entry.frames_to_wait -= 1
        self._seen, self._lost = found, lost


def _without_repetitions(faces: list[Detection]) -> list[Detection]:
    """Leave out what overlaps one of the faces before it."""
    if len(faces) < 2:
        return faces
    boxes = np.stack([face.box_xyxy for face in faces])
    return [faces[i] for i in non_maximum_suppression(boxes, _SAME_FACE_OVERLAP, over_smaller=True)]


def _strike_nearest(lost: list[_LostFace], face: Detection) -> None:
    """Take the lost face that a newly found one most likely is off the list."""
    if lost:
        centre = box_centres(face.box_xyxy)
        lost.remove(min(lost, key=lambda entry: float(np.linalg.norm(box_centres(entry.face.box_xyxy) - centre))))
