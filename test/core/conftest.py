"""Real photographs and videos for the tests of the core."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

#: Frames of a video: (stamp in ns, uint8 BGR image).
Frames = list[tuple[int, np.ndarray]]


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """A public-domain photograph (NASA) with one face, uint8 BGR (512, 512, 3)."""
    data = pytest.importorskip("skimage.data", reason="scikit-image, which brings the photograph, is not installed")
    return np.ascontiguousarray(data.astronaut()[..., ::-1])


@pytest.fixture(scope="session")
def grace_hopper() -> np.ndarray:
    """A public-domain photograph (US Navy) with one face, uint8 BGR (600, 512, 3)."""
    cbook = pytest.importorskip("matplotlib.cbook", reason="Matplotlib, which brings the photograph, is not installed")
    image = cv2.imread(str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)))
    assert image is not None
    return image


@pytest.fixture(scope="session")
def read_frames(media_dir: Path) -> Callable[..., Frames]:
    """Reads every n-th frame of a video in the shared media."""

    def read(name: str, every: int = 1) -> Frames:
        video = cv2.VideoCapture(str(media_dir / name))
        fps = video.get(cv2.CAP_PROP_FPS)
        frames: Frames = []
        index = 0
        while video.grab():
            if index % every == 0:
                frames.append((round(index * 1e9 / fps), video.retrieve()[1]))
            index += 1
        assert frames, f"{name} has no frames"
        return frames

    return read
