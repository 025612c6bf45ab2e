"""Where tests find data that is not part of the project."""

from __future__ import annotations

import atexit
import os
from pathlib import Path

import pytest

# Before any test imports PyTorch: see the package's comment on OpenMP.
import emotional_dan_ros.core  # noqa: F401

ROOT = Path(__file__).resolve().parents[1]


def _shared(name: str) -> Path:
    base = Path(os.environ.get("EMOTIONAL_DAN_SHARED", ROOT.parent / "shared"))
    folder = base / name
    if not folder.is_dir():
        pytest.skip(f"{name} is not here: expected {folder} (set EMOTIONAL_DAN_SHARED to the folder that holds it)")
    return folder


@pytest.fixture(scope="session")
def media_dir() -> Path:
    """Folder of real videos with faces; tests that need it skip where it is absent."""
    return _shared("media")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the training data; tests that need it skip where it is absent."""
    return _shared("data")


def pytest_unconfigure() -> None:
    """Let pytest's summary be the last that is said: everything is measured and told by now.

    Libraries that torch.export loads (triton, through nanobind) tell at the interpreter's end what they have not taken
    down, a page of it. The exit status stays what it is.
    """
    # Not at once: pytest gives the stream back only after this.
    atexit.register(lambda: os.dup2(os.open(os.devnull, os.O_WRONLY), 2))
