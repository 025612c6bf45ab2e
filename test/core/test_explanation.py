"""Maps of the faces of a frame."""

from __future__ import annotations

import numpy as np
import pytest

from emotional_dan_ros.core.detector import FaceDetector
from emotional_dan_ros.core.explanation import CropExplainer
from emotional_dan_ros.core.labels import Emotion
from emotional_dan_ros.core.perception import FacePipeline
from emotional_dan_ros.core.recognizer import EmotionRecognizer
from emotional_dan_ros.core.tracking import FaceTracker
from emotional_dan_ros.core.types import FrameFaces


@pytest.fixture(scope="module")
def explainer() -> CropExplainer:
    return CropExplainer(EmotionRecognizer.load("rt", device="cpu"))


def test_a_smile_is_explained_where_it_is(explainer, astronaut):
    faces = FacePipeline(FaceDetector(), FaceTracker()).process(astronaut, 5, "camera")
    emotions = explainer.recognizer.recognize(faces)
    frame = explainer.explain_frame(faces, emotions)
    assert (frame.stamp_ns, frame.frame_id, frame.image_wh) == (5, "camera", faces.image_wh)
    assert frame.model_name == "rt"
    (face,) = frame.maps
    assert (face.track_id, face.emotion) == (faces.faces[0].track_id, Emotion.HAPPINESS)
    assert (face.map_from_source == faces.faces[0].crop_from_source).all()
    assert (face.heat.dtype, face.heat.shape) == (np.uint8, (112, 112))
    assert face.heat.max() > 150
    # Another emotion has another map.
    other = explainer.explain(faces.faces[0].crop[None], np.array([Emotion.ANGER])).maps[0]
    assert np.abs(face.heat / 255.0 - other).max() > 0.3


def test_no_faces_no_maps(explainer):
    faces = FrameFaces(1, "camera", (64, 48))
    assert explainer.explain_frame(faces, explainer.recognizer.recognize(faces)).maps == ()
