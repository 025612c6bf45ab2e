"""The network in the formats of other runtimes: ONNX, torch.export, TorchScript."""

from __future__ import annotations

import importlib
import json
import logging
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.model.network import EmotionalDAN
from emotional_dan_ros.model.preprocess import standardise
from emotional_dan_ros.model.weights import WeightsInfo

#: The first opset with ScatterElements(reduction="max"), which the heat map needs.
ONNX_OPSET = 18
#: px and logits; as far as an exported network may differ from ours.
TOLERANCE = 1e-4
_BATCH = "batch"


class Recognition(NamedTuple):
    """Outputs of an exported network, under these names.

    Attributes:
        landmarks: float32 (N, 68, 2), px of the input image.
        logits: float32 (N, C).
        probabilities: float32 (N, C), calibrated; rows sum to 1.
    """

    landmarks: Tensor
    logits: Tensor
    probabilities: Tensor


class CalibratedDAN(nn.Module):
    """The network with what stands before and behind it, so that one file is enough.

    Args:
        model: the network.
        info: what travels with its weights; temperature and prior become part of the file.

    Shape:
        image (N, 1, S, S), float32, grey 0 .. 1, aligned -> the three tensors of `Recognition`
    """

    log_prior: Tensor

    def __init__(self, model: EmotionalDAN, info: WeightsInfo) -> None:
        super().__init__()
        self.model = model
        self.temperature = float(info.temperature)
        self.register_buffer("log_prior", torch.tensor(info.log_prior, dtype=torch.float32))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See the class; a plain tuple, because torch.export stores no types of others."""
        output = self.model(standardise(image))
        probabilities = torch.softmax(output.logits / self.temperature + self.log_prior, dim=1)
        return output.landmarks, output.logits, probabilities


def export(model: EmotionalDAN, info: WeightsInfo, path: Path) -> float | None:
    """Write the network, calibrated and with any batch size, and compare it with ours.

    Args:
        model: in evaluation mode, on the CPU.
        info: what travels with its weights; its essentials are stored in the file as metadata.
        path: ``.onnx``, ``.pt2`` (torch.export) or ``.ts`` (TorchScript); it appears when it is whole and agrees.

    Returns:
        Largest difference found over two batch sizes, px or logits; None where it could not be compared
        because onnxruntime is not installed.

    Raises:
        UserError: another suffix, a package that is missing, or a difference over `TOLERANCE`.
    """
    if path.suffix not in _WRITERS:
        raise UserError(f"expected a file that ends in {', '.join(_WRITERS)}, got {str(path)!r}")
    network = CalibratedDAN(model, info).eval()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        partial = Path(folder) / path.name
        _WRITERS[path.suffix](network, _metadata(info), partial)
        difference = compare(network, partial)
        if difference is not None and not difference <= TOLERANCE:
            raise UserError(f"{path}: the exported network differs by {difference:.2g}, at most {TOLERANCE} is allowed")
        partial.replace(path)
    return difference


def compare(network: CalibratedDAN, path: Path) -> float | None:
    """Largest difference between a network and its exported file; see `export`."""
    runner = load_exported(path)
    if runner is None:
        return None
    differences = []
    for count in (1, 3):
        images = example_images(network.model, count)
        with torch.no_grad():
            pairs = zip(network(images), runner(images), strict=True)
            differences += [(ours - theirs).abs().max() for ours, theirs in pairs]
    return float(torch.stack(differences).max())  # unlike Python's max, this lets NaN through


def load_exported(path: Path) -> Callable[[Tensor], Recognition] | None:
    """A function that runs an exported file; None for ONNX where onnxruntime is not installed."""
    if path.suffix == ".onnx":
        return _onnx_runner(path)
    if path.suffix == ".pt2":
        network = torch.export.load(path).module()
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of TorchScript's age
            network = torch.jit.load(path)
    return lambda images: Recognition(*network(images))


def example_images(model: EmotionalDAN, count: int) -> Tensor:
    """Seeded noise of the network's size, grey 0 .. 1."""
    size = model.config.image_size
    return torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(count))


def _metadata(info: WeightsInfo) -> dict[str, str]:
    return {
        "name": info.name,
        "classes": json.dumps(list(info.classes)),
        "model": json.dumps(info.model.to_dict()),
        "input": "float32 (N, 1, S, S), grey 0 .. 1, aligned crop",
        "landmarks": "px of the input, pixel centres at integers, iBUG order",
    }


def _write_onnx(network: CalibratedDAN, metadata: dict[str, str], path: Path) -> None:
    for package in ("onnx", "onnxscript"):
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise UserError(f"ONNX needs the package {package}; pip install 'emotional_dan_ros[export]'") from error
    for name in ("torch.onnx", "onnxscript", "onnx_ir"):
        logging.getLogger(name).setLevel(logging.ERROR)  # they tell every step they take
    program = torch.onnx.export(
        network,
        (example_images(network.model, 2),),
        dynamo=True,
        opset_version=ONNX_OPSET,
        input_names=["image"],
        output_names=list(Recognition._fields),
        dynamic_shapes=_dynamic_batch(),
        verbose=False,
    )
    assert program is not None  # it is for dynamo=True
    program.model.metadata_props.update(metadata)
    program.save(path)


def _write_exported_program(network: CalibratedDAN, metadata: dict[str, str], path: Path) -> None:
    program = torch.export.export(network, (example_images(network.model, 2),), dynamic_shapes=_dynamic_batch())
    torch.export.save(program, path, extra_files=metadata)


def _write_torchscript(network: CalibratedDAN, metadata: dict[str, str], path: Path) -> None:
    with warnings.catch_warnings():
        # The tracer warns of the check of the input's shape, which rightly becomes a constant, and of its own age.
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(network, (example_images(network.model, 2),), check_trace=False)
        torch.jit.save(traced, path, _extra_files=metadata)


def _dynamic_batch() -> dict[str, dict[int, torch.export.Dim]]:
    return {"image": {0: torch.export.Dim(_BATCH, min=1, max=1024)}}


def _onnx_runner(path: Path) -> Callable[[Tensor], Recognition] | None:
    try:
        import onnxruntime
    except ImportError:
        return None
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run(images: Tensor) -> Recognition:
        outputs = session.run(list(Recognition._fields), {"image": images.numpy()})
        return Recognition(*(torch.from_numpy(o) for o in outputs))

    return run


_WRITERS: dict[str, Callable[[CalibratedDAN, dict[str, str], Path], None]] = {
    ".onnx": _write_onnx,
    ".pt2": _write_exported_program,
    ".ts": _write_torchscript,
}
