"""Brings together what belongs to one picture of the overlay. Logic only, no node."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from emotional_dan_ros.core.types import FrameEmotions, FrameMaps
from emotional_dan_ros.nodes.frames import CameraFrame

#: Images that wait for their emotions; about a second of a fast camera.
_MAX_WAITING = 60
_NS = 1e9


@dataclass(frozen=True)
class Drawing:
    """An image with what is known of it."""

    frame: CameraFrame
    emotions: FrameEmotions | None = None
    maps: FrameMaps | None = None


class Drawings:
    """Matches images, emotions and maps by their stamps; not thread safe.

    An image waits for its emotions. Images that came before those of the newest emotions were left out by the nodes
    that recognise, and are left out here. Where maps are expected, image and emotions wait for them too, but no longer
    than until the next emotions come.
    """

    def __init__(self) -> None:
        self._images: OrderedDict[int, CameraFrame] = OrderedDict()
        self._without_maps: Drawing | None = None
        self._early_maps: FrameMaps | None = None
        self._last_emotions_ns: int | None = None

    def clear(self) -> None:
        """Forget everything."""
        self._images.clear()
        self._without_maps = self._early_maps = None
        self._last_emotions_ns = None

    def image(self, frame: CameraFrame, patience_s: float) -> list[Drawing]:
        """Take an image; what can be drawn now, which is the image alone where emotions stay out for too long.

        Args:
            frame: from the camera.
            patience_s: how long emotions may stay out, in seconds of the camera's clock.
        """
        if frame.stamp_ns < next(reversed(self._images), frame.stamp_ns):  # time jumped back
            self.clear()
        if self._last_emotions_ns is None:
            self._last_emotions_ns = frame.stamp_ns  # from here on emotions are waited for
        self._images[frame.stamp_ns] = frame
        if len(self._images) > _MAX_WAITING:
            self._images.popitem(last=False)
        waited_s = (frame.stamp_ns - self._last_emotions_ns) / _NS
        return [Drawing(frame)] if waited_s > patience_s else []

    def emotions(self, emotions: FrameEmotions, expect_maps: bool, unstamped: bool) -> list[Drawing]:
        """Take emotions; what can be drawn now.

        Args:
            emotions: of a frame.
            expect_maps: whether maps of the frame will come.
            unstamped: the camera does not stamp its images, so each node has its own stamp for an image; the newest
                image is the best guess then.
        """
        ready = [] if self._without_maps is None else [self._without_maps]
        self._without_maps = None
        self._last_emotions_ns = emotions.stamp_ns
        frame = self._image_of(emotions.stamp_ns, unstamped)
        if frame is None:
            return ready
        maps, self._early_maps = self._early_maps, None
        if maps is not None and maps.stamp_ns == emotions.stamp_ns:
            return [*ready, Drawing(frame, emotions, maps)]
        if expect_maps:
            self._without_maps = Drawing(frame, emotions)
            return ready
        return [*ready, Drawing(frame, emotions)]

    def maps(self, maps: FrameMaps) -> list[Drawing]:
        """Take maps; what can be drawn now."""
        waiting = self._without_maps
        if waiting is not None and waiting.emotions is not None and waiting.emotions.stamp_ns == maps.stamp_ns:
            self._without_maps = None
            return [Drawing(waiting.frame, waiting.emotions, maps)]
        self._early_maps = maps
        return []

    def _image_of(self, stamp_ns: int, unstamped: bool) -> CameraFrame | None:
        if unstamped and self._images:
            return next(reversed(self._images.values()))
        while self._images and next(iter(self._images)) < stamp_ns:
            self._images.popitem(last=False)
        return self._images.pop(stamp_ns, None)
