"""A camera frame on its way through a process."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image

from emotional_dan_ros.nodes.image_conversion import to_array, to_image, to_ns


class CameraFrame:
    """One image with its stamp, decoded when it is first asked for and only then.

    A frame that is dropped because a newer one came is never decoded; one that two nodes of a process
    use is decoded once.

    Attributes:
        stamp_ns: of the camera.
        frame_id: of the camera.
        num_bytes: size of the message, 0 where there was none.
    """

    def __init__(
        self, stamp_ns: int, frame_id: str, decode: Callable[[], NDArray[np.uint8]], num_bytes: int = 0
    ) -> None:
        self.stamp_ns = stamp_ns
        self.frame_id = frame_id
        self.num_bytes = num_bytes
        self._decode: Callable[[], NDArray[np.uint8]] | None = decode
        self._image: NDArray[np.uint8] | None = None
        self._lock = threading.Lock()

    @property
    def image(self) -> NDArray[np.uint8]:
        """uint8, BGR (H, W, 3) or grey (H, W); not to be written to.

        Raises:
            UserError: the message cannot be decoded (image_conversion.to_array).
        """
        with self._lock:
            if self._image is None:
                assert self._decode is not None
                self._image = self._decode()
                self._decode = None  # lets go of the message where the image is a copy
            return self._image

    def restamped(self, stamp_ns: int) -> CameraFrame:
        """The same image with another stamp."""
        return CameraFrame(stamp_ns, self.frame_id, lambda: self.image, self.num_bytes)


def frame_from_msg(message: Image | CompressedImage) -> CameraFrame:
    """Image or CompressedImage to CameraFrame; nothing is decoded yet."""
    header = message.header
    return CameraFrame(to_ns(header.stamp), header.frame_id, lambda: to_array(message), len(message.data))


def frame_to_msg(frame: CameraFrame) -> Image:
    """CameraFrame to Image (bgr8 or mono8)."""
    return to_image(frame.image, frame.stamp_ns, frame.frame_id)
