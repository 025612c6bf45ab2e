"""The recogniser: shapes and units at its boundary, one path for frames and crops, real faces."""

import numpy as np
import pytest
import torch

from emotional_dan_ros.core.alignment import TEMPLATE_PX, keypoints_from_landmarks
from emotional_dan_ros.core.detector import FaceDetector
from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.geometry import apply_affine
from emotional_dan_ros.core.labels import EMOTION_NAMES, Emotion, Valence
from emotional_dan_ros.core.perception import FacePipeline
from emotional_dan_ros.core.recognizer import EmotionRecognizer
from emotional_dan_ros.core.tracking import FaceTracker
from emotional_dan_ros.core.types import CROP_SIZE_PX, Face, FrameFaces
from emotional_dan_ros.model.config import ModelConfig
from emotional_dan_ros.model.network import EmotionalDAN
from emotional_dan_ros.model.weights import WeightsInfo


@pytest.fixture
def tiny():
    """Untrained recogniser; its emotion layer is replaced by constants so that the answer is known."""
    torch.manual_seed(0)
    config = ModelConfig(image_size=32, width=0.125, norm_order="bn_relu", heatmap_half_px=3)
    model = EmotionalDAN(config, torch.rand(68, 2) * 20 + 5)
    torch.nn.init.zeros_(model.stage2.emotion.weight)
    model.stage2.emotion.bias.data = torch.log(torch.tensor([0.1, 0.4, 0.1, 0.1, 0.1, 0.1, 0.1]))

    def make(**kwargs):
        info = WeightsInfo(name="tiny", model=config, **{k: v for k, v in kwargs.items() if k == "temperature"})
        rest = {k: v for k, v in kwargs.items() if k != "temperature"}
        return EmotionRecognizer(model, info, "cpu", **rest)

    return make


@pytest.fixture(scope="module")
def shipped():
    return EmotionRecognizer.load("rt", device="cpu")


def _face(track_id, affine=((1, 0, 0), (0, 1, 0)), value=0):
    rng = np.random.default_rng(value)
    return Face(
        track_id=track_id,
        score=1.0,
        box_xyxy=np.array([0, 0, 111, 111], np.float32),
        keypoints_px=TEMPLATE_PX,
        crop_from_source=np.array(affine, dtype=np.float32),
        crop=rng.integers(0, 256, (CROP_SIZE_PX, CROP_SIZE_PX), dtype=np.uint8),
    )


def test_probabilities_follow_temperature_and_prior_by_hand(tiny):
    crops = np.zeros((1, CROP_SIZE_PX, CROP_SIZE_PX), np.uint8)
    plain = tiny().predict_crops(crops).probabilities[0]
    assert plain == pytest.approx([0.1, 0.4, 0.1, 0.1, 0.1, 0.1, 0.1], abs=1e-6)
    # At temperature 2 the ratio 4 becomes its square root.
    soft = tiny(temperature=2.0).predict_crops(crops).probabilities[0]
    assert soft[1] / soft[0] == pytest.approx(2.0, rel=1e-5)
    # A prior of log 4 on fear lifts it level with happiness.
    lifted = tiny(log_prior=[0, 0, 0, 0, np.log(4), 0, 0]).predict_crops(crops).probabilities[0]
    assert lifted[4] == pytest.approx(lifted[1])
    assert lifted.sum() == pytest.approx(1.0)


def test_a_prior_ratio_multiplies_by_hand(tiny):
    crops = np.zeros((1, CROP_SIZE_PX, CROP_SIZE_PX), np.uint8)
    recognizer = tiny()
    recognizer.set_prior_ratio([1, 0.5, 1, 1, 3, 1, 1])
    # 0.1, 0.4 * 0.5, 0.1, 0.1, 0.1 * 3, 0.1, 0.1 sum to exactly 1.
    assert recognizer.predict_crops(crops).probabilities[0] == pytest.approx([0.1, 0.2, 0.1, 0.1, 0.3, 0.1, 0.1])
    recognizer.set_prior_ratio([1] * 7)
    assert recognizer.predict_crops(crops).probabilities[0] == pytest.approx([0.1, 0.4, 0.1, 0.1, 0.1, 0.1, 0.1])
    for wrong in ([1] * 6, [1, 1, 0, 1, 1, 1, 1], [1, 1, -1, 1, 1, 1, 1], [1, 1, float("inf"), 1, 1, 1, 1]):
        with pytest.raises(UserError, match="expected 7 positive numbers"):
            recognizer.set_prior_ratio(wrong)


