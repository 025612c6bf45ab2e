"""Exported networks answer as ours does, for any batch size."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from emotional_dan_ros import cli
from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.model import export as exporting
from emotional_dan_ros.model.config import ModelConfig, NormOrder
from emotional_dan_ros.model.network import EmotionalDAN
from emotional_dan_ros.model.weights import WeightsInfo, load_weights, save_weights

TEMPERATURE = 1.7
PRIOR = (0.0, 0.1, -0.2, 0.3, 0.0, -0.5, 0.2)
CONFIG = ModelConfig(image_size=32, width=0.05, feature_width=16, norm_order=NormOrder.BN_RELU, heatmap_half_px=4)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny network whose stage 1 moves the landmarks by some px."""
    torch.manual_seed(5)
    model = EmotionalDAN(CONFIG, 8 + 16 * torch.rand(68, 2))
    torch.nn.init.normal_(model.stage1.landmarks.weight, std=0.5)
    torch.nn.init.normal_(model.stage2.landmarks.weight, std=0.2)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(path, model, WeightsInfo("tiny", CONFIG, temperature=TEMPERATURE, log_prior=PRIOR), half=False)
    return path


@pytest.mark.parametrize("suffix", [".ts", ".pt2", ".onnx"])
def test_agrees_for_any_batch_size(weights: Path, suffix: str, tmp_path: Path) -> None:
    if suffix == ".onnx":
        for package in ("onnx", "onnxscript", "onnxruntime"):
            pytest.importorskip(package, reason=f"{package} is not installed (the extra 'export')")
    out = tmp_path / f"tiny{suffix}"
    assert cli.main(["export", str(weights), str(out)]) == 0
    runner = exporting.load_exported(out)
    assert runner is not None
    model, _ = load_weights(weights)
    for count in (1, 2, 7):
        crops = np.random.default_rng(count).random((count, 1, 32, 32), dtype=np.float32)
        got = runner(torch.from_numpy(crops.copy()))
        # The oracle standardises and calibrates in NumPy, on the network of the weights.
        standard = (crops - crops.mean((1, 2, 3), keepdims=True)) / crops.std((1, 2, 3), keepdims=True)
        with torch.inference_mode():
            landmarks, logits = (t.numpy() for t in model(torch.from_numpy(standard))[1:])
        scaled = np.exp(logits / TEMPERATURE + np.array(PRIOR, np.float32))
        np.testing.assert_allclose(got.landmarks.detach(), landmarks, rtol=0, atol=1e-4)
        np.testing.assert_allclose(got.logits.detach(), logits, rtol=0, atol=1e-4)
        np.testing.assert_allclose(got.probabilities.detach(), scaled / scaled.sum(1, keepdims=True), rtol=0, atol=1e-5)


def test_onnx_carries_its_metadata(weights: Path, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed (the extra 'export')")
    pytest.importorskip("onnxscript", reason="onnxscript is not installed (the extra 'export')")
    assert cli.main(["export", str(weights), str(tmp_path / "tiny.onnx")]) == 0
    stored = {p.key: p.value for p in onnx.load(tmp_path / "tiny.onnx").metadata_props}
    assert json.loads(stored["classes"])[1] == "happiness"
    assert ModelConfig.from_dict(json.loads(stored["model"])) == CONFIG


def test_a_network_that_differs_is_not_written(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(exporting, "compare", lambda network, path: 0.01)
    assert cli.main(["export", str(weights), str(tmp_path / "tiny.ts")]) == 1
    assert "differs by 0.01" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_nan_is_a_difference(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "compare", lambda network, path: float("nan"))
    with pytest.raises(UserError, match="differs"):
        exporting.export(*load_weights(weights), tmp_path / "tiny.ts")


def test_other_suffix(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["export", str(weights), str(tmp_path / "tiny.tflite")]) == 1
    error = capsys.readouterr().err
    assert ".onnx, .pt2, .ts" in error
    assert error.count("\n") == 1


def test_onnx_without_its_packages(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    with pytest.raises(UserError, match=r"emotional_dan_ros\[export\]"):
        exporting.export(*load_weights(weights), tmp_path / "tiny.onnx")
