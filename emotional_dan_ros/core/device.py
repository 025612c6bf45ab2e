"""Where PyTorch computes."""

from __future__ import annotations

import torch

from emotional_dan_ros.core.errors import UserError


def choose_device(name: str) -> torch.device:
    """``auto`` (CUDA where there is one), ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        UserError: an unknown name, or CUDA asked for where there is none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(f"device: expected auto, cpu or cuda, got {name!r}") from error
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"device: expected auto, cpu or cuda, got {name!r}")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "device: cuda was asked for, but PyTorch sees no CUDA device here; set device to auto or cpu, "
            "or check the driver with nvidia-smi"
        )
    if device.type == "cuda" and device.index is not None and device.index >= torch.cuda.device_count():
        raise UserError(f"device: expected cuda:0 .. cuda:{torch.cuda.device_count() - 1}, got {name!r}")
    return device
