"""What the networks say of one frame, before passengers are told apart, and the bytes that hold it.

Looking at the frames costs time and can be done anywhere in any order; telling passengers apart, the monitor and the
outputs follow from the records quickly, in the order of the frames, and without chance.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.perception import Tracker, passenger_ids
from emotional_dan_ros.core.types import (
    CROP_SIZE_PX,
    NUM_LANDMARKS,
    UNIDENTIFIED,
    Detection,
    EmotionState,
    Face,
    FrameEmotions,
    FrameFaces,
)
from emotional_dan_ros.offline import bag_messages as messages

#: stamp, width and height, number of faces, bytes of frame_id and of the model's name, whether crops are there
_HEAD = struct.Struct("<qIIIHHB")
_CHECKSUM = struct.Struct("<I")
_FACE = np.dtype(
    [
        ("box_xyxy", "<f4", 4),
        ("score", "<f8"),
        ("keypoints_px", "<f4", (5, 2)),
        ("crop_from_source", "<f4", (2, 3)),
        ("probabilities", "<f4", 7),
        ("valence_probabilities", "<f4", 3),
        ("landmarks_px", "<f4", (NUM_LANDMARKS, 2)),
        ("quality", "<f4"),
    ]
)
_CROP_BYTES = CROP_SIZE_PX * CROP_SIZE_PX


@dataclass(frozen=True, slots=True, eq=False)
class FrameRecord:
    """What is remembered of one frame.

    Attributes:
        found: every face the detector found, with the track id `UNIDENTIFIED`.
        emotions: a state for each of them, in the same order.
    """

    found: FrameFaces
    emotions: FrameEmotions

    @property
    def stamp_ns(self) -> int:
        """Stamp of the frame."""
        return self.found.stamp_ns


def encode(record: FrameRecord, with_crops: bool) -> bytes:
    """A record as bytes with a checksum; crops are 12.5 KB a face."""
    found, emotions = record.found, record.emotions
    frame_id, model_name = found.frame_id.encode(), emotions.model_name.encode()
    rows = np.zeros(len(found.faces), _FACE)
    for row, face, state in zip(rows, found.faces, emotions.states, strict=True):
        row["box_xyxy"], row["score"], row["keypoints_px"] = face.box_xyxy, face.score, face.keypoints_px
        row["crop_from_source"], row["landmarks_px"] = face.crop_from_source, state.landmarks_px
        row["probabilities"], row["valence_probabilities"] = state.probabilities, state.valence_probabilities
        row["quality"] = state.quality
    width, height = found.image_wh
    head = _HEAD.pack(found.stamp_ns, width, height, len(rows), len(frame_id), len(model_name), with_crops)
    crops = b"".join(face.crop.tobytes() for face in found.faces) if with_crops else b""
    body = b"".join((head, frame_id, model_name, rows.tobytes(), crops))
    return body + _CHECKSUM.pack(zlib.crc32(body))


def decode(file: BinaryIO) -> FrameRecord | None:
    """Read the next record; None where no whole one follows.

    Without crops each crop is black.
    """
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    stamp_ns, width, height, num_faces, frame_id_bytes, model_bytes, with_crops = _HEAD.unpack(head)
    crops_at = frame_id_bytes + model_bytes + num_faces * _FACE.itemsize
    length = crops_at + num_faces * _CROP_BYTES * with_crops
    body, checksum = file.read(length), file.read(_CHECKSUM.size)
    if len(body) < length or checksum != _CHECKSUM.pack(zlib.crc32(body, zlib.crc32(head))):
        return None
    frame_id = body[:frame_id_bytes].decode()
    model_name = body[frame_id_bytes : frame_id_bytes + model_bytes].decode()
    rows = np.frombuffer(body, _FACE, num_faces, frame_id_bytes + model_bytes)
    crops = np.zeros((num_faces, CROP_SIZE_PX, CROP_SIZE_PX), np.uint8)
    if with_crops:
        crops = np.frombuffer(body, np.uint8, offset=crops_at).reshape(crops.shape)
    wh = (width, height)
    return FrameRecord(
        FrameFaces(stamp_ns, frame_id, wh, tuple(_face(row, crop) for row, crop in zip(rows, crops, strict=True))),
        FrameEmotions(stamp_ns, frame_id, wh, model_name, tuple(_state(row) for row in rows)),
    )


def _face(row: np.void, crop: NDArray[np.uint8]) -> Face:
    return Face(UNIDENTIFIED, float(row["score"]), row["box_xyxy"], row["keypoints_px"], row["crop_from_source"], crop)


def _state(row: np.void) -> EmotionState:
    return EmotionState(
        UNIDENTIFIED,
        row["box_xyxy"],
        row["probabilities"],
        row["valence_probabilities"],
        row["landmarks_px"],
        float(row["quality"]),
    )


def identified(records: Iterable[FrameRecord], tracker: Tracker) -> Iterator[tuple[FrameFaces, FrameEmotions]]:
    """Tell the passengers of a recording apart, as the nodes do.

    Args:
        records: of all frames, in their order.
        tracker: that has seen nothing yet.

    Yields:
        Faces and emotions of the known passengers of each frame, by id, as the nodes publish them.
    """
    for record in records:
        found = record.found
        detections = [Detection(face.box_xyxy, face.score, face.keypoints_px) for face in found.faces]
        ids = passenger_ids(tracker, found.stamp_ns, detections)
        known = sorted((track_id, index) for index, track_id in enumerate(ids) if track_id != UNIDENTIFIED)
        faces = messages.as_published(
            replace(found, faces=tuple(replace(found.faces[index], track_id=track_id) for track_id, index in known))
        )
        states = tuple(
            _published(record.emotions.states[index], face) for (_, index), face in zip(known, faces.faces, strict=True)
        )
        yield faces, replace(record.emotions, states=states)


def _published(state: EmotionState, face: Face) -> EmotionState:
    quality = float(np.float32(state.quality))
    return replace(state, track_id=face.track_id, box_xyxy=face.box_xyxy, quality=quality)
