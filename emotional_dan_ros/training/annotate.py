"""``emotional-dan annotate``: landmarks for a source that has none, by the shipped model."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from emotional_dan_ros.core.recognizer import EmotionRecognizer
from emotional_dan_ros.core.types import NUM_LANDMARKS
from emotional_dan_ros.training.landmark_files import write_landmarks
from emotional_dan_ros.training.predictions import Alignment, predict
from emotional_dan_ros.training.sources import open_faces, report_broken, report_undetected


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("data", type=Path, help="labelled faces: npz, csv or folder (docs/training.md)")
    parser.add_argument("out", type=Path, help="npz to write; name it as 'landmarks' of the source")
    parser.add_argument("--weights", default="rt", help="shipped name or safetensors file (default: rt)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    parser.add_argument(
        "--align",
        choices=[Alignment.REFINED.value, Alignment.DETECTED.value],
        default=Alignment.REFINED.value,
        help="where to look for landmarks: in the whole image, which the face fills, or in the largest face that the "
        "detector finds (default: refined)",
    )


def run(args: argparse.Namespace) -> int:
    """The command."""
    faces = open_faces(args.data)
    recognizer = EmotionRecognizer.load(args.weights, device=args.device)

    def progress(done: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{done}/{len(faces)} faces", end="", file=sys.stderr, flush=True)

    found = predict(recognizer, faces, np.arange(len(faces)), Alignment(args.align), progress)
    report_broken(str(args.data), [faces.name(i) for i in found.broken], len(faces))
    report_undetected(str(args.data), [faces.name(i) for i in found.undetected], len(faces), "left without")
    landmarks = np.zeros((len(faces), NUM_LANDMARKS, 2), dtype=np.float32)
    valid = np.zeros(len(faces), dtype=bool)
    landmarks[found.indices] = found.landmarks_px
    valid[found.indices] = True
    valid[list(found.undetected)] = False  # whatever lies there, it is not known to be a face
    write_landmarks(args.out, faces, landmarks, valid)
    print(f"landmarks of {int(valid.sum())} faces: {args.out}")
    return 0
