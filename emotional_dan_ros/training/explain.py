"""``emotional-dan explain``: where the network looks when it names an emotion."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.alignment import box_transform, crop_transform, warp_crop
from emotional_dan_ros.core.detector import FaceDetector
from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.explanation import CropExplainer
from emotional_dan_ros.core.labels import EMOTION_NAMES
from emotional_dan_ros.core.recognizer import EmotionRecognizer
from emotional_dan_ros.core.sources import IMAGE_SUFFIXES
from emotional_dan_ros.model.explain import DEFAULT_LAYER, DEFAULT_METHOD, LAYERS, Method
from emotional_dan_ros.training.evaluate import choose_split
from emotional_dan_ros.training.explanation_plots import explained_picture, plot_mean_maps
from emotional_dan_ros.training.explanations import choose_per_emotion, mean_maps
from emotional_dan_ros.training.face_finding import enlarged
from emotional_dan_ros.training.sources import open_faces

_log = logging.getLogger(__name__)

#: Affines from px of an image to px of the crop, one for each face.
Locate = Callable[[NDArray[np.uint8]], list[NDArray[np.float32]]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "inputs",
        nargs="+",
        type=Path,
        metavar="IMAGE|FOLDER|LABELLED",
        help="images and folders of images: each is written with its maps; labelled faces (folders by class, npz, "
        "csv): the mean map of each emotion is written as one grid",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures (PNG)")
    parser.add_argument("--weights", default="rt", help="shipped name or safetensors file (default: rt)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    parser.add_argument(
        "--layer",
        choices=LAYERS,
        default=DEFAULT_LAYER,
        help=f"of stage 2; later ones are coarser (default: {DEFAULT_LAYER})",
    )
    parser.add_argument(
        "--method",
        choices=[m.value for m in Method],
        default=DEFAULT_METHOD.value,
        help="grad_cam as in the paper, or hires_cam, which weighs each place by itself (default: hires_cam)",
    )
    parser.add_argument(
        "--emotion", choices=EMOTION_NAMES, help="explain this one; default: the likeliest of each face"
    )
    parser.add_argument("--whole-image", action="store_true", help="the face fills the image: do not look for faces")
    parser.add_argument("--limit", type=int, default=100, help="faces of each emotion in the grid (default: 100)")


def run(args: argparse.Namespace) -> int:
    """The command."""
    if args.limit < 1:
        raise UserError(f"--limit: expected at least 1, got {args.limit}")
    for path in args.inputs:
        if not path.exists():
            raise UserError(f"expected an image, a folder or labelled faces at {path}, found nothing; check the path")
    recognizer = EmotionRecognizer.load(args.weights, device=args.device)
    explainer = CropExplainer(recognizer, args.layer, Method(args.method))
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out: expected a folder to write to, got {str(args.out)!r}: {error.strerror}") from error
    labelled = [p for p in args.inputs if _is_labelled(p)]
    images = [i for p in args.inputs if p not in labelled for i in _images_of(p)]
    emotion = None if args.emotion is None else EMOTION_NAMES.index(args.emotion)
    if images:
        locate = _fills_image if args.whole_image else _detecting(str(recognizer.device))
        _explain_images(explainer, images, locate, emotion, args.out)
    for path in labelled:
        _explain_labelled(explainer, path, args.limit, args.out / f"{path.stem}_mean_maps.png")
    return 0


def _is_labelled(path: Path) -> bool:
    return path.suffix.lower() in (".npz", ".csv") or (path.is_dir() and not _images_in(path))


def _images_in(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES)


def _images_of(path: Path) -> list[Path]:
    return _images_in(path) if path.is_dir() else [path]


def _explain_images(
    explainer: CropExplainer, images: Sequence[Path], locate: Locate, emotion: int | None, out: Path
) -> None:
    """Write ``out/<name>.png`` for every image with a face.

    Raises:
        UserError: there was none.
    """
    written: set[Path] = set()
    for path in images:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            _log.warning("skipped %s: not a picture OpenCV can decode", path)
            continue
        picture = enlarged(np.asarray(image, dtype=np.uint8))  # the words beneath need some room, too
        transforms = locate(picture)
        if not transforms:
            _log.warning("skipped %s: no face found; where the face fills the image, add --whole-image", path)
            continue
        crops = np.stack([warp_crop(picture, t) for t in transforms])
        asked = None if emotion is None else np.full(len(crops), emotion)
        explanation = explainer.explain(crops, asked)
        explained = explained_picture(picture, transforms, explanation.maps, explanation.probabilities)
        target, number = out / f"{path.stem}.png", 1
        while target in written:  # images of one name from several folders
            number += 1
            target = out / f"{path.stem}_{number}.png"
        if not cv2.imwrite(str(target), explained):
            raise UserError(f"--out: {target} could not be written; check rights and space")
        written.add(target)
        print(target)
    if not written:
        raise UserError(f"no face could be explained in {len(images)} images; see the lines above")


def _explain_labelled(explainer: CropExplainer, path: Path, limit: int, target: Path) -> None:
    faces = open_faces(path)
    indices = choose_per_emotion(faces, choose_split(faces, None), limit)
    means = mean_maps(explainer, faces, indices)
    broken = len(indices) - int(means.seen.sum())
    if broken == len(indices):
        raise UserError(f"{path}: none of {broken} images could be decoded")
    if broken:
        _log.warning("%s: skipped %d of %d images that do not decode", path, broken, len(indices))
    how = f"{explainer.grad_cam.method.value} of {explainer.grad_cam.layer}"
    title = f"Mean map of the faces recognised as labelled: {explainer.recognizer.model_name}, {path.name}, {how}"
    plot_mean_maps(target, means, title)
    print(target)


def _detecting(device: str) -> Locate:
    detector = FaceDetector(device=device)
    return lambda image: [crop_transform(d.keypoints_px) for d in detector.detect(image)]


def _fills_image(image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    return [box_transform(np.array([0, 0, image.shape[1], image.shape[0]]))]
