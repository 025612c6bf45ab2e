"""Recordings cut at keyframes into pieces that can be worked on anywhere, and what comes of a piece."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.keyframes import KeyframeSchedule
from emotional_dan_ros.offline.frame_pipeline import FramePipeline
from emotional_dan_ros.offline.inputs import Input, OrderedFrames, StampOrder
from emotional_dan_ros.offline.places import Place, reel_of
from emotional_dan_ros.offline.records import FrameRecord, decode, encode

_LENGTH = struct.Struct("<I")


@dataclass(frozen=True)
class Piece:
    """A stretch of a recording that begins with a keyframe.

    Attributes:
        first: number of its first image in the recording.
        end: number of the first image after it; None for a recording that can only be read as a whole.
        left_out: numbers of the images in it that are not to be processed.
    """

    first: int
    end: int | None
    left_out: tuple[int, ...] = ()


WHOLE = Piece(0, None)


def cut(
    places: Iterable[Place], bad: Collection[int], order: StampOrder, interval: int, num_frames: int
) -> Iterator[Piece]:
    """Cut a recording; the pieces come as soon as their last place is known.

    Args:
        places: of all images.
        bad: numbers of the images that are known not to decode.
        order: new; says which stamps are taken.
        interval: from one keyframe to the next.
        num_frames: a piece has at least that many and ends before the next keyframe.
    """
    schedule = KeyframeSchedule(interval)
    first = taken = number = 0
    left_out: list[int] = []
    for number, place in enumerate(places):
        if number in bad or not order.takes(place.stamp_ns):
            left_out.append(number)
            continue
        if schedule.is_keyframe(place.stamp_ns) and taken >= num_frames:
            yield Piece(first, number, tuple(left_out))
            first, taken, left_out = number, 0, []
        taken += 1
    if taken:
        yield Piece(first, number + 1, tuple(left_out))


@dataclass(frozen=True)
class PieceResult:
    """What came of a piece.

    Attributes:
        num_frames: how many were processed.
        bad: numbers of the images that do not decode, and why; those of ``left_out`` are not among them.
        problems: of a recording that was read as a whole.
        records: of the frames, encoded one after the other.
    """

    num_frames: int
    bad: tuple[tuple[int, str], ...]
    problems: tuple[str, ...]
    records: bytes


def look_at(job: Input, piece: Piece, places: list[Place], pipeline: FramePipeline, with_crops: bool) -> PieceResult:
    """Open a recording and process a piece of it.

    Args:
        job: the recording.
        piece: of it.
        places: of the images of the piece.
        pipeline: the networks.
        with_crops: keep the crops in the records.
    """
    buffer = io.BytesIO()
    num_frames = 0
    bad: list[tuple[int, str]] = []
    with job.open() as source:
        ordered = OrderedFrames(source)
        images = None if piece.end is None else reel_of(source).images(piece.first, places)
        for record in pipeline.process(ordered if images is None else _frames(images, piece, places, bad)):
            buffer.write(encode(record, with_crops))
            num_frames += 1
        problems = ordered.problems if images is None else []
    return PieceResult(num_frames, tuple(bad), tuple(problems), buffer.getvalue())


def _frames(
    images: Iterable[tuple[NDArray[np.uint8], str] | str], piece: Piece, places: list[Place], bad: list[tuple[int, str]]
) -> Iterator[tuple[int, NDArray[np.uint8], str]]:
    left_out = set(piece.left_out)
    for number, (place, found) in enumerate(zip(places, images, strict=True), piece.first):
        if number in left_out:
            continue
        if isinstance(found, str):
            bad.append((number, found))
        else:
            yield place.stamp_ns, *found


class PieceFolder:
    """Keeps the results of pieces in files, each whole or not there.

    Args:
        path: of the folder; made if need be.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.mkdir(parents=True, exist_ok=True)

    def _file(self, piece: Piece) -> Path:
        return self._path / f"{piece.first:09d}-{'end' if piece.end is None else format(piece.end, '09d')}"

    def put(self, piece: Piece, result: PieceResult) -> None:
        """Keep a result; a kill after this returns does not lose it."""
        about = {"piece": asdict(piece), "frames": result.num_frames, "bad": result.bad, "problems": result.problems}
        head = json.dumps(about).encode()
        unfinished = self._file(piece).with_suffix(".unfinished")
        unfinished.write_bytes(b"".join((_LENGTH.pack(len(head)), head, result.records)))
        unfinished.replace(self._file(piece))

    def look_up(self, piece: Piece) -> PieceResult | None:
        """What is kept of a piece, without its records; None where there is nothing."""
        try:
            with self._file(piece).open("rb") as file:
                about = _about(file)
        except FileNotFoundError:
            return None
        bad = tuple((int(number), str(why)) for number, why in about["bad"])
        left_out, wanted = set(about["piece"]["left_out"]), set(piece.left_out)
        # Where the images that turned out not to decode are left out beforehand, the records are the same.
        if wanted not in (left_out, left_out | {number for number, _ in bad}):
            return None
        return PieceResult(int(about["frames"]), bad, tuple(about["problems"]), b"")

    def records(self, pieces: Iterable[Piece]) -> Iterator[FrameRecord]:
        """The records of pieces, in their order.

        Raises:
            UserError: a file is damaged.
        """
        for piece in pieces:
            with self._file(piece).open("rb") as file:
                for _ in range(_about(file)["frames"]):
                    record = decode(file)
                    if record is None:
                        raise UserError(f"expected whole records in {file.name}, got damage; remove it and run again")
                    yield record


def _about(file: BinaryIO) -> dict:
    (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
    about: dict = json.loads(file.read(length))
    return about
