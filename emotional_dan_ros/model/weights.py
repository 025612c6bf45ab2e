"""Weights as files: safetensors with everything needed to use them, and nothing that is executed.

The header of the file carries the model's configuration, the calibration and a checksum of the tensors,
so that one file is enough and an altered one is noticed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.labels import EMOTION_NAMES
from emotional_dan_ros.core.shipped_weights import WEIGHTS_DIR, is_shipped_name
from emotional_dan_ros.model.config import ModelConfig
from emotional_dan_ros.model.network import EmotionalDAN

FORMAT = "emotional_dan/1"
#: Weights that ship with the package.


@dataclass(frozen=True)
class WeightsInfo:
    """What travels with the tensors.

    Attributes:
        name: e.g. ``rt``.
        model: configuration of the network.
        classes: names of the outputs, in order.
        temperature: logits are divided by it before the softmax.
        log_prior: added to the logits (after the temperature), one per class; zeros for none.
        training: how they came to be: data, checksums, recipe, measured numbers.
    """

    name: str
    model: ModelConfig
    classes: tuple[str, ...] = EMOTION_NAMES
    temperature: float = 1.0
    log_prior: tuple[float, ...] = (0.0,) * len(EMOTION_NAMES)
    training: Mapping[str, Any] = field(default_factory=dict)


def tensors_checksum(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, dtypes, shapes and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def save_weights(path: Path, model: EmotionalDAN, info: WeightsInfo, half: bool = True) -> None:
    """Write a network; the file appears under its name only when it is whole.

    Args:
        path: ``.safetensors`` file.
        model: its parameters and batch-norm statistics are stored.
        info: ``info.model`` must be the model's configuration.
        half: store as float16. The statistics of batch normalisation stay float32: variances can
            leave the range of float16.
    """
    tensors = {}
    for name, value in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        keep = not half or "running_" in name or name == "mean_shape"
        tensors[name] = value.detach().cpu().to(torch.float32 if keep else torch.float16).contiguous()
    header = {
        "format": FORMAT,
        "name": info.name,
        "model": json.dumps(info.model.to_dict()),
        "classes": json.dumps(list(info.classes)),
        "temperature": repr(float(info.temperature)),
        "log_prior": json.dumps([float(v) for v in info.log_prior]),
        "training": json.dumps(dict(info.training)),
        "sha256": tensors_checksum(tensors),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".partial")
    try:
        temporary.write_bytes(serialise(tensors, metadata=header))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def weights_path(weights: str | Path) -> Path:
    """File of weights named ``rt``-like (shipped with the package) or given by path.

    Raises:
        UserError: there is no such file.
    """
    text = str(weights)
    path = WEIGHTS_DIR / f"{text}.safetensors" if is_shipped_name(weights) else Path(text)
    if not path.is_file():
        shipped = ", ".join(sorted(p.stem for p in WEIGHTS_DIR.glob("*.safetensors"))) or "none"
        raise UserError(f"expected weights {text!r} at {path}, found no file; shipped are: {shipped}")
    return path


def load_weights(weights: str | Path) -> tuple[EmotionalDAN, WeightsInfo]:
    """Read a network (float32, evaluation mode, on the CPU) and what travels with it.

    Raises:
        UserError: no such file, not safetensors, truncated or altered, or of another architecture.
    """
    path = weights_path(weights)
    try:
        with safe_open(path, framework="pt") as archive:
            header = archive.metadata() or {}
            tensors = {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(
            f"{path} is not a whole safetensors file ({' '.join(str(error).split())}); get it again or train anew"
        ) from error
    if header.get("format") != FORMAT:
        raise UserError(f"{path}: expected weights of format {FORMAT}, got {header.get('format', 'no format')!r}")
    if header.get("sha256") != tensors_checksum(tensors):
        raise UserError(f"{path}: the tensors do not match their checksum: the file was altered; get it again")
    try:
        info = WeightsInfo(
            name=header["name"],
            model=ModelConfig.from_dict(json.loads(header["model"])),
            classes=tuple(json.loads(header["classes"])),
            temperature=float(header["temperature"]),
            log_prior=tuple(json.loads(header["log_prior"])),
            training=json.loads(header["training"]),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise UserError(f"{path}: the header is not one this version can read ({error})") from error
    model = EmotionalDAN(info.model)
    expected = {k: tuple(v.shape) for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}
    found = {k: tuple(v.shape) for k, v in tensors.items()}
    if expected != found:
        differing = sorted(k for k in expected.keys() | found.keys() if expected.get(k) != found.get(k))
        raise UserError(
            f"{path}: the tensors are not those of the configuration in its header: "
            f"{differing[0]} is {found.get(differing[0], 'missing')}, expected {expected.get(differing[0], 'none')}"
        )
    model.load_state_dict({k: v.float() for k, v in tensors.items()}, strict=False)
    return model.eval(), info
