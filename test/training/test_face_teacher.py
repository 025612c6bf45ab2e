"""The script that makes a teacher of a network that knows faces."""

import importlib.util
import itertools
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import yaml

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.training.teachers import load_teacher

pytest.importorskip("onnxscript", reason="needs the extra 'export'")
pytest.importorskip("onnxruntime", reason="needs the extra 'export'")

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "face_teacher.py"


@pytest.fixture(scope="module")
def script():
    if not SCRIPT.is_file():
        pytest.skip(f"{SCRIPT} is part of the repository alone")
    spec = importlib.util.spec_from_file_location("face_teacher", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def backbone(tmp_path):
    """A TensorFlow.js model of MobileNet's layers with seeded random tensors."""
    rng = np.random.default_rng(0)
    channels = [32, 64, 128, 128, 256, 256, *[512] * 6, 1024, 1024]
    tensors = {"conv1/convolution/merged_input": (3, 3, 3, 32), "conv1_bn/batchnorm_1/sub": (32,)}
    for i, (before, after) in enumerate(itertools.pairwise(channels), 1):
        tensors[f"conv_dw_{i}/depthwise_kernel"] = (3, 3, before, 1)
        tensors[f"conv_dw_{i}_bn/batchnorm_1/mul"] = (before,)
        tensors[f"conv_dw_{i}_bn/batchnorm_1/sub"] = (before,)
        tensors[f"conv_pw_{i}/convolution/merged_input"] = (1, 1, before, after)
        tensors[f"conv_pw_{i}_bn/batchnorm_1/sub"] = (after,)
    blob, entries = [], [{"name": "axes", "shape": [2], "dtype": "int32"}]
    blob.append(np.array([1, 2], np.int32).tobytes())
    for name, shape in tensors.items():
        inputs = 9 if "depthwise" in name else int(np.prod(shape[:-1]))
        values = rng.normal(0, (2 / inputs) ** 0.5, shape) if len(shape) > 1 else rng.uniform(0.5, 1, shape)
        blob.append(values.astype(np.float32).tobytes())
        entries.append({"name": name, "shape": list(shape), "dtype": "float32"})
    (tmp_path / "net.bin").write_bytes(b"".join(blob))
    path = tmp_path / "net.json"
    path.write_text(json.dumps({"weightsManifest": [{"paths": ["net.bin"], "weights": entries}]}))
    return path


def test_batch_norms_that_come_back_change_nothing(script, backbone):
    tensors = script.read_tfjs(backbone)
    network = script.MobileNet(tensors)
    images = torch.randn(6, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    network.calibrate(images)
    # The first two blocks by TensorFlow's rules: padding at the end alone where maps are halved.
    x = F.pad(images * 55.0 + (110.0 - torch.tensor([103.939, 116.779, 123.68]).reshape(1, 3, 1, 1)), (0, 1, 0, 1))
    x = F.conv2d(x, tensors["conv1/convolution/merged_input"].permute(3, 2, 0, 1), stride=2)
    x = F.relu6(x + tensors["conv1_bn/batchnorm_1/sub"].reshape(1, -1, 1, 1))
    x = F.conv2d(x, tensors["conv_dw_1/depthwise_kernel"].permute(2, 3, 0, 1), padding=1, groups=32)
    factor, bias = (tensors[f"conv_dw_1_bn/batchnorm_1/{name}"].reshape(1, -1, 1, 1) for name in ("mul", "sub"))
    expected = F.relu6(x * factor + bias)
    with torch.no_grad():
        found = network.body[:2](images * 55.0 + network.shift)
    assert expected.std() > 0.1
    assert torch.allclose(found, expected, atol=1e-3)


def test_another_model_is_refused_in_one_line(script, tmp_path):
    with pytest.raises(UserError, match=r"expected a TensorFlow.js model with its \.bin beside it"):
        script.read_tfjs(tmp_path / "nowhere.json")
    other = tmp_path / "other.json"
    entry = {"name": "dense/kernel", "shape": [1], "dtype": "float32"}
    other.write_text(json.dumps({"weightsManifest": [{"paths": ["other.bin"], "weights": [entry]}]}))
    (tmp_path / "other.bin").write_bytes(bytes(4))
    with pytest.raises(UserError, match=r"expected the layers of MobileNet v1 .*, got dense/kernel"):
        script.read_tfjs(other)


def test_a_teacher_is_trained_taken_up_again_and_written(script, backbone, write_faces, tmp_path, monkeypatch):
    config = tmp_path / "config.yaml"
    source = {"path": str(write_faces(140))}
    config.write_text(yaml.safe_dump({"train": [source], "validation": source}))
    monkeypatch.setattr(script, "IMAGE_SIZE", 32)
    out = tmp_path / "teacher" / "teacher.onnx"

    def run(epochs):
        monkeypatch.setattr(sys, "argv", ["face_teacher", str(backbone), str(config), str(out), f"--epochs={epochs}"])
        assert script.main() == 0
        return torch.load(out.parent / "checkpoint.pt", weights_only=True)

    first = run(1)
    second = run(2)
    assert (first["step"], second["step"]) == (2, 4)
    frozen, learnt = "body.0.conv.weight", "body.20.conv.weight"
    assert torch.equal(first["network"][frozen], second["network"][frozen])
    assert not torch.equal(first["network"][learnt], second["network"][learnt])
    answers = load_teacher(str(out), torch.device("cpu"))(torch.rand(3, 1, 32, 32))
    assert torch.allclose(answers.sum(dim=1), torch.ones(3), atol=1e-5)
    assert answers.std(dim=0).max() > 1e-4
