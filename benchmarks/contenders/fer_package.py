"""The package fer as it comes: Haar cascade and mini-Xception (quantised, TensorFlow Lite).

Imports nothing of this project, so that any interpreter that has fer can run it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from fer.fer import FER


def make() -> Callable[[Any, int], int]:
    """With all defaults."""
    fer = FER()
    return lambda image, stamp_ns: len(fer.detect_emotions(image))
