"""Where images come from when no camera driver publishes them.

Every source yields ``(stamp_ns, image)`` with images uint8 (H, W, 3) BGR and stamps in int nanoseconds that
grow strictly. Recorded sources start at the stamp the caller chooses and go on at the recording's own rate;
nothing here waits, so the caller decides whether to keep that rate.
"""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.capture import FileStamps, file_ns, open_capture, rate_of
from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.images import as_bgr

SAMPLE = "sample"
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})
DEFAULT_FOLDER_RATE_HZ = 10.0

Frame = tuple[int, NDArray[np.uint8]]


class ImageSource(AbstractContextManager["ImageSource"], ABC):
    """A sequence of stamped images; a context manager.

    Attributes:
        name: what is played, for people.
        rate_hz: nominal frames per second.
        frame_count: how many frames one pass is expected to have, None where it cannot be known.
        is_live: the images come when they come (a camera), not as fast as they are asked for.
        skipped: what of the input could not be decoded, one line each.
    """

    def __init__(self, name: str, rate_hz: float, frame_count: int | None, is_live: bool = False) -> None:
        self.name = name
        self.rate_hz = rate_hz
        self.frame_count = frame_count
        self.is_live = is_live
        self.skipped: list[str] = []

    @abstractmethod
    def frames(self) -> Iterator[Frame]:
        """Yield one pass; stamps start at 0 for recorded sources."""

    def close(self) -> None:
        """Release the file or device, where the source holds one."""

    def __iter__(self) -> Iterator[Frame]:
        return self.frames()

    def __exit__(self, *exc: object) -> None:
        self.close()


class VideoSource(ImageSource):
    """A video file, with the stamps that stand in the file."""

    def __init__(self, path: Path, capture: cv2.VideoCapture) -> None:
        count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        super().__init__(str(path), rate_of(capture), count if count > 0 else None)
        self.path = path
        self._capture: cv2.VideoCapture | None = capture

    @classmethod
    def open(cls, path: Path) -> VideoSource:
        """Open a video and make sure that a first frame decodes.

        Raises:
            UserError: no video FFmpeg can read, or no frame in it.
        """
        capture = open_capture(str(path))
        if not capture.isOpened():
            size = path.stat().st_size
            raise UserError(
                f"expected a video or an image, got {path} ({size} bytes) that OpenCV cannot read; "
                "check that the file is whole, or convert it to MP4 (H.264)"
            )
        if not capture.read()[0]:
            capture.release()
            raise UserError(f"expected a video with at least one frame, got none from {path}; check the file")
        capture.release()
        return cls(path, open_capture(str(path)))

    def frames(self) -> Iterator[Frame]:
        capture = self._capture or open_capture(str(self.path))
        self._capture = None  # a second pass opens the file anew: seeking back is not exact in every container
        stamps = FileStamps(self.rate_hz)
        delivered = 0
        try:
            while True:
                ok, image = capture.read()
                if not ok:
                    break
                delivered += 1
                yield stamps.next(file_ns(capture)), as_bgr(image)
        finally:
            capture.release()
        self.skipped += self.shortfall(delivered)

    def shortfall(self, delivered: int) -> list[str]:
        """A line if that many frames are fewer than the file promised."""
        # Containers count a frame more or less than they hold; only a real shortfall is worth a word.
        if self.frame_count is not None and delivered < 0.98 * self.frame_count - 1:
            return [f"{self.path}: {delivered} of {self.frame_count} frames could be decoded"]
        return []

    def close(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None


class ImageFilesSource(ImageSource):
    """One still, or the images of a folder in natural order (2 before 10)."""

    def __init__(self, name: str, paths: list[Path], rate_hz: float) -> None:
        super().__init__(name, rate_hz, len(paths))
        self.paths = paths

    def frames(self) -> Iterator[Frame]:
        self.skipped.clear()
        for index, path in enumerate(self.paths):
            try:
                image = read_picture(path)
            except ValueError as error:
                self.skipped.append(str(error))
                continue
            yield self.stamp_ns(index), image

    def stamp_ns(self, index: int) -> int:
        """Stamp of the image of that number."""
        return round(index * 1e9 / self.rate_hz)


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Decode a picture as uint8 (H, W, 3), BGR.

    Raises:
        ValueError: it cannot be decoded.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f"{path}: not a picture OpenCV can decode")
    return as_bgr(image)


class CameraSource(ImageSource):
    """A camera or stream; stamps are taken from ``clock`` when a frame arrives."""

    def __init__(self, name: str, capture: cv2.VideoCapture, clock: Callable[[], int]) -> None:
        super().__init__(name, rate_of(capture), None, is_live=True)
        self._capture = capture
        self._clock = clock

    def frames(self) -> Iterator[Frame]:
        previous_ns: int | None = None
        while True:
            ok, image = self._capture.read()
            if not ok:
                return
            stamp_ns = self._clock()
            if previous_ns is not None and stamp_ns <= previous_ns:
                stamp_ns = previous_ns + 1
            previous_ns = stamp_ns
            yield stamp_ns, as_bgr(image)

    def close(self) -> None:
        self._capture.release()


