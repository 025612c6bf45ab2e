"""Networks that teach: ours, or any other that was exported to ONNX."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.labels import EMOTION_NAMES, NUM_EMOTIONS
from emotional_dan_ros.model.network import EmotionalDAN
from emotional_dan_ros.model.preprocess import standardise
from emotional_dan_ros.model.weights import load_weights, weights_path

_LOGITS = "logits"


class Teacher(Protocol):
    """Says what faces show.

    Attributes:
        image_size: side S in px of the crops it looks at.
    """

    image_size: int

    def __call__(self, crops: Tensor) -> Tensor:
        """Probabilities (N, 7) of aligned crops, float32 (N, 1, S, S), grey 0 .. 1; before any calibration."""
        ...


class EmotionalDANTeacher:
    """A network of this package.

    Args:
        model: of seven classes.
        device: where to compute.
        precision: ``bf16`` or ``float32``.
    """

    def __init__(self, model: EmotionalDAN, device: torch.device, precision: str = "float32") -> None:
        self.image_size = model.config.image_size
        self._model = model.to(device).eval()
        self._bfloat16 = precision == "bf16"

    @torch.no_grad()
    def __call__(self, crops: Tensor) -> Tensor:
        images = standardise(crops).contiguous(memory_format=torch.channels_last)
        with torch.autocast(crops.device.type, torch.bfloat16, enabled=self._bfloat16):
            logits = self._model(images).logits
        return torch.softmax(logits.float(), dim=1)


class OnnxTeacher:
    """Any other network: what `emotional-dan export` writes, or a file with the same input and logits.

    Args:
        path: ONNX file that takes float32 (N, 1, S, S), aligned crops, grey 0 .. 1, and gives logits (N, 7) in the
            order of `Emotion`: its output of the name ``logits``, or the only one.

    Raises:
        UserError: there is no such file, onnxruntime is not installed, or input and output are of another form.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise UserError(f"teacher: expected an ONNX file at {path}, found none")
        try:
            runtime: Any = importlib.import_module("onnxruntime")
        except ImportError as error:
            raise UserError("teacher: an ONNX file needs onnxruntime; install the extra 'export'") from error
        try:
            # TensorRT, which is named as available too, would spend minutes on an engine for each size of batch.
            there = runtime.get_available_providers()
            providers = [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in there]
            self._session = runtime.InferenceSession(str(path), providers=providers)
        except Exception as error:  # onnxruntime has a dozen classes of errors without a common one of their own
            words = " ".join(str(error).split()) or type(error).__name__
            raise UserError(f"teacher: {path} could not be read as ONNX: {words}") from error
        outputs = {output.name: output for output in self._session.get_outputs()}
        chosen = outputs.get(_LOGITS, next(iter(outputs.values())) if len(outputs) == 1 else None)
        if chosen is None:
            raise UserError(f"teacher: {path}: expected an output named 'logits', got {', '.join(outputs)}")
        inputs = self._session.get_inputs()
        shape = list(inputs[0].shape) if len(inputs) == 1 and inputs[0].type == "tensor(float)" else []
        if (
            len(shape) != 4
            or isinstance(shape[0], int)
            or shape[1] != 1
            or not isinstance(shape[2], int)
            or shape[2] != shape[3]
        ):
            raise UserError(
                f"teacher: {path}: expected one float32 input of shape (N, 1, S, S) with N left open, grey 0 .. 1, "
                f"got {', '.join(f'{i.type} {i.shape}' for i in inputs) or 'none'}"
            )
        if list(chosen.shape)[1:] != [NUM_EMOTIONS]:
            raise UserError(
                f"teacher: {path}: expected logits of shape (N, {NUM_EMOTIONS}) for {', '.join(EMOTION_NAMES)}, "
                f"got {chosen.shape}"
            )
        self.image_size = int(shape[2])
        self._input, self._output = inputs[0].name, chosen.name

    def __call__(self, crops: Tensor) -> Tensor:
        (logits,) = self._session.run([self._output], {self._input: crops.cpu().numpy()})
        return torch.softmax(torch.from_numpy(logits).float(), dim=1).to(crops.device)


def teacher_file(name: str) -> Path:
    """Where a teacher lies: the ONNX file, or the weights of that name or path."""
    return Path(name) if _is_onnx(name) else weights_path(name)


def load_teacher(name: str, device: torch.device, precision: str = "float32") -> Teacher:
    """The teacher of that name.

    Args:
        name: shipped weights, a safetensors file, or a file that ends in ``.onnx`` (see `OnnxTeacher`).
        device: where weights of ours compute.
        precision: of those, ``bf16`` or ``float32``.

    Raises:
        UserError: there is no such teacher, or it is not of the form that is needed.
    """
    if _is_onnx(name):
        return OnnxTeacher(Path(name))
    model, info = load_weights(name)
    if info.classes != EMOTION_NAMES:
        raise UserError(
            f"teacher: {name}: expected the classes {', '.join(EMOTION_NAMES)}, got {', '.join(info.classes)}"
        )
    return EmotionalDANTeacher(model, device, precision)


def _is_onnx(name: str) -> bool:
    return name.endswith(".onnx")
