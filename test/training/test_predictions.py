"""Photographs that show more than a face: the largest one is found and aligned as in the vehicle."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from emotional_dan_ros.cli import main
from emotional_dan_ros.core.detector import FaceDetector
from emotional_dan_ros.core.recognizer import EmotionRecognizer
from emotional_dan_ros.core.sample import sample_frame
from emotional_dan_ros.training.face_finding import MIN_SIDE_PX, LargestFace, enlarged
from emotional_dan_ros.training.file_sources import read_folders
from emotional_dan_ros.training.predictions import Alignment, predict


@pytest.fixture(scope="module")
def recognizer() -> EmotionRecognizer:
    return EmotionRecognizer.load("rt", device="cpu")


@pytest.fixture
def photographs(tmp_path) -> Path:
    """A cabin with two passengers, and a wall; both are said to show happiness."""
    folder = tmp_path / "photographs" / "happiness"
    folder.mkdir(parents=True)
    assert cv2.imwrite(str(folder / "cabin.png"), sample_frame(0))
    assert cv2.imwrite(str(folder / "wall.png"), np.full((240, 320, 3), 128, np.uint8))
    return folder.parent


def largest_box() -> np.ndarray:
    boxes = np.stack([face.box_xyxy for face in FaceDetector(device="cpu").detect(sample_frame(0))])
    return boxes[(boxes[:, 2:] - boxes[:, :2]).prod(axis=1).argmax()]


def inside(points: np.ndarray, box: np.ndarray) -> np.ndarray:
    return ((points >= box[:2]) & (points <= box[2:])).all(axis=1)


def test_landmarks_lie_in_the_largest_face(recognizer, photographs):
    faces = read_folders(photographs)
    found = predict(recognizer, faces, np.arange(2), Alignment.DETECTED)
    cabin = next(i for i in range(2) if "cabin" in faces.name(i))
    features = slice(17, 68)  # all but the jaw, which may lie just outside
    assert inside(found.landmarks_px[cabin, features], largest_box()).all()
    whole = predict(recognizer, faces, np.arange(2), Alignment.REFINED)
    assert inside(whole.landmarks_px[cabin, features], largest_box()).mean() < 0.5  # what the detector is there for


def test_images_without_a_face_are_named_and_taken_whole(recognizer, photographs):
    faces = read_folders(photographs)
    found = predict(recognizer, faces, np.arange(2), Alignment.DETECTED)
    assert [faces.name(i) for i in found.undetected] == ["happiness/wall.png"]
    whole = predict(recognizer, faces, np.array(found.undetected), Alignment.REFINED)
    np.testing.assert_allclose(found.logits[list(found.indices).index(found.undetected[0])], whole.logits[0], atol=1e-3)


def test_a_small_image_is_enlarged_and_answered_in_its_own_pixels():
    x0, y0, x1, y1 = np.round(largest_box()).astype(int)
    pad = (x1 - x0) // 4
    face = cv2.cvtColor(sample_frame(0)[y0 - pad : y1 + pad, x0 - pad : x1 + pad], cv2.COLOR_BGR2GRAY)
    small = cv2.resize(face, (64, round(64 * face.shape[0] / face.shape[1])), interpolation=cv2.INTER_AREA)
    assert min(enlarged(small).shape) == MIN_SIDE_PX
    finder = LargestFace()
    of_face, of_small = finder.crop_transform(face), finder.crop_transform(small)
    assert of_face is not None
    assert of_small is not None
    factor = face.shape[1] / 64
    centre = np.array([face.shape[1] / 2, face.shape[0] / 2])
    at_face = of_face[:, :2] @ centre + of_face[:, 2]
    at_small = of_small[:, :2] @ (centre / factor) + of_small[:, 2]
    np.testing.assert_allclose(at_small, at_face, atol=4.0)  # px of the crop's 112
    np.testing.assert_allclose(of_small[:, :2] / factor, of_face[:, :2], atol=0.06 * np.abs(of_face[:, :2]).max())


def test_a_strip_is_not_enlarged_without_a_bound():
    assert enlarged(np.zeros((2, 4000), np.uint8)).shape == (2, 4096)
    assert enlarged(np.zeros((2, 9000), np.uint8)).shape == (2, 9000)


def test_the_commands(photographs, tmp_path, caplog):
    data = ["--data", str(photographs), "--device", "cpu"]
    assert main(["evaluate", *data, "--align", "detected"]) == 0
    assert "no face found in 1 of 2 images, which are taken whole: happiness/wall.png" in caplog.text
    marks = tmp_path / "marks.npz"
    assert main(["annotate", str(photographs), str(marks), "--align", "detected", "--device", "cpu"]) == 0
    with np.load(marks) as archive:
        valid = dict(zip(archive["name"].tolist(), archive["landmarks_valid"].tolist(), strict=True))
    assert valid == {"happiness/cabin.png": True, "happiness/wall.png": False}
