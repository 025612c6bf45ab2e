"""The diary of a long run: one record per frame, appended, so that a killed run goes on where it was.

A record that a kill cut short is recognised by its length or checksum and dropped.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, final

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.keyframes import KeyframeSchedule
from emotional_dan_ros.offline.records import FrameRecord, decode, encode

_MAGIC = b"EDANJRN2"
_LENGTH = struct.Struct("<I")
#: Frames between two fsyncs: what a power cut, not a kill, may cost.
_SYNC_EVERY = 250


@final
class Journal:
    """An append-only file of frame records; a context manager.

    Args:
        path: of the file; made if it is not there.
        fingerprint: says for which input and settings the records hold. Records of another fingerprint are
            of no use and are refused.
        interval: from one keyframe to the next. On opening, the journal goes back to its last keyframe, because
            what follows a keyframe is only computed from there on.
        with_crops: whether crops are kept.

    Raises:
        UserError: the file belongs to another run.
    """

    def __init__(self, path: Path, fingerprint: bytes, interval: int = 1, with_crops: bool = False) -> None:
        self._path = path
        self._head = _MAGIC + _LENGTH.pack(len(fingerprint)) + fingerprint
        self._interval = interval
        self._with_crops = with_crops
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
        end = self._last_keyframe(self._file)
        self._file.truncate(end)
        self._file.seek(end)
        return self

    def _last_keyframe(self, file: BinaryIO) -> int:
        """Count the records before the last keyframe; returns the byte at which it begins.

        With every frame a keyframe, each whole record counts.
        """
        schedule = KeyframeSchedule(self._interval)
        position = keyframe_at = file.tell()
        index = 0
        while (record := decode(file)) is not None:
            if schedule.is_keyframe(record.stamp_ns):
                keyframe_at, self.num_records = position, index
            position, index = file.tell(), index + 1
        if self._interval == 1:
            keyframe_at, self.num_records = position, index
        return keyframe_at

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
        self._file.write(encode(record, self._with_crops))
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
            while (record := decode(file)) is not None:
                yield record
