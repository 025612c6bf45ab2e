"""Every encoding, made here by hand or by Pillow, must come back as the picture it was made of."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg", reason="no ROS 2 messages here: run in the environment of `make test`")

from PIL import Image as PillowImage
from sensor_msgs.msg import CompressedImage, Image

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.image_decoding import SUPPORTED_ENCODINGS, UnsupportedEncodingError
from emotional_dan_ros.nodes import image_conversion
from emotional_dan_ros.nodes.image_conversion import to_array, to_image, to_ns

WIDTH, HEIGHT = 48, 32


@pytest.fixture(autouse=True)
def _own_converter(monkeypatch):
    """What is tested is our converter, also where cv_bridge is installed."""
    monkeypatch.setattr(image_conversion, "CvBridge", None)


def picture() -> np.ndarray:
    """Smooth, so that subsampled chroma and demosaicking lose nothing; asymmetric in x, y and colour. BGR."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    return np.stack((40 + 2.5 * x, 60 + 3.0 * y, 200 - 1.5 * x - 1.5 * y), axis=2).round().astype(np.uint8)


def grey() -> np.ndarray:
    return picture()[..., 0]


def message(rows: np.ndarray, encoding: str, padding: int = 0, big_endian: bool = False, height: int = HEIGHT) -> Image:
    """Build an Image of rows (R, bytes per row) with `padding` bytes of rubbish behind each row."""
    rubbish = np.full((rows.shape[0], padding), 0xA5, np.uint8)
    padded = np.hstack((rows, rubbish))
    return Image(
        height=height,
        width=WIDTH,
        encoding=encoding,
        is_bigendian=int(big_endian),
        step=padded.shape[1],
        data=padded.tobytes(),
    )


def bytes_of(pixels: np.ndarray) -> np.ndarray:
    return np.frombuffer(pixels.tobytes(), np.uint8).reshape(pixels.shape[0], -1)