def test_states_keep_order_ids_and_fold_into_three_classes(tiny):
    frame = FrameFaces(7, "cabin", (640, 480), (_face(3), _face(1, value=1)))
    result = tiny().recognize(frame)
    assert (result.stamp_ns, result.frame_id, result.image_wh, result.model_name) == (7, "cabin", (640, 480), "tiny")
    assert [s.track_id for s in result.states] == [3, 1]
    state = result.states[0]
    assert state.emotion is Emotion.HAPPINESS
    # neutral and surprise 0.2, happiness 0.4, the other four 0.4
    assert state.valence_probabilities == pytest.approx([0.2, 0.4, 0.4], abs=1e-6)
    swapped = tiny(valence_of=dict.fromkeys(Emotion, Valence.POSITIVE)).recognize(frame).states[0]
    assert swapped.valence_probabilities == pytest.approx([0, 1, 0], abs=1e-6)


def test_landmarks_are_in_source_px(tiny):
    affine = ((0.5, 0, -100), (0, 0.5, -50))  # crop px 0, 0 lies at source px 200, 100
    plain = tiny().recognize(FrameFaces(0, "", (640, 480), (_face(1),))).states[0].landmarks_px
    moved = tiny().recognize(FrameFaces(0, "", (640, 480), (_face(1, affine),))).states[0].landmarks_px
    assert moved == pytest.approx(plain * 2 + [200, 100], abs=1e-2)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_precision_is_what_was_asked_for(tiny, precision):
    recognizer = tiny(precision=precision)
    assert recognizer.precision == precision
    crops = np.stack([_face(1, value=k).crop for k in range(2)])
    # The mantissa of bfloat16 has 8 bits: not every logit can come out as in float32.
    same = np.array_equal(
        recognizer.predict_crops(crops).landmarks_px, tiny(precision="float32").predict_crops(crops)[0]
    )
    assert same == (precision == "float32")


def test_no_faces_is_an_ordinary_frame(tiny):
    assert tiny().recognize(FrameFaces(1, "", (64, 48))).states == ()
    assert tiny().predict_crops(np.zeros((0, 112, 112), np.uint8)).logits.shape == (0, 7)


def test_a_batch_equals_one_by_one(tiny):
    crops = np.stack([_face(1, value=k).crop for k in range(5)])
    recognizer = tiny(max_batch=2)
    whole = recognizer.predict_crops(crops)
    for k in range(5):
        one = recognizer.predict_crops(crops[k : k + 1])
        assert one.landmarks_px[0] == pytest.approx(whole.landmarks_px[k], abs=1e-3)


def test_what_does_not_fit_is_refused(tiny):
    with pytest.raises(ValueError, match="expected uint8 crops"):
        tiny().predict_crops(np.zeros((1, 100, 100), np.uint8))
    with pytest.raises(UserError, match="log_prior"):
        tiny(log_prior=[0, 1])
    with pytest.raises(UserError, match="num_threads"):
        EmotionRecognizer.load("rt", device="cpu", num_threads=0)
    with pytest.raises(UserError, match="precision: expected one of"):
        tiny(precision="half")
    config = ModelConfig(image_size=32, width=0.125, num_emotions=3)
    with pytest.raises(UserError, match="expected the classes"):
        EmotionRecognizer(EmotionalDAN(config), WeightsInfo("v", config, classes=("neutral", "positive", "negative")))
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="no CUDA device"):
            EmotionRecognizer.load("rt", device="cuda")


def test_shipped_weights_read_a_smiling_photograph(shipped, astronaut):
    assert shipped.info.classes == EMOTION_NAMES
    faces = FacePipeline(FaceDetector(), FaceTracker()).process(astronaut, 1, "camera")
    state = shipped.recognize(faces).states[0]
    assert state.emotion is Emotion.HAPPINESS
    assert state.confidence > 0.6
    assert state.valence is Valence.POSITIVE
    assert 0.5 < state.quality <= 1.0
    # Two independent networks agree on where the eyes, nose and mouth are.
    own = keypoints_from_landmarks(state.landmarks_px)
    assert np.abs(own - faces.faces[0].keypoints_px).max() < 0.15 * (own[1, 0] - own[0, 0])
    crop_px = apply_affine(state.landmarks_px, faces.faces[0].crop_from_source)
    assert (crop_px > -10).all()
    assert (crop_px < CROP_SIZE_PX + 10).all()
