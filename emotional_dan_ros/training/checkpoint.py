"""Checkpoints that survive being killed at any moment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from emotional_dan_ros.core.errors import UserError


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write ``state`` beside ``path`` and rename it: the old checkpoint stands until the new one is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".partial")
    with temporary.open("wb") as stream:
        torch.save(state, stream)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote; only tensors and plain values are ever unpickled.

    Raises:
        UserError: the file is damaged or holds something else.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise UserError(
            f"{path} is not a readable checkpoint ({type(error).__name__}); remove it to start anew"
        ) from error
    if not isinstance(state, dict) or "step" not in state:
        raise UserError(f"{path} is no checkpoint of a training run; remove it to start anew")
    return state
