"""Variables of a checkpoint of the published code, read from npz or from TensorFlow's own format."""

from __future__ import annotations

import importlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.types import NUM_LANDMARKS

Arrays = Mapping[str, NDArray[np.generic]]
_MEAN_SHAPE = "MeanShape"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a checkpoint holds.

    Attributes:
        variables: by name.
        mean_shape: (136,) or (68, 2) px of the network's input, None where the checkpoint does not have it.
    """

    variables: Arrays
    mean_shape: NDArray[np.generic] | None


def read_checkpoint(path: str) -> Checkpoint:
    """Read an npz file, or a TensorFlow checkpoint by its path without suffix.

    Raises:
        UserError: there is none, it is damaged, or TensorFlow is needed and not installed.
    """
    if path.endswith(".npz"):
        arrays = _read_arrays(Path(path))
        return Checkpoint(arrays, arrays.get(_MEAN_SHAPE))
    prefix = path.removesuffix(".index").removesuffix(".meta")
    if not Path(prefix + ".index").is_file():
        raise UserError(
            f"expected a .npz file or a TensorFlow checkpoint, got {path!r}: there is no {prefix + '.index'!r}"
        )
    return _read_tensorflow(prefix)


def read_mean_shape(spec: str) -> NDArray[np.generic]:
    """Read the mean shape from ``FILE.npy``, ``FILE.npz`` (key MeanShape) or ``FILE.npz:KEY``; the first row of many.

    Raises:
        UserError: no such file or key, or not 68 points.
    """
    name, colon, key = spec.rpartition(":")
    path, key = (Path(name), key) if colon and not Path(spec).exists() else (Path(spec), _MEAN_SHAPE)
    arrays = _read_arrays(path)
    value = next(iter(arrays.values())) if path.suffix == ".npy" else arrays.get(key)
    if value is None:
        raise UserError(f"--mean-shape: {path} has no {key!r}; it has {', '.join(sorted(arrays))}")
    flat = np.asarray(value).reshape(-1)
    size = 2 * NUM_LANDMARKS
    if not np.issubdtype(flat.dtype, np.number) or not flat.size or flat.size % size:
        raise UserError(f"--mean-shape: expected {NUM_LANDMARKS} points (x, y), got {value.dtype} {value.shape}")
    return flat[:size]


def _read_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """All arrays of an npz or npy file; pickles inside are refused, not read."""
    if not path.is_file():
        raise UserError(f"expected a file at {path}, found none")
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {path.stem: loaded}
        with loaded as archive:
            return {key: archive[key] for key in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path} is not a whole file of plain arrays (pickles are never read): {reason}") from error


def _read_tensorflow(prefix: str) -> Checkpoint:
    tensorflow = _import_tensorflow(prefix)
    try:
        reader = tensorflow.train.load_checkpoint(prefix)
        # Slots of the optimiser are twice the size of the network; they are not read.
        names = [n for n in reader.get_variable_to_shape_map() if "Adam" not in n]
        variables = {name: np.asarray(reader.get_tensor(name)) for name in names}
    except (tensorflow.errors.OpError, ValueError, RuntimeError) as error:
        raise UserError(f"{prefix} is not a whole TensorFlow checkpoint: {' '.join(str(error).split())}") from error
    return Checkpoint(variables, _graph_mean_shape(tensorflow, Path(prefix + ".meta")))


def _import_tensorflow(prefix: str) -> ModuleType:
    try:
        return importlib.import_module("tensorflow")
    except ImportError as error:
        raise UserError(
            f"{prefix}: reading a TensorFlow checkpoint needs TensorFlow; pip install 'emotional_dan_ros[convert]', "
            "or save its variables with numpy.savez and convert that"
        ) from error


def _graph_mean_shape(tensorflow: ModuleType, path: Path) -> NDArray[np.generic] | None:
    """The mean shape: the constant of 136 numbers outside the stages in the graph beside the checkpoint."""
    if not path.is_file():
        return None
    meta = tensorflow.compat.v1.MetaGraphDef()
    try:
        meta.ParseFromString(path.read_bytes())
    except Exception as error:  # protobuf's DecodeError; its module is not part of TensorFlow's interface
        raise UserError(f"{path} is not a whole TensorFlow graph: {error}") from error
    nodes = [n for n in meta.graph_def.node if n.op == "Const" and "/" not in n.name]  # outside every stage and layer
    constants = [n.attr["value"].tensor for n in nodes]
    shapes = [tensorflow.make_ndarray(c) for c in constants if c.dtype == tensorflow.float32.as_datatype_enum]
    found = [c for c in shapes if c.size == 2 * NUM_LANDMARKS]
    return found[0] if found and all(np.array_equal(c, found[0]) for c in found) else None
