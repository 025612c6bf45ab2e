"""Where each image of a recording lies, so that any stretch of it can be read without what comes before."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.capture import FileStamps, file_ns, open_capture
from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.sample import NUM_FRAMES, sample_frame
from emotional_dan_ros.core.sources import (
    ImageFilesSource,
    ImageSource,
    SampleSource,
    ShiftedSource,
    VideoSource,
    read_picture,
)
from emotional_dan_ros.offline.bag_source import BagSource, RawMessage
from emotional_dan_ros.offline.inputs import DEFAULT_FRAME_ID

#: A video is entered that long before the wanted frame: decoders need a start of their own.
_RUN_UP_MS = 1000.0
_UNKNOWN = -1


class CannotBeCutError(Exception):
    """A recording can only be read from its beginning."""


class Place(NamedTuple):
    """One image, not yet decoded.

    Attributes:
        stamp_ns: of the image.
        key: in what the container can be searched for: ns in a video's file or of a bag's recording, else the number.
        repeat: how many images before it have the same key.
    """

    stamp_ns: int
    key: int
    repeat: int = 0


#: An image, uint8 (H, W, 3) BGR, with its frame_id; or why there is none.
Found = tuple[NDArray[np.uint8], str] | str


class Reel(Protocol):
    """A recording whose images can be got at in any order."""

    def places(self) -> Iterator[Place]:
        """Every image in the order of the recording; does not decode where that can be helped.

        Raises:
            CannotBeCutError: also in the middle.
        """
        ...

    def images(self, first: int, places: Sequence[Place]) -> Iterator[Found]:
        """The images at places that follow each other; ``first`` is the number of the first."""
        ...

    def skipped(self, complaints: Sequence[str], num_places: int) -> list[str]:
        """What `ImageSource.skipped` of one pass over the whole recording would hold.

        Args:
            complaints: of the images that are none, in their order.
            num_places: of the whole recording.
        """
        ...


def reel_of(source: ImageSource) -> Reel:
    """Make the reel of a source.

    Raises:
        CannotBeCutError: it can only be read from its beginning.
    """
    inner = source.inner if isinstance(source, ShiftedSource) else source
    if isinstance(inner, BagSource):
        return BagReel(inner)
    if isinstance(inner, VideoSource):
        return VideoReel(inner)
    if isinstance(inner, ImageFilesSource):
        return FilesReel(inner)
    if isinstance(inner, SampleSource):
        return SampleReel(inner)
    raise CannotBeCutError


class SampleReel:
    """The built-in sample."""

    def __init__(self, source: SampleSource) -> None:
        self._source = source

    def places(self) -> Iterator[Place]:
        """See `Reel`."""
        for index in range(NUM_FRAMES):
            yield Place(round(index * 1e9 / self._source.rate_hz), index)

    def images(self, first: int, places: Sequence[Place]) -> Iterator[Found]:
        """See `Reel`."""
        for place in places:
            yield sample_frame(place.key), DEFAULT_FRAME_ID

    def skipped(self, complaints: Sequence[str], num_places: int) -> list[str]:
        """See `Reel`."""
        return list(complaints)


class FilesReel:
    """Images in files of their own."""

    def __init__(self, source: ImageFilesSource) -> None:
        self._source = source

    def places(self) -> Iterator[Place]:
        """See `Reel`."""
        for index in range(len(self._source.paths)):
            yield Place(self._source.stamp_ns(index), index)

    def images(self, first: int, places: Sequence[Place]) -> Iterator[Found]:
        """See `Reel`."""
        for place in places:
            try:
                yield read_picture(self._source.paths[place.key]), DEFAULT_FRAME_ID
            except ValueError as error:
                yield str(error)

    def skipped(self, complaints: Sequence[str], num_places: int) -> list[str]:
        """See `Reel`."""
        return list(complaints)


class VideoReel:
    """A video file; places are found by decoding it once without converting the pictures."""

    def __init__(self, source: VideoSource) -> None:
        self._source = source

    def places(self) -> Iterator[Place]:
        """See `Reel`."""
        stamps = FileStamps(self._source.rate_hz)
        latest = _UNKNOWN
        capture = open_capture(str(self._source.path))
        try:
            while capture.grab():
                key = file_ns(capture)
                # A stamp that does not tell this frame from those before it is no place to search for.
                yield Place(stamps.next(key), key if key > latest else _UNKNOWN)
                latest = max(latest, key)
        finally:
            capture.release()

    def images(self, first: int, places: Sequence[Place]) -> Iterator[Found]:
        """See `Reel`."""
        capture: cv2.VideoCapture | None = None
        try:
            for number, place in enumerate(places, first):
                if capture is None:
                    capture = self._enter(number, place.key)
                elif not capture.grab() or place.key not in (_UNKNOWN, file_ns(capture)):
                    capture.release()
                    capture = self._count_to(number)
                ok, image = capture.retrieve()
                if ok:
                    yield np.asarray(image, np.uint8), DEFAULT_FRAME_ID
                else:
                    yield f"{self._source.path}: frame {number} does not decode"
        finally:
            if capture is not None:
                capture.release()

    def _enter(self, number: int, key: int) -> cv2.VideoCapture:
        """Open the file with the wanted frame grabbed: by its stamp, or by counting where that does not lead to it."""
        if number > 0 and key > 0:
            capture = open_capture(str(self._source.path))
            capture.set(cv2.CAP_PROP_POS_MSEC, max(0.0, key / 1e6 - _RUN_UP_MS))
            while capture.grab():
                if file_ns(capture) >= key:
                    if file_ns(capture) == key:
                        return capture
                    break
            capture.release()
        return self._count_to(number)

    def _count_to(self, number: int) -> cv2.VideoCapture:
        capture = open_capture(str(self._source.path))
        for _ in range(number + 1):
            if not capture.grab():
                capture.release()
                raise UserError(f"expected frame {number} in {self._source.path}, got fewer; do not change inputs")
        return capture

    def skipped(self, complaints: Sequence[str], num_places: int) -> list[str]:
        """See `Reel`."""
        return [*complaints, *self._source.shortfall(num_places - len(complaints))]


class BagReel:
    """A whole bag; places are found by reading it once without decoding the images."""

    def __init__(self, source: BagSource) -> None:
        if source.is_damaged:
            raise CannotBeCutError
        self._source = source

    def places(self) -> Iterator[Place]:
        """See `Reel`."""
        previous, repeat = _UNKNOWN, 0
        for message in self._source.messages({self._source.topic}):
            if self._source.skipped or message.time_ns < previous:  # damage in the middle, or not in order
                raise CannotBeCutError
            repeat = repeat + 1 if message.time_ns == previous else 0
            previous = message.time_ns
            yield Place(_stamp_of(message), message.time_ns, repeat)
        if self._source.skipped:
            raise CannotBeCutError

    def images(self, first: int, places: Sequence[Place]) -> Iterator[Found]:
        """See `Reel`."""
        messages = self._source.messages({self._source.topic}, places[0].key)
        for _ in range(places[0].repeat):
            next(messages, None)
        for number, _ in enumerate(places, first):
            message = next(messages, None)
            if message is None:
                raise UserError(f"expected message {number} in {self._source.name}, got fewer; do not change inputs")
            try:
                _, image = self._source.decode(message)
                yield image, self._source.frame_id
            except (UserError, ValueError) as error:
                yield self._source.complaint(number, error)

    def skipped(self, complaints: Sequence[str], num_places: int) -> list[str]:
        """See `Reel`."""
        return self._source.summary(complaints, len(complaints))


def _stamp_of(message: RawMessage) -> int:
    """Stamp of the header that a message begins with, in ns; the time of recording where there is none."""
    if len(message.data) < 12:
        return message.time_ns  # does not decode
    # CDR: byte 1 says whether numbers are little endian; std_msgs/Header begins with int32 sec, uint32 nanosec.
    seconds, nanoseconds = struct.unpack_from("<iI" if message.data[1] & 1 else ">iI", message.data, 4)
    return (seconds * 1_000_000_000 + nanoseconds) or message.time_ns


class PlaceList:
    """The places of a recording, looked for as far as they are asked for and then kept; 20 bytes each."""

    def __init__(self, reel: Reel) -> None:
        self._rest = reel.places()
        self._stamps, self._keys, self._repeats = array("q"), array("q"), array("I")

    def __len__(self) -> int:
        """How many have been found."""
        return len(self._stamps)

    def __iter__(self) -> Iterator[Place]:
        """From the first to the last of the recording."""
        index = 0
        while True:
            while index < len(self._stamps):
                yield Place(self._stamps[index], self._keys[index], self._repeats[index])
                index += 1
            place = next(self._rest, None)
            if place is None:
                return
            self._stamps.append(place.stamp_ns)
            self._keys.append(place.key)
            self._repeats.append(place.repeat)

    def between(self, first: int, end: int | None) -> list[Place]:
        """Those of the numbers from ``first`` to before ``end``."""
        columns = (self._stamps[first:end], self._keys[first:end], self._repeats[first:end])
        return [Place(*values) for values in zip(*columns, strict=True)]
