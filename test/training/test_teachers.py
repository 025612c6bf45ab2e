"""Networks that teach: ours and those of an ONNX file."""

import sys

import numpy as np
import pytest
import torch

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.model.config import ModelConfig
from emotional_dan_ros.model.export import export
from emotional_dan_ros.model.network import EmotionalDAN
from emotional_dan_ros.model.weights import WeightsInfo, save_weights
from emotional_dan_ros.training.teachers import load_teacher

onnx = pytest.importorskip("onnx", reason="needs the extra 'export'")
pytest.importorskip("onnxruntime", reason="needs the extra 'export'")

CPU = torch.device("cpu")
#: One weight of a linear classifier for each pixel of a 4 px crop and each class.
LINEAR = np.linspace(-1, 1, 16 * 7, dtype=np.float32).reshape(16, 7)


def write_linear(path, input_shape=("N", 1, 4, 4), classes=7, outputs=("logits",), dtype=onnx.TensorProto.FLOAT):
    """An ONNX file that flattens its input and multiplies it by `LINEAR`; the first output is twice that."""
    make = onnx.helper
    nodes = [
        make.make_node("Cast", ["crops"], ["cast"], to=onnx.TensorProto.FLOAT),
        make.make_node("Flatten", ["cast"], ["flat"]),
    ]
    graph_outputs = []
    for index, name in enumerate(reversed(outputs)):
        nodes.append(make.make_node("MatMul", ["flat", f"weight{index}"], [name]))
        graph_outputs.append(make.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [input_shape[0], classes]))
    columns = np.resize(LINEAR.T, (classes, 16)).T.copy()
    weights = [
        onnx.numpy_helper.from_array(columns * np.float32(index + 1), f"weight{index}") for index in range(len(outputs))
    ]
    image = make.make_tensor_value_info("crops", dtype, list(input_shape))
    graph = make.make_graph(nodes, "linear", [image], graph_outputs[::-1], weights)
    onnx.save(make.make_model(graph, opset_imports=[make.make_opsetid("", 18)], ir_version=9), path)
    return path


def test_probabilities_of_an_onnx_file_are_the_softmax_of_its_logits(tmp_path):
    teacher = load_teacher(str(write_linear(tmp_path / "linear.onnx")), CPU)
    assert teacher.image_size == 4
    crops = torch.rand(3, 1, 4, 4)
    odds = np.exp(crops.numpy().reshape(3, 16) @ LINEAR)
    assert np.allclose(teacher(crops), odds / odds.sum(axis=1, keepdims=True), atol=1e-6)


def test_of_several_outputs_the_one_named_logits_is_taken(tmp_path):
    path = write_linear(tmp_path / "two.onnx", outputs=("probabilities", "logits"))
    alone = write_linear(tmp_path / "one.onnx")
    crops = torch.rand(2, 1, 4, 4)
    assert torch.allclose(load_teacher(str(path), CPU)(crops), load_teacher(str(alone), CPU)(crops))


def test_an_exported_network_teaches_what_its_weights_teach(tmp_path):
    torch.manual_seed(0)
    model = EmotionalDAN(ModelConfig(image_size=32, width=0.125, heatmap_half_px=3)).eval()
    model.mean_shape.copy_(torch.rand(68, 2) * 32)
    torch.nn.init.normal_(model.stage2.emotion.weight)
    # Calibration is of the weights' use, not of what they teach.
    info = WeightsInfo(name="t", model=model.config, temperature=0.5, log_prior=(0.0, 1.0, 0.0, 0.0, -1.0, 0.0, 0.0))
    save_weights(tmp_path / "t.safetensors", model, info)
    export(model, info, tmp_path / "t.onnx")
    crops = torch.rand(5, 1, 32, 32)
    ours = load_teacher(str(tmp_path / "t.safetensors"), CPU)
    exported = load_teacher(str(tmp_path / "t.onnx"), CPU)
    assert ours.image_size == exported.image_size == 32
    assert ours(crops).std(dim=0).max() > 1e-3
    # Weights are kept in half precision.
    assert torch.allclose(ours(crops), exported(crops), atol=5e-3)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: None, "expected an ONNX file at .*, found none"),
        (lambda p: p.write_bytes(b"no network"), "could not be read as ONNX"),
        (lambda p: write_linear(p, outputs=("a", "b")), "expected an output named 'logits', got a, b"),
        (lambda p: write_linear(p, input_shape=(1, 1, 4, 4)), "N left open"),
        (lambda p: write_linear(p, input_shape=("N", 16)), r"one float32 input of shape \(N, 1, S, S\)"),
        (lambda p: write_linear(p, dtype=onnx.TensorProto.DOUBLE), r"one float32 input .*got tensor\(double\)"),
        (lambda p: write_linear(p, classes=8), r"expected logits of shape \(N, 7\) for neutral, happiness"),
    ],
)
def test_a_file_that_cannot_teach_is_refused_in_one_line(tmp_path, make, says):
    make(tmp_path / "teacher.onnx")
    with pytest.raises(UserError, match=says) as refusal:
        load_teacher(str(tmp_path / "teacher.onnx"), CPU)
    assert "\n" not in str(refusal.value)


def test_without_onnxruntime_the_extra_is_named(tmp_path, monkeypatch):
    write_linear(tmp_path / "teacher.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match="extra 'export'"):
        load_teacher(str(tmp_path / "teacher.onnx"), CPU)


def test_weights_of_other_classes_are_refused(tmp_path):
    model = EmotionalDAN(ModelConfig(image_size=32, width=0.125, heatmap_half_px=3, num_emotions=3))
    path = tmp_path / "three.safetensors"
    info = WeightsInfo(
        name="three", model=model.config, log_prior=(0.0,) * 3, classes=("neutral", "positive", "negative")
    )
    save_weights(path, model, info)
    with pytest.raises(UserError, match=r"expected the classes neutral, happiness, .* got neutral, positive, negative"):
        load_teacher(str(path), CPU)