class SampleSource(ImageSource):
    """The built-in sample (core/sample.py)."""

    def __init__(self) -> None:
        from emotional_dan_ros.core import sample

        super().__init__("built-in sample", sample.RATE_HZ, sample.NUM_FRAMES)
        sample.sample_frame(0)  # a missing photograph is told now and not in the middle

    def frames(self) -> Iterator[Frame]:
        from emotional_dan_ros.core import sample

        for index in range(sample.NUM_FRAMES):
            yield round(index * 1e9 / sample.RATE_HZ), sample.sample_frame(index)


class ShiftedSource(ImageSource):
    """Another source from a chosen stamp on, once or for ever."""

    def __init__(self, inner: ImageSource, start_ns: int, loop: bool) -> None:
        super().__init__(inner.name, inner.rate_hz, None if loop else inner.frame_count)
        self.inner, self._start_ns, self._loop = inner, start_ns, loop
        self.skipped = inner.skipped

    def frames(self) -> Iterator[Frame]:
        period_ns = round(1e9 / self.rate_hz)
        pass_start_ns = self._start_ns
        while True:
            last_ns: int | None = None
            for offset_ns, image in self.inner.frames():
                last_ns = pass_start_ns + offset_ns
                yield last_ns, image
            if not self._loop or last_ns is None:
                return
            pass_start_ns = last_ns + period_ns

    def close(self) -> None:
        self.inner.close()


def open_source(
    spec: str | int | Path,
    *,
    loop: bool = False,
    start_stamp_ns: int = 0,
    rate_hz: float | None = None,
    clock: Callable[[], int] = time.time_ns,
) -> ImageSource:
    """Open what ``spec`` names.

    Args:
        spec: ``"sample"``, a camera index (``0`` or ``"0"``) or device (``"/dev/video0"``), a stream
            (``"rtsp://..."``), a video file, an image file, or a folder of images.
        loop: start again at the end, for ever, with stamps that go on growing. Live sources ignore it.
        start_stamp_ns: stamp of the first frame of a recorded source.
        rate_hz: frames per second of a folder or a looped still; a video keeps its own.
        clock: gives the stamps of live sources, int ns.

    Raises:
        UserError: the source does not exist, cannot be read or holds no image.
    """
    if rate_hz is not None and not rate_hz > 0:
        raise UserError(f"expected a rate above 0 Hz, got {rate_hz}; leave it out for the source's own")
    text = str(spec).strip()
    if re.fullmatch(r"\d+", text) or text.startswith("/dev/video") or "://" in text:
        return _open_camera(text, clock)
    return ShiftedSource(_open_recorded(text, rate_hz or DEFAULT_FOLDER_RATE_HZ), start_stamp_ns, loop)


def _open_recorded(text: str, rate_hz: float) -> ImageSource:
    if text == SAMPLE:
        return SampleSource()
    path = Path(text).expanduser()
    if not text or not path.exists():
        raise UserError(
            f"expected a video, an image, a folder of images, a camera index or '{SAMPLE}', got {text!r}, "
            "which does not exist; check the path"
        )
    if path.is_dir():
        return _open_folder(path, rate_hz)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        if cv2.imread(str(path), cv2.IMREAD_COLOR) is None:
            size = path.stat().st_size
            raise UserError(f"expected a picture, got {path} ({size} bytes) that OpenCV cannot decode; check the file")
        return ImageFilesSource(str(path), [path], rate_hz)
    return VideoSource.open(path)


def _open_folder(path: Path, rate_hz: float) -> ImageSource:
    paths = sorted((p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES), key=_natural_key)
    if not any(cv2.imread(str(p), cv2.IMREAD_COLOR) is not None for p in paths):
        suffixes = " ".join(sorted(IMAGE_SUFFIXES))
        raise UserError(
            f"expected a folder with pictures ({suffixes}), got {path} with {len(paths)} such files, none of them "
            "readable; name another folder"
        )
    return ImageFilesSource(str(path), paths, rate_hz)


def _open_camera(text: str, clock: Callable[[], int]) -> CameraSource:
    capture = open_capture(int(text) if text.isdigit() else text, cv2.CAP_ANY)
    if not capture.isOpened():
        raise UserError(f"expected a camera or stream at {text}, got nothing that opens; check index, cable and rights")
    return CameraSource(f"camera {text}", capture, clock)


def _natural_key(path: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part.lower()) for part in re.split(r"(\d+)", path.name)]
