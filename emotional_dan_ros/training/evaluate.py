"""``emotional-dan evaluate``: measure weights on labelled faces."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.labels import EMOTION_NAMES
from emotional_dan_ros.core.recognizer import EmotionRecognizer
from emotional_dan_ros.training.class_prior import PriorPoint
from emotional_dan_ros.training.evaluation import summarise
from emotional_dan_ros.training.metrics import softmax
from emotional_dan_ros.training.npz_sources import read_votes
from emotional_dan_ros.training.predictions import Alignment, Predictions, predict
from emotional_dan_ros.training.sources import VALIDATION, open_faces, report_broken, report_undetected
from emotional_dan_ros.training.targets import Faces


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "--data", type=Path, required=True, help="labelled faces: npz, csv or folder (docs/training.md)"
    )
    parser.add_argument("--votes", type=Path, help="npz of FER+ votes that belong to it")
    parser.add_argument("--weights", default="rt", help="shipped name or safetensors file (default: rt)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    parser.add_argument(
        "--usage",
        type=int,
        help="which split of the file; default: its validation split (1) where it has several, else all faces",
    )
    parser.add_argument(
        "--align",
        choices=[a.value for a in Alignment],
        default=Alignment.LANDMARKS.value,
        help="crop by the file's landmarks, by the whole image, by the image and then the landmarks found, or by the "
        "largest face that the detector finds (for photographs that show more than a face)",
    )
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument(
        "--out",
        type=Path,
        help="folder for confusion matrices, reliability diagram and, with --votes, the curve of the class prior (PNG)",
    )


def run(args: argparse.Namespace) -> int:
    """The command."""
    faces = open_faces(args.data)
    votes = read_votes(args.votes, len(faces)) if args.votes else None
    indices = choose_split(faces, args.usage)
    recognizer = EmotionRecognizer.load(args.weights, device=args.device)

    def progress(done: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{done}/{len(indices)} faces", end="", file=sys.stderr, flush=True)

    predictions = predict(recognizer, faces, indices, Alignment(args.align), progress)
    report_broken(str(args.data), [faces.name(i) for i in predictions.broken], len(indices))
    report_undetected(str(args.data), [faces.name(i) for i in predictions.undetected], len(indices), "taken whole")
    figures = summarise(recognizer, faces, predictions, votes)
    print("\n".join(report_lines(figures)))
    if args.json:
        write_json(args.json, figures)
    if args.out:
        write_pictures(args.out, figures, faces, predictions)
    return 0


def choose_split(faces: Faces, usage: int | None) -> NDArray[np.int64]:
    """Positions of the faces to measure on.

    Raises:
        UserError: the split is empty.
    """
    present = sorted(set(faces.usage.tolist()))
    if usage is None:
        usage = VALIDATION if len(present) > 1 and VALIDATION in present else None
    chosen = np.arange(len(faces)) if usage is None else np.flatnonzero(faces.usage == usage)
    if not len(chosen):
        raise UserError(f"--usage: expected one of {present}, got {usage}, which no face has")
    return chosen


def report_lines(figures: dict[str, Any]) -> list[str]:
    """The figures for people."""
    lines = [f"weights {figures['weights']}, {figures['faces']} faces"]
    lines += _class_lines("file's labels", figures)
    if "ferplus" in figures:
        lines += _class_lines(f"FER+ majority ({figures['ferplus']['faces']} faces)", figures["ferplus"])
    marks = figures["landmarks"]
    if marks:
        lines.append(
            f"landmarks: mean error {marks['mean_error']:.2%} of the inter-pupil distance, median "
            f"{marks['median_error']:.2%}, {marks['failures']:.1%} above 8 % ({marks['faces']} faces)"
        )
    return lines


def _class_lines(name: str, figures: dict[str, Any]) -> list[str]:
    recall = ", ".join(f"{k} {'-' if v is None else format(v, '.2f')}" for k, v in figures["recall"].items())
    three = figures["three_class"]
    calibration = f"ECE {figures['ece']:.4f} (before temperature {figures['ece_before_temperature']:.4f})"
    return [
        f"{name}: accuracy {figures['accuracy']:.4f}, macro F1 {figures['macro_f1']:.4f}, {calibration}",
        f"  recall: {recall}",
        f"  three classes: accuracy {three['accuracy']:.4f}, macro F1 {three['macro_f1']:.4f}, ECE {three['ece']:.4f}",
    ]


def write_json(path: Path, figures: dict[str, Any]) -> None:
    """Write figures as JSON; the file appears when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".partial")
    temporary.write_text(json.dumps(figures, indent=2) + "\n")
    temporary.replace(path)


def write_pictures(out: Path, figures: dict[str, Any], faces: Faces, predictions: Predictions) -> None:
    """Confusion matrices and the reliability diagram as PNG in ``out``."""
    from emotional_dan_ros.core.labels import VALENCE_NAMES
    from emotional_dan_ros.training.evaluation_plots import plot_confusion, plot_prior_curve, plot_reliability

    out.mkdir(parents=True, exist_ok=True)
    title = f"{figures['weights']}: accuracy {figures['accuracy']:.3f}"
    plot_confusion(out / "confusion.png", figures["confusion"], EMOTION_NAMES, title)
    three = figures["three_class"]
    title = f"{figures['weights']}, three classes: accuracy {three['accuracy']:.3f}"
    plot_confusion(out / "confusion_three_class.png", three["confusion"], VALENCE_NAMES, title)
    if "ferplus" in figures:
        crowd = figures["ferplus"]
        title = f"{figures['weights']}, FER+ majority: accuracy {crowd['accuracy']:.3f}"
        plot_confusion(out / "confusion_ferplus.png", crowd["confusion"], EMOTION_NAMES, title)
        points = [PriorPoint(**point) for point in crowd["class_prior"]]
        title = f"{figures['weights']}: what the class prior trades"
        plot_prior_curve(out / "class_prior.png", points, (figures["accuracy"], crowd["accuracy"]), title)
    truth = faces.emotion[predictions.indices]
    title = f"{figures['weights']}: ECE {figures['ece_before_temperature']:.3f} before, {figures['ece']:.3f} after"
    plot_reliability(out / "reliability.png", softmax(predictions.logits), predictions.probabilities, truth, title)
