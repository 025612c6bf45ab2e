"""The diary of a long run: one record per frame, appended, so that a killed run goes on where it was.

A record holds what costs time to compute: the detections, the faces and the emotions of a frame. Everything
else (tracks, anomalies, tables, bags, pictures) follows from these quickly and without chance, so it is not
stored but made again. A record that a kill cut short is recognised by its length or checksum and dropped.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, final

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.types import Detection

_MAGIC = b"EDANJRN1"
#: stamp, number of detections, bytes of faces and of emotions
_HEAD = struct.Struct("<qIII")
_CHECKSUM = struct.Struct("<I")
_FLOATS_PER_DETECTION = 15  # box 4, score 1, keypoints 10
#: Frames between two fsyncs: what a power cut, not a kill, may cost.
_SYNC_EVERY = 250


@dataclass(frozen=True, slots=True, eq=False)
class FrameRecord:
    """What is remembered of one frame.

    Attributes:
        stamp_ns: of the frame.
        detections: all of the frame, as the tracker was given them.
        faces: FaceArray, CDR.
        emotions: EmotionStateArray, CDR.
    """

    stamp_ns: int
    detections: tuple[Detection, ...]
    faces: bytes
    emotions: bytes


@final
class Journal:
    """An append-only file of frame records; a context manager.

    Args:
        path: of the file; made if it is not there.
        fingerprint: says for which input and settings the records hold. Records of another fingerprint are
            of no use and are refused.

    Raises:
        UserError: the file belongs to another run.
    """

    def __init__(self, path: Path, fingerprint: bytes) -> None:
        self._path = path
        self._head = _MAGIC + _CHECKSUM.pack(len(fingerprint)) + fingerprint
        self._file: BinaryIO | None = None
        self._since_sync = 0
        self.num_records = 0
        """How many whole records the file holds."""

    def __enter__(self) -> Journal:
        existed = self._path.exists() and self._path.stat().st_size >= len(self._head)
        self._file = self._path.open("r+b" if existed else "w+b")
        if not existed:
            self._file.write(self._head)
            self._file.flush()
            return self
        if self._file.read(len(self._head)) != self._head:
            self._file.close()
            raise UserError(
                f"expected {self._path} to come from the same input and settings, got another run's; "
                "use another --out folder, or --force to begin anew"
            )
        whole = len(self._head)
        for _ in self._records(self._file):
            whole = self._file.tell()
            self.num_records += 1
        self._file.truncate(whole)
        self._file.seek(whole)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def discard_if_empty(self) -> None:
        """Remove the file where it holds no record; for use after the block."""
        if self.num_records == 0:
            self._path.unlink(missing_ok=True)

    def belongs_here(self) -> bool:
        """Whether the file is there and of this fingerprint."""
        try:
            with self._path.open("rb") as file:
                return file.read(len(self._head)) == self._head
        except OSError:
            return False

    def append(self, record: FrameRecord) -> None:
        """Add a record; a kill after this returns does not lose it."""
        assert self._file is not None
        detections = [np.concatenate([d.box_xyxy, [d.score], d.keypoints_px.reshape(-1)]) for d in record.detections]
        floats = np.asarray(detections, dtype="<f8").tobytes()
        body = (
            _HEAD.pack(record.stamp_ns, len(detections), len(record.faces), len(record.emotions))
            + floats
            + record.faces
            + record.emotions
        )
        self._file.write(body + _CHECKSUM.pack(zlib.crc32(body)))
        self._file.flush()
        self.num_records += 1
        self._since_sync += 1
        if self._since_sync >= _SYNC_EVERY:
            os.fsync(self._file.fileno())
            self._since_sync = 0

    def read(self) -> Iterator[FrameRecord]:
        """Yield the records from the first to the last, one at a time."""
        with self._path.open("rb") as file:
            file.seek(len(self._head))
            yield from self._records(file)

    @staticmethod
    def _records(file: BinaryIO) -> Iterator[FrameRecord]:
        while True:
            head = file.read(_HEAD.size)
            if len(head) < _HEAD.size:
                return
            stamp_ns, num_detections, faces_bytes, emotions_bytes = _HEAD.unpack(head)
            floats_bytes = 8 * _FLOATS_PER_DETECTION * num_detections
            body_bytes = floats_bytes + faces_bytes + emotions_bytes
            body = file.read(body_bytes)
            checksum = file.read(_CHECKSUM.size)
            if len(body) < body_bytes or checksum != _CHECKSUM.pack(zlib.crc32(head + body)):
                return
            rows = np.frombuffer(body, dtype="<f8", count=_FLOATS_PER_DETECTION * num_detections)
            detections = tuple(_detection(row) for row in rows.reshape(-1, _FLOATS_PER_DETECTION))
            faces = body[floats_bytes : floats_bytes + faces_bytes]
            yield FrameRecord(stamp_ns, detections, faces, body[floats_bytes + faces_bytes :])


def _detection(row: NDArray[np.float64]) -> Detection:
    floats = row.astype(np.float32)
    return Detection(floats[:4], float(row[4]), floats[5:].reshape(5, 2))
