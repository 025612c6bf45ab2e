"""``emotional-dan convert``: a checkpoint of the published TensorFlow code becomes weights of this package.

The names are those that TensorFlow 1's ``tf.layers`` gives in the published graph (IvonaTau/emotionaldan,
``models.py``); docs/port.md lists them and how the two networks were compared.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.labels import EMOTION_NAMES, VALENCE_NAMES
from emotional_dan_ros.model.config import BLOCK_CHANNELS, ModelConfig, NormOrder
from emotional_dan_ros.model.network import EmotionalDAN
from emotional_dan_ros.model.weights import WeightsInfo, save_weights
from emotional_dan_ros.training.convert_sources import Arrays, read_checkpoint, read_mean_shape

_NUM_CONVS = 2 * len(BLOCK_CHANNELS)
_FLATTENED = ".trunk.fc1.0.weight"
_NORM_PARTS = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        help="npz with one array per variable, or the path of a TensorFlow checkpoint without its suffix",
    )
    parser.add_argument("out", metavar="OUT.safetensors", type=Path, help="weights to write")
    parser.add_argument(
        "--mean-shape",
        metavar="FILE[:KEY]",
        help="npy or npz with the 68 points that the graph was built with (px of its input; the first row is taken "
        "where there are several); needed where the checkpoint does not hold it",
    )
    parser.add_argument("--half", action="store_true", help="store float16: half the size, no longer exact")


def run(args: argparse.Namespace) -> int:
    """The command."""
    if args.out.suffix != ".safetensors":
        raise UserError(f"OUT: expected a name that ends in .safetensors, got {str(args.out)!r}")
    checkpoint = read_checkpoint(args.checkpoint)
    mean_shape = read_mean_shape(args.mean_shape) if args.mean_shape else checkpoint.mean_shape
    if mean_shape is None:
        raise UserError(
            f"{args.checkpoint} does not hold the mean shape (it is a constant of the graph, not a variable); "
            "give it with --mean-shape FILE"
        )
    model = convert(checkpoint.variables, mean_shape)
    classes = EMOTION_NAMES if model.config.num_emotions == len(EMOTION_NAMES) else VALENCE_NAMES
    info = WeightsInfo(
        name=args.out.stem,
        model=model.config,
        classes=classes,
        log_prior=(0.0,) * len(classes),
        training={"converted_from": Path(args.checkpoint).name, "code": "github.com/IvonaTau/emotionaldan"},
    )
    try:
        save_weights(args.out, model, info, half=args.half)
    except OSError as error:
        raise UserError(f"OUT: {args.out} could not be written: {error.strerror or error}") from error
    size = args.out.stat().st_size / 1e6
    print(f"{args.out}: {model.config.image_size} px, {len(classes)} classes, {size:.1f} MB")
    return 0


def convert(variables: Arrays, mean_shape: NDArray[np.generic]) -> EmotionalDAN:
    """The network that computes what the published graph computes with these variables.

    Args:
        variables: name (``Stage1/conv2d/kernel``; a trailing ``:0`` may be there) -> array as TensorFlow lays it
            out. Others, such as those of an optimiser, are ignored.
        mean_shape: (68, 2) or (136,), px of the network's input.

    Raises:
        UserError: a variable is missing, has another shape than the others ask for, or holds NaN.
    """
    named = {name.removesuffix(":0"): value for name, value in variables.items()}
    config = _config(named)
    if mean_shape.size != 2 * config.num_landmarks:
        raise UserError(f"mean shape: expected {config.num_landmarks} points (x, y), got shape {mean_shape.shape}")
    points = torch.from_numpy(np.array(mean_shape, dtype=np.float32).reshape(-1, 2))
    model = EmotionalDAN(config, points)
    state = model.state_dict()
    for ours, theirs in variable_names().items():
        channels = config.channels[-1] if ours.endswith(_FLATTENED) else None
        state[ours] = _tensor(theirs, _get(named, theirs), state[ours].shape, channels)
    model.load_state_dict(state)
    return model.eval()


def variable_names() -> dict[str, str]:
    """Name in our ``state_dict`` -> name in the published graph, for every variable of the network."""
    # S1_Fc1 was named by its authors; everything else carries TensorFlow's default name and a count per stage.
    first = ["batch_normalization" + _count(i) for i in range(_NUM_CONVS)] + ["S1_Fc1"]
    second = ["batch_normalization" + _count(i + 1) for i in range(_NUM_CONVS + 1)]
    return {
        **dict(_trunk("stage1", "Stage1", first, dense="dense")),
        **dict(_layer("stage1.landmarks", "Stage1/dense_1")),
        **dict(_layer("stage2.feature", "Stage2/dense")),
        **dict(_norm("stage2.input_norm", "Stage2/batch_normalization")),
        **dict(_trunk("stage2", "Stage2", second, dense="dense_1")),
        **dict(_layer("stage2.landmarks", "Stage2/dense_2")),
        **dict(_layer("stage2.emotion", "Stage2/dense_3")),
    }


def _count(index: int) -> str:
    return f"_{index}" if index else ""


def _trunk(ours: str, scope: str, norms: list[str], dense: str) -> Iterator[tuple[str, str]]:
    for i in range(_NUM_CONVS):
        layer = f"{ours}.trunk.blocks.{i // 2}.{i % 2}"
        yield from _layer(f"{layer}.0", f"{scope}/conv2d{_count(i)}")
        yield from _norm(f"{layer}.2", f"{scope}/{norms[i]}")
    yield from _layer(f"{ours}.trunk.fc1.0", f"{scope}/{dense}")
    yield from _norm(f"{ours}.trunk.fc1.2", f"{scope}/{norms[-1]}")


def _layer(ours: str, theirs: str) -> Iterator[tuple[str, str]]:
    yield f"{ours}.weight", f"{theirs}/kernel"
    yield f"{ours}.bias", f"{theirs}/bias"


def _norm(ours: str, theirs: str) -> Iterator[tuple[str, str]]:
    for part, name in _NORM_PARTS.items():
        yield f"{ours}.{part}", f"{theirs}/{name}"


def _get(variables: Arrays, name: str) -> NDArray[np.generic]:
    if name not in variables:
        missing = [n for n in variable_names().values() if n not in variables]
        raise UserError(
            f"the checkpoint lacks {len(missing)} of {len(variable_names())} variables, first {name!r}; expected one "
            "written by the published EmotionalDAN code"
        )
    return variables[name]


def _config(variables: Arrays) -> ModelConfig:
    """The configuration that the shapes of a few variables imply."""
    kernel, feature = _get(variables, "Stage1/conv2d/kernel"), _get(variables, "Stage2/dense/kernel")
    emotion = _get(variables, "Stage2/dense_3/bias")
    if kernel.ndim != 4 or feature.ndim != 2 or emotion.ndim != 1:
        raise UserError(
            "the checkpoint's layers have other ranks than the published ones: Stage1/conv2d/kernel "
            f"{kernel.shape}, Stage2/dense/kernel {feature.shape}, Stage2/dense_3/bias {emotion.shape}"
        )
    try:
        return ModelConfig(
            image_size=2 * round(float(np.sqrt(feature.shape[1]))),
            width=kernel.shape[3] / BLOCK_CHANNELS[0],
            num_emotions=emotion.shape[0],
            norm_order=NormOrder.RELU_BN,
            feature_width=feature.shape[0],
        )
    except ValueError as error:
        raise UserError(f"the checkpoint is of a network this package cannot build: {error}") from error


def _tensor(name: str, value: NDArray[np.generic], shape: torch.Size, channels: int | None) -> Tensor:
    """One variable in PyTorch's layout.

    Args:
        name: for messages.
        value: convolutions (height, width, in, out), dense kernels (in, out), else one row.
        shape: that PyTorch expects.
        channels: of the image that is flattened into this dense kernel, None where there is none.
    """
    if not np.issubdtype(value.dtype, np.floating):
        raise UserError(f"{name}: expected floating-point numbers, got {value.dtype}")
    tensor = torch.from_numpy(np.array(value, dtype=np.float32))
    if not torch.isfinite(tensor).all():
        raise UserError(f"{name} holds NaN or infinity: the checkpoint is damaged or its training had diverged")
    expected = (*shape[2:], shape[1], shape[0]) if len(shape) == 4 else tuple(reversed(shape))
    if tuple(tensor.shape) != expected:
        raise UserError(f"{name}: expected shape {expected}, got {tuple(tensor.shape)}")
    if len(shape) == 4:
        return tensor.permute(3, 2, 0, 1)
    if channels is not None:
        # TensorFlow flattens (row, column, channel), PyTorch (channel, row, column).
        return tensor.reshape(-1, channels, shape[0]).permute(2, 1, 0).reshape(shape)
    return tensor.T if len(shape) == 2 else tensor
