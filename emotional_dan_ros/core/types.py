"""Values that the parts of the pipeline hand to each other.

All are frozen; arrays inside are not written to after construction. Boxes are ``xyxy`` and points
``xy`` in pixels of the source image with pixel centres at integer coordinates; stamps are
nanoseconds of the camera's clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.labels import Emotion, Valence

#: Side of the square aligned crop in pixels (FaceArray, Face.msg).
CROP_SIZE_PX = 112
#: Landmarks of the iBUG 300-W scheme.
NUM_LANDMARKS = 68
#: Track id of a face that is not, or not yet, known to be a passenger's; never published.
UNIDENTIFIED = 0


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One face as the detector saw it.

    Attributes:
        box_xyxy: float32 (4,), source px.
        score: detector confidence, 0..1.
        keypoints_px: float32 (5, 2), source px: the eye at the image's left (the subject's right
            eye), the other eye, nose tip, mouth corner at the image's left, the other corner.
    """

    box_xyxy: NDArray[np.float32]
    score: float
    keypoints_px: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A tracked face with its aligned crop (Face.msg).

    Attributes:
        track_id: positive, never reused within a run; `UNIDENTIFIED` before tracking.
        score: detector confidence, 0..1.
        box_xyxy: float32 (4,), source px.
        keypoints_px: float32 (5, 2), source px, order as in `Detection`.
        crop_from_source: float32 (2, 3) affine: crop px = A @ [x, y, 1] of source px.
        crop: uint8 (CROP_SIZE_PX, CROP_SIZE_PX), grey.
    """

    track_id: int
    score: float
    box_xyxy: NDArray[np.float32]
    keypoints_px: NDArray[np.float32]
    crop_from_source: NDArray[np.float32]
    crop: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class FrameFaces:
    """All faces of one camera frame (FaceArray.msg). An empty tuple is an ordinary value."""

    stamp_ns: int
    frame_id: str
    image_wh: tuple[int, int]
    faces: tuple[Face, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class EmotionState:
    """What EmotionalDAN says of one face (EmotionState.msg).

    Attributes:
        track_id: as in `Face`.
        box_xyxy: float32 (4,), source px.
        probabilities: float32 (7,), sums to 1, `Emotion` order.
        valence_probabilities: float32 (3,), sums to 1, `Valence` order.
        landmarks_px: float32 (68, 2), source px, iBUG order.
        quality: how far to trust this face, 0..1.
    """

    track_id: int
    box_xyxy: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    valence_probabilities: NDArray[np.float32]
    landmarks_px: NDArray[np.float32]
    quality: float

    @property
    def emotion(self) -> Emotion:
        """The most probable emotion."""
        return Emotion(int(np.argmax(self.probabilities)))

    @property
    def confidence(self) -> float:
        """The probability of `emotion`."""
        return float(np.max(self.probabilities))

    @property
    def valence(self) -> Valence:
        """The most probable of the three classes."""
        return Valence(int(np.argmax(self.valence_probabilities)))


@dataclass(frozen=True, slots=True, eq=False)
class FrameEmotions:
    """All emotion states of one camera frame (EmotionStateArray.msg)."""

    stamp_ns: int
    frame_id: str
    image_wh: tuple[int, int]
    model_name: str
    states: tuple[EmotionState, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class FaceMap:
    """Where EmotionalDAN looked when it recognised the emotion of one face (EmotionMap.msg).

    Attributes:
        track_id: as in `Face`.
        emotion: the one that the map speaks for.
        map_from_source: float32 (2, 3) affine: map px = A @ [x, y, 1] of source px.
        heat: uint8 (CROP_SIZE_PX, CROP_SIZE_PX): 0 where nothing spoke for the emotion, the higher the more.
    """

    track_id: int
    emotion: Emotion
    map_from_source: NDArray[np.float32]
    heat: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class FrameMaps:
    """The maps of all faces of one camera frame (EmotionMapArray.msg)."""

    stamp_ns: int
    frame_id: str
    image_wh: tuple[int, int]
    model_name: str
    maps: tuple[FaceMap, ...] = ()


class AnomalyKind(IntEnum):
    """What kind of unexpected expression (EmotionAnomaly.msg)."""

    SUDDEN_CHANGE = 1
    STARTLE = 2
    SUSTAINED_NEGATIVE = 3
    SEVERAL_PASSENGERS = 4
    PASSENGER_LOST = 5


class AnomalyPhase(IntEnum):
    """Where an event is in its life (EmotionAnomaly.msg)."""

    START = 0
    ONGOING = 1
    END = 2


@dataclass(frozen=True, slots=True)
class AnomalyEvent:
    """One message about one anomaly (EmotionAnomaly.msg).

    Attributes:
        stamp_ns: stamp of the camera frame that caused this message.
        frame_id: of that frame.
        event_id: positive, the same from START to END, never reused within a run.
        track_id: 0 stands for the whole cabin.
        severity: 0..1, from the evidence.
        start_ns: stamp of the frame at which the event began.
        probability: of `emotion` now, 0..1.
        expected_probability: of `emotion` by this passenger's baseline, 0..1.
        description: one line for people.
    """

    stamp_ns: int
    frame_id: str
    event_id: int
    track_id: int
    kind: AnomalyKind
    phase: AnomalyPhase
    severity: float
    start_ns: int
    emotion: Emotion
    probability: float
    expected_probability: float
    description: str
