"""The evaluate and annotate commands: figures that add up, files that are whole, errors in one line."""

import json

import numpy as np
import pytest

from emotional_dan_ros.cli import main
from emotional_dan_ros.core.recognizer import EmotionRecognizer
from emotional_dan_ros.model.config import ModelConfig
from emotional_dan_ros.model.network import EmotionalDAN
from emotional_dan_ros.model.weights import WeightsInfo, save_weights
from emotional_dan_ros.training.npz_sources import read_npz
from emotional_dan_ros.training.predictions import Alignment, predict


@pytest.fixture
def weights(tmp_path):
    """Untrained weights of a tiny network whose mean shape is a plausible face."""
    import torch

    torch.manual_seed(0)
    config = ModelConfig(image_size=32, width=0.125, norm_order="bn_relu", heatmap_half_px=3)
    shape = torch.rand(68, 2) * 14 + 9
    shape[36:42] = torch.tensor([11.0, 12.0])
    shape[42:48] = torch.tensor([21.0, 12.0])
    path = tmp_path / "tiny.safetensors"
    save_weights(path, EmotionalDAN(config, shape), WeightsInfo(name="tiny", model=config, temperature=1.5))
    return path


def test_figures_agree_with_the_predictions(weights, write_faces, tmp_path, capsys):
    data = write_faces(60, validation=21)
    out = tmp_path / "out"
    args = ["evaluate", "--data", str(data), "--weights", str(weights), "--device", "cpu"]
    code = main([*args, "--json", str(out / "r.json"), "--out", str(out)])
    assert code == 0
    figures = json.loads((out / "r.json").read_text())
    faces = read_npz(data)
    chosen = np.flatnonzero(faces.usage == 1)
    found = predict(EmotionRecognizer.load(weights, device="cpu"), faces, chosen)
    right = found.probabilities.argmax(axis=1) == faces.emotion[chosen]
    assert figures["faces"] == 21
    assert figures["accuracy"] == pytest.approx(right.mean())
    assert np.array(figures["confusion"]).sum() == 21
    assert figures["landmarks"]["faces"] == 21
    assert 0 <= figures["ece"] <= 1
    assert set(figures["three_class"]["recall"]) == {"neutral", "positive", "negative"}
    assert {"confusion.png", "confusion_three_class.png", "reliability.png"} <= {p.name for p in out.iterdir()}
    assert not list(out.glob("*.partial"))
    assert f"accuracy {right.mean():.4f}" in capsys.readouterr().out


def test_votes_are_measured_too(weights, write_faces, tmp_path):
    data = write_faces(40, validation=14)
    votes = np.zeros((40, 10), dtype=np.uint8)
    votes[:, 2] = 10
    np.savez(tmp_path / "votes.npz", votes=votes)
    args = ["evaluate", "--data", str(data), "--weights", str(weights), "--device", "cpu"]
    assert main([*args, "--votes", str(tmp_path / "votes.npz"), "--json", str(tmp_path / "r.json")]) == 0
    crowd = json.loads((tmp_path / "r.json").read_text())["ferplus"]
    assert crowd["faces"] == 14
    assert crowd["accuracy"] == pytest.approx(crowd["recall"]["sadness"])


def test_without_landmarks_the_face_is_aligned_by_what_the_network_finds(weights, write_faces):
    faces = read_npz(write_faces(20, landmarks_valid=np.zeros(20, dtype=bool)))
    recognizer = EmotionRecognizer.load(weights, device="cpu")
    box = predict(recognizer, faces, np.arange(20), Alignment.BOX)
    refined = predict(recognizer, faces, np.arange(20), Alignment.LANDMARKS)
    assert np.isfinite(refined.landmarks_px).all()
    assert not np.allclose(box.logits, refined.logits)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--usage", "7"], "--usage: expected one of [0, 1], got 7"),
        (["--weights", "nothing"], "found no file"),
        (["--device", "tpu"], "expected auto, cpu or cuda"),
        (["--votes", "none.npz"], "expected FER+ votes"),
        (["--json", "/proc/none/x.json"], ""),
    ],
)
def test_user_errors_are_one_line_and_code_1(weights, write_faces, capsys, args, says):
    data = write_faces(20)
    base = ["evaluate", "--data", str(data), "--weights", str(weights), "--device", "cpu"]
    assert main(base + args) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("emotional-dan: ")
    assert says in error


def test_annotate_writes_landmarks_that_train_can_use(weights, write_faces, tmp_path):
    data = write_faces(20, landmarks_valid=np.zeros(20, dtype=bool))
    out = tmp_path / "marks.npz"
    assert main(["annotate", str(data), str(out), "--weights", str(weights), "--device", "cpu"]) == 0
    with np.load(out) as archive:
        assert archive["landmarks"].shape == (20, 68, 2)
        assert archive["landmarks_valid"].all()
