"""What ships stays what it is: the recogniser against the plain float32 network, on real faces.

The bounds are the contract (docs/performance.md): landmarks within 0.5 px of the crop, probabilities within 0.02.
"""

import cv2
import numpy as np
import pytest
import torch

from emotional_dan_ros.core.alignment import crop_transform, keypoints_from_landmarks, warp_crop
from emotional_dan_ros.core.detector import FaceDetector
from emotional_dan_ros.core.inference import choose_dtype
from emotional_dan_ros.core.perception import FacePipeline
from emotional_dan_ros.core.recognizer import EmotionRecognizer
from emotional_dan_ros.core.sample import sample_frame
from emotional_dan_ros.core.tracking import FaceTracker
from emotional_dan_ros.model.preprocess import prepare_crops
from emotional_dan_ros.model.weights import load_weights

LANDMARKS_PX = 0.5
PROBABILITY = 0.02
#: Every so many faces of FER2013's validation split.
EVERY = 10


@pytest.fixture(scope="module", params=["auto", "bfloat16", "float32"])
def recognizer(request):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if request.param == "bfloat16" and choose_dtype("auto", device) is torch.bfloat16:
        pytest.skip("auto is bfloat16 here, which is tested")
    return EmotionRecognizer.load("rt", device=str(device), precision=request.param)


@pytest.fixture(scope="module")
def validation_crops(data_dir):
    faces = np.load(data_dir / "fer2013.npz")
    chosen = np.flatnonzero((faces["usage"] == 1) & faces["landmarks_valid"])[::EVERY]
    blob, offset, landmarks = faces["webp"], faces["offset"], faces["landmarks"]
    crops = []
    for index in chosen:
        image = cv2.imdecode(blob[offset[index] : offset[index + 1]], cv2.IMREAD_GRAYSCALE)
        keypoints = keypoints_from_landmarks(landmarks[index].astype(np.float32))
        crops.append(warp_crop(image, crop_transform(keypoints)))
    return np.stack(crops)


@pytest.fixture(scope="module")
def sample_crops():
    pytest.importorskip("skimage", reason="scikit-image, which brings the photograph, is not installed")
    pipeline = FacePipeline(FaceDetector(), FaceTracker())
    found = [pipeline.process(sample_frame(index), index * 10**8, "camera") for index in (0, 20, 40)]
    return np.stack([face.crop for frame in found for face in frame.faces])


@pytest.fixture(scope="module")
def plain_validation(validation_crops):
    return _plain(validation_crops)


@pytest.fixture(scope="module")
def plain_sample(sample_crops):
    return _plain(sample_crops)


def _plain(crops):
    """Landmarks in px of the crop and probabilities by the network as it is trained, in float32."""
    model, info = load_weights("rt")
    size = info.model.image_size
    landmarks, probabilities = [], []
    with torch.inference_mode():
        for part in torch.from_numpy(crops).split(32):
            output = model(prepare_crops(part, size))
            landmarks.append((output.landmarks + 0.5) * (112 / size) - 0.5)
            probabilities.append(torch.softmax(output.logits / info.temperature + torch.tensor(info.log_prior), dim=1))
    return torch.cat(landmarks).numpy(), torch.cat(probabilities).numpy()


def _check(recognizer, crops, plain):
    landmarks, probabilities = plain
    result = recognizer.predict_crops(crops)
    assert np.linalg.norm(result.landmarks_px - landmarks, axis=2).max() < LANDMARKS_PX
    assert np.abs(result.probabilities - probabilities).max() < PROBABILITY
    # The bounds would be worth little if faces, or their emotions, were all alike.
    assert np.ptp(probabilities, axis=0).max() > 0.5 or len(crops) < 10
    assert result.probabilities.sum(axis=1) == pytest.approx(np.ones(len(crops)), abs=1e-5)


def test_on_validation_faces(recognizer, validation_crops, plain_validation):
    _check(recognizer, validation_crops, plain_validation)


def test_on_the_built_in_sample(recognizer, sample_crops, plain_sample):
    assert len(sample_crops) >= 3
    _check(recognizer, sample_crops, plain_sample)


def test_a_face_among_others_is_what_it_is_alone(recognizer, sample_crops):
    crops = sample_crops[:3]
    together = recognizer.predict_crops(crops)
    for k in range(3):
        alone = recognizer.predict_crops(crops[k : k + 1])
        assert np.abs(alone.landmarks_px[0] - together.landmarks_px[k]).max() < LANDMARKS_PX / 2
        assert np.abs(alone.probabilities[0] - together.probabilities[k]).max() < PROBABILITY / 2