def yuv(bgr: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """ITU-R BT.601, studio range."""
    b, g, r = (bgr[..., i].astype(np.float64) / 255 for i in range(3))
    luma = 0.299 * r + 0.587 * g + 0.114 * b
    y = 16 + 219 * luma
    u = 128 + 224 * 0.5 * (b - luma) / (1 - 0.114)
    v = 128 + 224 * 0.5 * (r - luma) / (1 - 0.299)
    return tuple(np.clip(np.round(c), 0, 255).astype(np.uint8) for c in (y, u, v))


def interleaved(order: str) -> np.ndarray:
    y, u, v = yuv(picture())
    row = np.empty((HEIGHT, WIDTH * 2), np.uint8)
    for position, name in enumerate(order):
        plane = {"U": u[:, ::2], "V": v[:, ::2], "0": y[:, ::2], "1": y[:, 1::2]}[name]
        row[:, position::4] = plane
    return row


def semi_planar(first: str) -> np.ndarray:
    y, u, v = yuv(picture())
    chroma = np.empty((HEIGHT // 2, WIDTH), np.uint8)
    one, other = (u, v) if first == "U" else (v, u)
    chroma[:, 0::2] = one[::2, ::2]
    chroma[:, 1::2] = other[::2, ::2]
    return np.vstack((y, chroma))


def mosaic(pattern: str) -> np.ndarray:
    bgr = picture()
    out = np.empty((HEIGHT, WIDTH), np.uint8)
    for position, colour in enumerate(pattern):
        row, column = divmod(position, 2)
        out[row::2, column::2] = bgr[row::2, column::2, "bgr".index(colour)]
    return out


def with_alpha(pixels: np.ndarray) -> np.ndarray:
    return np.dstack((pixels, np.full(pixels.shape[:2], 77, np.uint8)))


def wide(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.uint16) * 257  # the whole 8-bit range onto the whole 16-bit range


RGB = picture()[..., ::-1]
# encoding, bytes by row, expected picture, tolerance, rim that demosaicking may get wrong
CASES = [
    ("bgr8", bytes_of(picture()), picture(), 0, 0),
    ("8UC3", bytes_of(picture()), picture(), 0, 0),
    ("rgb8", bytes_of(RGB), picture(), 0, 0),
    ("bgra8", bytes_of(with_alpha(picture())), picture(), 0, 0),
    ("8UC4", bytes_of(with_alpha(picture())), picture(), 0, 0),
    ("rgba8", bytes_of(with_alpha(RGB)), picture(), 0, 0),
    ("mono8", bytes_of(grey()), grey(), 0, 0),
    ("8UC1", bytes_of(grey()), grey(), 0, 0),
    ("yuv422", interleaved("U0V1"), picture(), 6, 0),
    ("uyvy", interleaved("U0V1"), picture(), 6, 0),
    ("yuv422_yuy2", interleaved("0U1V"), picture(), 6, 0),
    ("yuyv", interleaved("0U1V"), picture(), 6, 0),
    ("nv12", semi_planar("U"), picture(), 6, 0),
    ("nv21", semi_planar("V"), picture(), 6, 0),
    *((f"bayer_{name}8", mosaic(name), picture(), 2, 2) for name in ("rggb", "bggr", "gbrg", "grbg")),
]
WIDE_CASES = [
    ("mono16", wide(grey()), grey()),
    ("16UC1", wide(grey()), grey()),
    ("bgr16", wide(picture()), picture()),
    ("rgb16", wide(RGB), picture()),
    ("bgra16", wide(with_alpha(picture())), picture()),
    ("rgba16", wide(with_alpha(RGB)), picture()),
    *((f"bayer_{name}16", wide(mosaic(name)), picture()) for name in ("rggb", "bggr", "gbrg", "grbg")),
]


def assert_same_picture(actual: np.ndarray, expected: np.ndarray, tolerance: int, rim: int = 0) -> None:
    assert actual.dtype == np.uint8
    assert actual.shape == expected.shape
    inner = np.s_[rim : HEIGHT - rim, rim : WIDTH - rim]
    difference = np.abs(actual[inner].astype(int) - expected[inner].astype(int))
    assert difference.max() <= tolerance


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize(("encoding", "rows", "expected", "tolerance", "rim"), CASES, ids=[c[0] for c in CASES])
def test_8_bit_encodings(encoding, rows, expected, tolerance, rim, padding):
    assert_same_picture(to_array(message(rows, encoding, padding)), expected, tolerance, rim)


@pytest.mark.parametrize("padding", [0, 3, 4])
@pytest.mark.parametrize("big_endian", [False, True], ids=["little", "big"])
@pytest.mark.parametrize(("encoding", "pixels", "expected"), WIDE_CASES, ids=[c[0] for c in WIDE_CASES])
def test_16_bit_encodings(encoding, pixels, expected, big_endian, padding):
    rows = bytes_of(pixels.astype(">u2" if big_endian else "<u2"))
    bayer = encoding.startswith("bayer")
    actual = to_array(message(rows, encoding, padding, big_endian))
    assert_same_picture(actual, expected, tolerance=2 if bayer else 0, rim=2 if bayer else 0)


def test_every_supported_encoding_is_tested():
    assert {c[0].lower() for c in CASES} | {c[0].lower() for c in WIDE_CASES} == set(SUPPORTED_ENCODINGS)


def test_the_colours_of_the_picture_are_told_apart():
    """The cases above could not fail if swapping two channels stayed within the tolerance."""
    assert np.abs(picture().astype(int) - RGB.astype(int)).max() > 50


@pytest.mark.parametrize("encoding", ["bgr8", "mono8"])
def test_nothing_is_copied_where_nothing_changes(encoding):
    pixels = picture() if encoding == "bgr8" else grey()
    image = message(bytes_of(pixels), encoding, padding=3)
    assert np.shares_memory(to_array(image), np.frombuffer(image.data, np.uint8))


def compressed(kind: str, pixels: np.ndarray, order: str = "bgr8") -> CompressedImage:
    stream = io.BytesIO()
    PillowImage.fromarray(pixels).save(stream, kind, **({"quality": 98, "subsampling": 0} if kind == "jpeg" else {}))
    return CompressedImage(format=f"bgr8; {kind} compressed {order}", data=stream.getvalue())


def test_png_and_jpeg():
    assert_same_picture(to_array(compressed("png", RGB)), picture(), 0)
    assert_same_picture(to_array(compressed("jpeg", RGB)), picture(), 6)
    assert_same_picture(to_array(compressed("png", grey())), grey(), 0)
    assert_same_picture(to_array(compressed("png", with_alpha(RGB))), picture(), 0)
    assert_same_picture(to_array(compressed("png", wide(grey()))), grey(), 0)


def test_a_picture_compressed_in_rgb_order_is_turned():
    assert_same_picture(to_array(compressed("png", picture(), order="rgb8")), picture(), 0)


def test_unsupported_encoding_lists_those_supported():
    with pytest.raises(UnsupportedEncodingError) as caught:
        to_array(message(bytes_of(grey()), "32FC1"))
    assert "'32FC1'" in str(caught.value)
    assert all(encoding in str(caught.value) for encoding in SUPPORTED_ENCODINGS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (Image(encoding="bgr8"), "0x0"),
        (Image(encoding="bgr8", width=4, height=2, step=12, data=bytes(23)), "23 bytes"),
        (Image(encoding="bgr8", width=4, height=2, step=8, data=bytes(24)), "step of 8"),
        (Image(encoding="nv12", width=4, height=3, step=4, data=bytes(18)), "even"),
        (Image(encoding="yuv422", width=3, height=2, step=6, data=bytes(12)), "even"),
        (CompressedImage(format="jpeg"), "0 undecodable bytes"),
        (CompressedImage(format="jpeg", data=b"not a picture"), "13 undecodable bytes"),
    ],
)
def test_broken_images_are_told_in_one_line(broken, words):
    with pytest.raises(UserError) as caught:
        to_array(broken)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("pixels", "encoding"), [(picture(), "bgr8"), (grey(), "mono8")], ids=["bgr8", "mono8"])
def test_to_image(pixels, encoding):
    image = to_image(pixels[:, ::-1], 12_000_000_034, "cabin")  # not contiguous
    assert (image.encoding, image.width, image.height, image.header.frame_id) == (encoding, WIDTH, HEIGHT, "cabin")
    assert (image.header.stamp.sec, image.header.stamp.nanosec) == (12, 34)
    assert image.step * image.height == len(image.data)
    assert bytes(image.data) == pixels[:, ::-1].tobytes()


def test_stamps_before_1970_are_whole_too():
    stamp = image_conversion.to_time(-1)
    assert (stamp.sec, stamp.nanosec) == (-1, 999_999_999)
    assert to_ns(stamp) == -1


def test_cv_bridge_is_asked_where_it_is_installed_and_right(monkeypatch):
    """A stand-in that shows which messages are handed over and how its errors are told."""
    asked = []

    class RefusalError(Exception):
        pass

    class Bridge:
        def imgmsg_to_cv2(self, image, desired_encoding):
            asked.append((image.encoding, desired_encoding))
            if image.encoding == "rgba8":
                raise RefusalError("no")
            return picture()

    monkeypatch.setattr(image_conversion, "CvBridge", Bridge)
    monkeypatch.setattr(image_conversion, "CvBridgeError", RefusalError, raising=False)
    to_array(message(bytes_of(RGB), "rgb8"))
    to_array(message(bytes_of(RGB), "rgb8", padding=6))
    to_array(message(bytes_of(wide(grey())), "mono16"))
    assert asked == [("rgb8", "bgr8"), ("rgb8", "bgr8"), ("mono16", "mono8")]
    asked.clear()
    to_array(message(bytes_of(RGB), "rgb8", padding=5))  # not whole pixels: it would shear the rows
    to_array(message(bytes_of(RGB), "RGB8"))  # it knows names in small letters only
    to_array(message(bytes_of(wide(grey()).byteswap()), "mono16", big_endian=True))
    to_array(message(bytes_of(picture()), "bgr8"))  # it would copy what needs no turning
    to_array(message(semi_planar("U"), "nv12"))
    assert asked == []
    with pytest.raises(UserError, match=r"rgba8.*no"):
        to_array(message(bytes_of(with_alpha(RGB)), "rgba8"))


@pytest.mark.skipif("cv_bridge" not in sys.modules, reason="cv_bridge is not installed")
class TestWithTheRealCvBridge:
    @pytest.fixture(autouse=True)
    def _real(self, _own_converter, monkeypatch):
        monkeypatch.setattr(image_conversion, "CvBridge", sys.modules["cv_bridge"].CvBridge)

    @pytest.mark.parametrize("padding", [0, 5, 12])
    @pytest.mark.parametrize(("encoding", "rows", "expected", "tolerance", "rim"), CASES, ids=[c[0] for c in CASES])
    def test_8_bit_encodings(self, encoding, rows, expected, tolerance, rim, padding):
        assert_same_picture(to_array(message(rows, encoding, padding)), expected, tolerance, rim)

    @pytest.mark.parametrize("big_endian", [False, True], ids=["little", "big"])
    def test_16_bits(self, big_endian):
        rows = bytes_of(wide(grey()).astype(">u2" if big_endian else "<u2"))
        assert_same_picture(to_array(message(rows, "mono16", 4, big_endian)), grey(), 0)
