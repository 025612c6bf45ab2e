"""sensor_msgs images to numpy and back.

`to_array` is the only place where the bytes of a camera message are interpreted. cv_bridge does the
work where it is installed and knows the encoding; everything else (and everything, where there is no
cv_bridge) is done here with OpenCV. Both give the same pictures. Images that need no conversion are
views of the message's bytes, so they must be read only.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image

from emotional_dan_ros.core.errors import UserError

try:
    from cv_bridge import CvBridge, CvBridgeError
except ImportError:  # no wheel, or a cv_bridge built for another numpy: our own conversion does the same
    CvBridge = None

_NS = 1_000_000_000


def _all_rows(height: int) -> int:
    return height


def _luma_and_chroma_rows(height: int) -> int:
    return height * 3 // 2  # 4:2:0: a luma plane, then half as many rows of interleaved chroma


@dataclass(frozen=True)
class _Layout:
    """How the bytes of an encoding lie: `rows(height)` rows of width * channels items of `dtype`."""

    channels: int
    to_output: Callable[[NDArray], NDArray] | None  # None: the bytes are the output already
    dtype: type = np.uint8
    rows: Callable[[int], int] = _all_rows
    even: bool = False  # subsampled colour needs even sides
    cv_bridge: bool = False  # cv_bridge reads it as we do


def _convert(code: int) -> Callable[[NDArray], NDArray]:
    return lambda image: cv2.cvtColor(image, code)


def _to_8_bit(image: NDArray) -> NDArray[np.uint8]:
    # The whole 16-bit range onto the whole 8-bit range, rounded, as cv_bridge does.
    return cast("NDArray[np.uint8]", cv2.convertScaleAbs(image, alpha=255.0 / 65535.0))


def _narrow(code: int | None) -> Callable[[NDArray], NDArray]:
    return lambda image: _to_8_bit(image) if code is None else _to_8_bit(cv2.cvtColor(image, code))


# ROS names a Bayer pattern by its first two pixels of the first row and of the second, OpenCV by the four
# pixels that start at (1, 1): rggb is OpenCV's "BG".
_BAYER = {
    "rggb": cv2.COLOR_BayerBG2BGR,
    "bggr": cv2.COLOR_BayerRG2BGR,
    "gbrg": cv2.COLOR_BayerGR2BGR,
    "grbg": cv2.COLOR_BayerGB2BGR,
}

_LAYOUTS: dict[str, _Layout] = {
    "bgr8": _Layout(3, None, cv_bridge=True),
    "8uc3": _Layout(3, None),
    "rgb8": _Layout(3, _convert(cv2.COLOR_RGB2BGR), cv_bridge=True),
    "bgra8": _Layout(4, _convert(cv2.COLOR_BGRA2BGR), cv_bridge=True),
    "8uc4": _Layout(4, _convert(cv2.COLOR_BGRA2BGR)),
    "rgba8": _Layout(4, _convert(cv2.COLOR_RGBA2BGR), cv_bridge=True),
    "mono8": _Layout(1, None, cv_bridge=True),
    "8uc1": _Layout(1, None),
    "mono16": _Layout(1, _narrow(None), np.uint16, cv_bridge=True),
    "16uc1": _Layout(1, _narrow(None), np.uint16),
    "bgr16": _Layout(3, _narrow(None), np.uint16),
    "rgb16": _Layout(3, _narrow(cv2.COLOR_RGB2BGR), np.uint16),
    "bgra16": _Layout(4, _narrow(cv2.COLOR_BGRA2BGR), np.uint16),
    "rgba16": _Layout(4, _narrow(cv2.COLOR_RGBA2BGR), np.uint16),
    "yuv422": _Layout(2, _convert(cv2.COLOR_YUV2BGR_UYVY), even=True),
    "uyvy": _Layout(2, _convert(cv2.COLOR_YUV2BGR_UYVY), even=True),
    "yuv422_yuy2": _Layout(2, _convert(cv2.COLOR_YUV2BGR_YUY2), even=True),
    "yuyv": _Layout(2, _convert(cv2.COLOR_YUV2BGR_YUY2), even=True),
    "nv12": _Layout(1, _convert(cv2.COLOR_YUV2BGR_NV12), rows=_luma_and_chroma_rows, even=True),
    "nv21": _Layout(1, _convert(cv2.COLOR_YUV2BGR_NV21), rows=_luma_and_chroma_rows, even=True),
    **{f"bayer_{name}8": _Layout(1, _convert(code)) for name, code in _BAYER.items()},
    **{f"bayer_{name}16": _Layout(1, _narrow(code), np.uint16) for name, code in _BAYER.items()},
}

#: Encodings of sensor_msgs/Image that `to_array` reads (compared without regard to case).
SUPPORTED_ENCODINGS: tuple[str, ...] = tuple(sorted(_LAYOUTS))


class UnsupportedEncodingError(UserError):
    """The encoding of an image is not one of `SUPPORTED_ENCODINGS`."""

    def __init__(self, encoding: str) -> None:
        super().__init__(
            f"unsupported image encoding {encoding!r}: expected one of {', '.join(SUPPORTED_ENCODINGS)}; "
            "convert it on the camera's side, for example with image_proc or image_transport"
        )
        self.encoding = encoding


def to_array(message: Image | CompressedImage) -> NDArray[np.uint8]:
    """Decode an image message.

    Returns:
        uint8 (H, W, 3) in BGR order, or (H, W) for mono encodings. May be a view of the message's bytes.

    Raises:
        UnsupportedEncodingError: the encoding is not known.
        UserError: the size is zero, or the bytes do not match size, step and encoding, or cannot be decoded.
    """
    if isinstance(message, CompressedImage):
        return _decode_compressed(message)
    encoding = message.encoding.lower()
    layout = _LAYOUTS.get(encoding)
    if layout is None:
        raise UnsupportedEncodingError(message.encoding)
    planes = _view(message, layout)
    if CvBridge is not None and layout.cv_bridge:
        try:
            return CvBridge().imgmsg_to_cv2(message, desired_encoding="mono8" if layout.channels == 1 else "bgr8")
        except CvBridgeError as error:
            raise UserError(f"cannot convert an image of encoding {message.encoding!r}: {error}") from error
    return planes if layout.to_output is None else layout.to_output(planes)


def _view(message: Image, layout: _Layout) -> NDArray:
    """Return the message's bytes as rows x width [x channels] of the machine's byte order."""
    height, width = message.height, message.width
    if height == 0 or width == 0:
        raise UserError(f"expected an image with pixels, got one of {width}x{height}; check the camera's driver")
    if layout.even and (width % 2 or (height % 2 and layout.rows is not _all_rows)):
        raise UserError(f"expected even sides for encoding {message.encoding!r}, got {width}x{height}")
    item = np.dtype(layout.dtype)
    rows = layout.rows(height)
    row_bytes = width * layout.channels * item.itemsize
    step = message.step or row_bytes
    needed = (rows - 1) * step + row_bytes
    buffer = np.frombuffer(message.data, dtype=np.uint8)
    if step < row_bytes or buffer.size < needed:
        raise UserError(
            f"expected a step of at least {row_bytes} and {needed} bytes for {width}x{height} {message.encoding}, "
            f"got a step of {step} and {buffer.size} bytes; check the camera's driver"
        )
    view = np.lib.stride_tricks.as_strided(buffer, (rows, row_bytes), (step, 1), writeable=False)
    if item.itemsize > 1:
        # A padded row may start at an odd byte; copying is the exception.
        view = np.ascontiguousarray(view) if step % item.itemsize else view
        view = view.view(item.newbyteorder(">" if message.is_bigendian else "<"))
        if bool(message.is_bigendian) != (sys.byteorder == "big"):
            view = view.astype(item)
    return view if layout.channels == 1 else view.reshape(rows, width, layout.channels)


def _decode_compressed(message: CompressedImage) -> NDArray[np.uint8]:
    """Decode JPEG, PNG or what else OpenCV reads. `format` is not trusted: the bytes say what they are."""
    buffer = np.frombuffer(message.data, dtype=np.uint8)
    image: Any = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED) if buffer.size else None
    if image is None:
        raise UserError(f"expected a JPEG or PNG image, got {buffer.size} undecodable bytes ({message.format!r})")
    if image.dtype == np.uint16:
        image = _to_8_bit(image)
    if image.dtype != np.uint8:
        raise UserError(f"expected 8 or 16 bits per channel, got {image.dtype} in a compressed image")
    if image.ndim == 3 and image.shape[2] == 4:
        image = cv2.cvtColor(image, cv2.COLOR_BGRA2BGR)
    # compressed_image_transport's format reads "rgb8; jpeg compressed bgr8": the part after "compressed" is the
    # order in which the colours were handed to the encoder.
    if image.ndim == 3 and "compressed rgb" in message.format.partition(";")[2].lower():
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cast("NDArray[np.uint8]", image)


def to_image(image: NDArray[np.uint8], stamp_ns: int, frame_id: str) -> Image:
    """Make an Image message of a uint8 (H, W, 3) BGR or (H, W) grey array."""
    message = Image()
    message.header.stamp = to_time(stamp_ns)
    message.header.frame_id = frame_id
    message.height, message.width = image.shape[:2]
    message.encoding = "mono8" if image.ndim == 2 else "bgr8"
    message.step = image.shape[1] * (1 if image.ndim == 2 else image.shape[2])
    # rclpy copies an array('B') in one piece; any other sequence it checks item by item.
    message.data = array("B", image.tobytes())
    return message


def to_time(stamp_ns: int) -> Time:
    """Nanoseconds to builtin_interfaces/Time."""
    return Time(sec=stamp_ns // _NS, nanosec=stamp_ns % _NS)


def to_ns(time: Time) -> int:
    """builtin_interfaces/Time to nanoseconds."""
    return time.sec * _NS + time.nanosec
