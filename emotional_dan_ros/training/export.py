"""``emotional-dan export``: weights as ONNX, torch.export or TorchScript, calibrated and checked."""

from __future__ import annotations

import argparse
from pathlib import Path

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.model.export import export
from emotional_dan_ros.model.weights import load_weights


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("weights", metavar="WEIGHTS", help="shipped name or safetensors file")
    parser.add_argument(
        "out",
        metavar="OUT",
        type=Path,
        help="OUT.onnx, OUT.pt2 (torch.export) or OUT.ts (TorchScript); takes float32 (N, 1, S, S) aligned grey crops, "
        "0 .. 1, and gives landmarks, logits and calibrated probabilities",
    )


def run(args: argparse.Namespace) -> int:
    """The command."""
    model, info = load_weights(args.weights)
    try:
        difference = export(model, info, args.out)
    except OSError as error:
        raise UserError(f"OUT: {args.out} could not be written: {error.strerror or error}") from error
    size = model.config.image_size
    compared = (
        "not compared: onnxruntime is not installed"
        if difference is None
        else f"differs from PyTorch by at most {difference:.1e} px or logits"
    )
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB, input (N, 1, {size}, {size}), {compared}")
    return 0
