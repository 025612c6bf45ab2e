"""sensor_msgs images to numpy and back.

cv_bridge turns colours where it is installed and reads the message rightly; everything else (and everything,
where there is no cv_bridge) is done by core.image_decoding. Both give the same pictures.
"""

from __future__ import annotations

import sys
from array import array

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.image_decoding import Layout, decode_compressed, decode_planes, layout_of, view_of

try:
    from cv_bridge import CvBridge, CvBridgeError
except ImportError:  # no wheel, or a cv_bridge built for another numpy: our own conversion does the same
    CvBridge = None

_NS = 1_000_000_000
#: Encodings that cv_bridge may turn. Not bgr8 and mono8: they need no turning, and it would copy them.
_FOR_CV_BRIDGE = frozenset({"rgb8", "rgba8", "bgra8", "mono16"})


def to_array(message: Image | CompressedImage) -> NDArray[np.uint8]:
    """Decode an image message.

    Returns:
        uint8 (H, W, 3) in BGR order, or (H, W) for mono encodings. May be a view of the message's bytes.

    Raises:
        UnsupportedEncodingError: the encoding is not known.
        UserError: the size is zero, or the bytes do not match size, step and encoding, or cannot be decoded.
    """
    if isinstance(message, CompressedImage):
        return decode_compressed(message)
    layout = layout_of(message)
    planes = view_of(message, layout)
    if CvBridge is not None and _cv_bridge_reads(message, layout):
        try:
            return CvBridge().imgmsg_to_cv2(message, desired_encoding="mono8" if layout.channels == 1 else "bgr8")
        except CvBridgeError as error:
            raise UserError(f"cannot convert an image of encoding {message.encoding!r}: {error}") from error
    return decode_planes(planes, layout)


def _cv_bridge_reads(message: Image, layout: Layout) -> bool:
    """Whether cv_bridge 4.1 reads the message rightly.

    Its Python part counts rows in whole pixels, so that rows with another padding shear, and it swaps bytes by a
    method of arrays that NumPy 2 has no more.
    """
    pixel_bytes = layout.channels * np.dtype(layout.dtype).itemsize
    swapped = pixel_bytes > layout.channels and bool(message.is_bigendian) != (sys.byteorder == "big")
    whole_rows = message.step > 0 and message.step % pixel_bytes == 0
    return message.encoding in _FOR_CV_BRIDGE and whole_rows and not swapped


def to_image(image: NDArray[np.uint8], stamp_ns: int, frame_id: str) -> Image:
    """Make an Image message of a uint8 (H, W, 3) BGR or (H, W) grey array."""
    message = Image()
    message.header.stamp = to_time(stamp_ns)
    message.header.frame_id = frame_id
    message.height, message.width = image.shape[:2]
    message.encoding = "mono8" if image.ndim == 2 else "bgr8"
    message.step = image.shape[1] * (1 if image.ndim == 2 else image.shape[2])
    # rclpy copies an array('B') in one piece; any other sequence it checks item by item.
    data = array("B")
    data.frombytes(np.ascontiguousarray(image).reshape(-1).data)
    message.data = data
    return message


def to_time(stamp_ns: int) -> Time:
    """Nanoseconds to builtin_interfaces/Time."""
    return Time(sec=stamp_ns // _NS, nanosec=stamp_ns % _NS)


def to_ns(time: Time) -> int:
    """builtin_interfaces/Time to nanoseconds."""
    return time.sec * _NS + time.nanosec
