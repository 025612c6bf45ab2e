"""The bytes of camera messages to pictures; the only place where they are interpreted.

Takes any object with the fields of sensor_msgs/Image or sensor_msgs/CompressedImage: rclpy's messages as well as
those read from a bag without ROS. Images that need no conversion are views of the message's bytes, so they must
be read only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.errors import UserError


class RawImage(Protocol):
    """The fields of sensor_msgs/Image that matter here."""

    height: int
    width: int
    encoding: str
    is_bigendian: Any
    step: int
    data: Any


class CompressedImage(Protocol):
    """The fields of sensor_msgs/CompressedImage that matter here."""

    format: str
    data: Any


def _all_rows(height: int) -> int:
    return height


def _luma_and_chroma_rows(height: int) -> int:
    return height * 3 // 2  # 4:2:0: a luma plane, then half as many rows of interleaved chroma


@dataclass(frozen=True)
class Layout:
    """How the bytes of an encoding lie: `rows(height)` rows of width * channels items of `dtype`."""

    channels: int
    to_output: Callable[[NDArray], NDArray] | None  # None: the bytes are the output already
    dtype: type = np.uint8
    rows: Callable[[int], int] = _all_rows
    even: bool = False  # subsampled colour needs even sides


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

LAYOUTS: dict[str, Layout] = {
    "bgr8": Layout(3, None),
    "8uc3": Layout(3, None),
    "rgb8": Layout(3, _convert(cv2.COLOR_RGB2BGR)),
    "bgra8": Layout(4, _convert(cv2.COLOR_BGRA2BGR)),
    "8uc4": Layout(4, _convert(cv2.COLOR_BGRA2BGR)),
    "rgba8": Layout(4, _convert(cv2.COLOR_RGBA2BGR)),
    "mono8": Layout(1, None),
    "8uc1": Layout(1, None),
    "mono16": Layout(1, _narrow(None), np.uint16),
    "16uc1": Layout(1, _narrow(None), np.uint16),
    "bgr16": Layout(3, _narrow(None), np.uint16),
    "rgb16": Layout(3, _narrow(cv2.COLOR_RGB2BGR), np.uint16),
    "bgra16": Layout(4, _narrow(cv2.COLOR_BGRA2BGR), np.uint16),
    "rgba16": Layout(4, _narrow(cv2.COLOR_RGBA2BGR), np.uint16),
    "yuv422": Layout(2, _convert(cv2.COLOR_YUV2BGR_UYVY), even=True),
    "uyvy": Layout(2, _convert(cv2.COLOR_YUV2BGR_UYVY), even=True),
    "yuv422_yuy2": Layout(2, _convert(cv2.COLOR_YUV2BGR_YUY2), even=True),
    "yuyv": Layout(2, _convert(cv2.COLOR_YUV2BGR_YUY2), even=True),
    "nv12": Layout(1, _convert(cv2.COLOR_YUV2BGR_NV12), rows=_luma_and_chroma_rows, even=True),
    "nv21": Layout(1, _convert(cv2.COLOR_YUV2BGR_NV21), rows=_luma_and_chroma_rows, even=True),
    **{f"bayer_{name}8": Layout(1, _convert(code)) for name, code in _BAYER.items()},
    **{f"bayer_{name}16": Layout(1, _narrow(code), np.uint16) for name, code in _BAYER.items()},
}

#: Encodings of sensor_msgs/Image that `decode_image` reads (compared without regard to case).
SUPPORTED_ENCODINGS: tuple[str, ...] = tuple(sorted(LAYOUTS))


class UnsupportedEncodingError(UserError):
    """The encoding of an image is not one of `SUPPORTED_ENCODINGS`."""

    def __init__(self, encoding: str) -> None:
        super().__init__(
            f"unsupported image encoding {encoding!r}: expected one of {', '.join(SUPPORTED_ENCODINGS)}; "
            "convert it on the camera's side, for example with image_proc or image_transport"
        )
        self.encoding = encoding


def layout_of(message: RawImage) -> Layout:
    """How the bytes of a message lie.

    Raises:
        UnsupportedEncodingError: the encoding is not known.
    """
    layout = LAYOUTS.get(message.encoding.lower())
    if layout is None:
        raise UnsupportedEncodingError(message.encoding)
    return layout


def decode_image(message: RawImage) -> NDArray[np.uint8]:
    """Decode an image message.

    Returns:
        uint8 (H, W, 3) in BGR order, or (H, W) for mono encodings. May be a view of the message's bytes.

    Raises:
        UnsupportedEncodingError: the encoding is not known.
        UserError: the size is zero, or the bytes do not match size, step and encoding.
    """
    layout = layout_of(message)
    return decode_planes(view_of(message, layout), layout)


def view_of(message: RawImage, layout: Layout) -> NDArray:
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


def decode_planes(planes: NDArray[Any], layout: Layout) -> NDArray[np.uint8]:
    """Turn what `view_of` gives into the picture."""
    return planes if layout.to_output is None else layout.to_output(planes)


def decode_compressed(message: CompressedImage) -> NDArray[np.uint8]:
    """Decode JPEG, PNG or what else OpenCV reads. `format` is not trusted: the bytes say what they are.

    Raises:
        UserError: the bytes cannot be decoded.
    """
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
