"""In which precision a device trains fastest."""

from __future__ import annotations

import torch

from emotional_dan_ros.core.inference import processor_has_bfloat16


def choose_precision(name: str, device: torch.device) -> str:
    """``auto`` resolved for a device: ``bf16`` where it multiplies bfloat16 by itself, else ``float32``.

    Emulated bfloat16 is no small loss: a step of 96 faces took 28 s on two cores of an AMD EPYC of family 25, which
    has no instructions for it, and 2.8 s in float32.

    Args:
        name: ``auto``, ``bf16`` or ``float32``; the latter two are returned as they are.
        device: where the training runs.
    """
    if name != "auto":
        return name
    if device.type == "cuda":
        # Without emulation: PyTorch otherwise counts GPUs that only convert it.
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = processor_has_bfloat16()
    return "bf16" if native else "float32"
