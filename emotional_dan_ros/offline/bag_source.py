"""Images of a rosbag2 recording as a source, without ROS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.rosbag2 import Reader

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.image_decoding import decode_compressed, decode_image
from emotional_dan_ros.core.images import as_bgr
from emotional_dan_ros.core.sources import DEFAULT_FOLDER_RATE_HZ, Frame, ImageSource
from emotional_dan_ros.offline import bag_messages as messages
from emotional_dan_ros.offline.mcap_salvage import salvage

BAG_SUFFIXES = frozenset({".mcap", ".db3"})
_IMAGE_TYPES = (messages.IMAGE, messages.COMPRESSED_IMAGE)
#: Complaints are listed up to this number; the rest is counted.
_MAX_LINES = 20


def is_bag(path: Path) -> bool:
    """Whether a path is a rosbag2 file or folder."""
    if path.is_dir():
        return (path / "metadata.yaml").is_file() or any(p.suffix in BAG_SUFFIXES for p in path.iterdir())
    return path.suffix in BAG_SUFFIXES


@dataclass(frozen=True, slots=True)
class RawMessage:
    """One message as it lies in the bag: time of recording in ns, CDR bytes."""

    topic: str
    type_name: str
    time_ns: int
    data: bytes


class BagSource(ImageSource):
    """The images of one topic, with the stamps of their headers.

    What cannot be read is left out and listed in ``skipped``; a file that was cut off is read up to there.

    Attributes:
        topic: whose images these are.
        frame_id: of the newest image.
        topics: every topic of the bag with its type.

    Args:
        path: of the bag, file or folder.
        topic: of the images; may be left out where the bag has only one.

    Raises:
        UserError: no bag that can be read, no such topic, no image topic, or several and none was named.
    """

    def __init__(self, path: Path, topic: str | None = None) -> None:
        self._path = path
        self._why = ""
        self.topics, counts, duration_s = self._look()
        self.topic = _choose(path, self.topics, topic)
        count = counts.get(self.topic)
        rate_hz = (count - 1) / duration_s if count and count > 1 and duration_s > 0 else DEFAULT_FOLDER_RATE_HZ
        super().__init__(f"{path} ({self.topic})", rate_hz, count)
        self.frame_id = ""

    def frames(self) -> Iterator[Frame]:
        """Yield stamps as in the headers and images as uint8 (H, W, 3), BGR."""
        self.skipped.clear()
        complaints: list[str] = []
        num_skipped = 0
        if self.is_damaged:
            self.skipped.append(f"{self._path} is damaged ({self._why}); what can be read of it is used")
        for index, message in enumerate(self.messages({self.topic})):
            try:
                stamp_ns, image = self.decode(message)
            except (UserError, ValueError) as error:
                num_skipped += 1
                if num_skipped <= _MAX_LINES:
                    complaints.append(self.complaint(index, error))
                continue
            yield stamp_ns, image
        self.skipped[:0] = self.summary(complaints, num_skipped)

    def complaint(self, index: int, error: Exception) -> str:
        """A line about an image that could not be decoded."""
        return f"{self._path}: message {index} of {self.topic}: {error}"

    def summary(self, complaints: Sequence[str], number: int) -> list[str]:
        """The first complaints, and how many more there are."""
        lines = list(complaints[:_MAX_LINES])
        if number > _MAX_LINES:
            lines.append(f"{self._path}: {number - _MAX_LINES} more messages of {self.topic}")
        return lines

    @property
    def is_damaged(self) -> bool:
        """Whether the container is not whole."""
        return bool(self._why)

    def messages(self, topics: set[str], start_ns: int | None = None) -> Iterator[RawMessage]:
        """Yield the messages of some topics; damage is noted in ``skipped``.

        Args:
            topics: of the messages.
            start_ns: those recorded before are left out.
        """
        last_ns = -1
        if not self.is_damaged:
            try:
                with Reader(self._path) as reader:
                    wanted = [connection for connection in reader.connections if connection.topic in topics]
                    for connection, time_ns, data in reader.messages(wanted, start=start_ns) if wanted else ():
                        yield RawMessage(connection.topic, connection.msgtype, time_ns, bytes(data))
                        last_ns = time_ns
                return
            except GeneratorExit:
                raise
            except Exception as error:  # whatever a damaged file makes the library raise
                reason = " ".join(str(error).split()) or type(error).__name__
                self.skipped.append(f"{self._path}: damaged after {last_ns} ns of bag time: {reason}")
        for file in self._files(".mcap"):
            damages: list[str] = []
            for found in salvage(file, damages):
                if found.topic in topics and found.time_ns > last_ns:
                    yield RawMessage(found.topic, found.type_name, found.time_ns, found.data)
            self.skipped += [f"{file}: {line}" for line in damages[:_MAX_LINES]]

    def decode(self, message: RawMessage) -> tuple[int, NDArray[np.uint8]]:
        """Stamp and image, uint8 (H, W, 3) BGR, of a message; ``frame_id`` becomes the image's.

        Raises:
            ValueError: the bytes are not such a message.
            UserError: the image cannot be decoded.
        """
        try:
            parsed: Any = messages.typestore().deserialize_cdr(message.data, message.type_name)
        except Exception as error:  # the library's errors have no common base
            raise ValueError(f"the bytes are no {message.type_name}: {error}") from error
        compressed = message.type_name == messages.COMPRESSED_IMAGE
        image = as_bgr(decode_compressed(parsed) if compressed else decode_image(parsed))
        self.frame_id = parsed.header.frame_id
        return messages.stamp_of(parsed.header) or message.time_ns, image

    def _look(self) -> tuple[dict[str, str], dict[str, int], float]:
        """Topics and types, numbers of messages, duration in seconds."""
        try:
            with Reader(self._path) as reader:
                types = {connection.topic: connection.msgtype for connection in reader.connections}
                counts: dict[str, int] = {}
                for connection in reader.connections:
                    counts[connection.topic] = counts.get(connection.topic, 0) + connection.msgcount
                return types, counts, reader.duration / 1e9
        except Exception as error:
            self._why = " ".join(str(error).split()) or type(error).__name__
        types = {}
        for file in self._files(".mcap"):
            for found in salvage(file, []):
                types.setdefault(found.topic, found.type_name)
        if not types:
            raise UserError(
                f"expected a rosbag2 recording (MCAP or SQLite3), got {self._path}, of which nothing can be read: "
                f"{self._why}; check the file, or `ros2 bag reindex` it"
            )
        return types, {}, 0.0

    def _files(self, suffix: str) -> list[Path]:
        if self._path.is_dir():
            return sorted(self._path.glob(f"*{suffix}"))
        return [self._path] if self._path.suffix == suffix else []


def _choose(path: Path, topics: dict[str, str], topic: str | None) -> str:
    images = sorted(name for name, type_name in topics.items() if type_name in _IMAGE_TYPES)
    listed = ", ".join(f"{name} ({type_name})" for name, type_name in sorted(topics.items())) or "none"
    if topic is not None:
        if topic not in images:
            raise UserError(f"expected images on {topic}, got a bag with the topics {listed}: {path}; name another one")
        return topic
    if not images:
        raise UserError(f"expected a topic of sensor_msgs/Image or CompressedImage, got {listed} in {path}")
    if len(images) > 1:
        raise UserError(f"expected one image topic, got {', '.join(images)} in {path}; choose one with --topic")
    return images[0]
