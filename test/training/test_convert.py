"""Checkpoints of the published code become weights; damaged ones are told in one line."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from emotional_dan_ros import cli
from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.labels import VALENCE_NAMES
from emotional_dan_ros.model.weights import load_weights
from emotional_dan_ros.training.convert import convert
from emotional_dan_ros.training.convert_sources import read_checkpoint, read_mean_shape

Variables = dict[str, NDArray[np.float32]]
RECORDED = Path(__file__).parents[1] / "model" / "data" / "published_graph_48px.npz"
CHANNELS = (8, 16, 32, 64)  # an eighth of the published width, so that a test is quick


def published_shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the published graph, as TensorFlow listed them at 48 px."""
    with np.load(RECORDED, allow_pickle=False) as archive:
        about = json.loads(str(archive["about"]))
    return {name: tuple(shape) for name, shape in about["variables"].items()}


def slim(shape: tuple[int, ...], name: str) -> tuple[int, ...]:
    """Shape at an eighth of the width; what hangs on fc1, the image or the classes stays."""
    if len(shape) == 4:
        return (3, 3, shape[2] if shape[2] in (1, 3) else shape[2] // 8, shape[3] // 8)
    if shape == (4608, 256):
        return (576, 256)
    wide = len(shape) == 1 and shape[0] >= 64 and "dense" not in name and "Fc1" not in name
    return (shape[0] // 8,) if wide and not name.endswith(tuple(FC1_NORM)) else shape


FC1_NORM = [f"Stage2/batch_normalization_9/{p}:0" for p in ("gamma", "beta", "moving_mean", "moving_variance")]


@pytest.fixture
def variables() -> Variables:
    rng = np.random.default_rng(3)
    shapes = {name: slim(shape, name) for name, shape in published_shapes().items()}
    return {name: rng.uniform(0.1, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.fixture
def mean_shape() -> NDArray[np.float32]:
    return np.random.default_rng(4).uniform(12, 36, (68, 2)).astype(np.float32)


def test_convolutions_are_transposed(variables: Variables, mean_shape: NDArray[np.float32]) -> None:
    state = convert(variables, mean_shape).state_dict()
    kernel = variables["Stage2/conv2d_3/kernel:0"]
    ours = state["stage2.trunk.blocks.1.1.0.weight"]
    assert ours.shape == (16, 16, 3, 3)
    assert ours[5, 7, 2, 0] == kernel[2, 0, 7, 5]


def test_dense_kernels_after_flattening_are_reordered(variables: Variables, mean_shape: NDArray[np.float32]) -> None:
    state = convert(variables, mean_shape).state_dict()
    kernel = variables["Stage1/dense/kernel:0"]
    row, column, channel, unit = 2, 1, 40, 17
    ours = state["stage1.trunk.fc1.0.weight"][unit, channel * 9 + row * 3 + column]
    assert ours == kernel[(row * 3 + column) * 64 + channel, unit]


def test_configuration_is_read_off_the_shapes(variables: Variables, mean_shape: NDArray[np.float32]) -> None:
    model = convert(variables, mean_shape)
    assert (model.config.image_size, model.config.width, model.config.num_emotions) == (48, 0.125, 7)
    assert model.config.channels == CHANNELS
    torch.testing.assert_close(model.mean_shape, torch.from_numpy(mean_shape))


def test_command_writes_weights_that_load(
    variables: Variables, mean_shape: NDArray[np.float32], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "old.npz", MeanShape=mean_shape.reshape(-1), **variables)
    assert cli.main(["convert", str(tmp_path / "old.npz"), str(tmp_path / "new.safetensors")]) == 0
    assert "48 px, 7 classes" in capsys.readouterr().out
    model, info = load_weights(tmp_path / "new.safetensors")
    assert info.name == "new"
    for name, value in convert(variables, mean_shape).state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name


def test_three_classes(variables: Variables, mean_shape: NDArray[np.float32], tmp_path: Path) -> None:
    for part in ("kernel", "bias"):
        variables[f"Stage2/dense_3/{part}:0"] = variables[f"Stage2/dense_3/{part}:0"][..., :3]
    np.savez(tmp_path / "old.npz", MeanShape=mean_shape, **variables)
    assert cli.main(["convert", str(tmp_path / "old.npz"), str(tmp_path / "new.safetensors")]) == 0
    _, info = load_weights(tmp_path / "new.safetensors")
    assert info.classes == VALENCE_NAMES


def test_optimiser_slots_are_ignored(variables: Variables, mean_shape: NDArray[np.float32]) -> None:
    plain = convert(variables, mean_shape).state_dict()
    extra = {"Stage1/Stage1/conv2d/kernel/Adam:0": np.ones(3, np.float32), "Variable:0": np.array(7)}
    assert all(torch.equal(v, plain[k]) for k, v in convert({**variables, **extra}, mean_shape).state_dict().items())


def test_mean_shape_from_a_file_with_a_key(tmp_path: Path) -> None:
    rows = np.arange(2 * 136, dtype=np.float32).reshape(2, 136)
    np.savez(tmp_path / "set.npz", MeanShape=rows[1], Landmark=rows)
    np.save(tmp_path / "one.npy", rows[1].reshape(68, 2))
    assert read_mean_shape(f"{tmp_path}/set.npz").tolist() == rows[1].tolist()
    assert read_mean_shape(f"{tmp_path}/set.npz:Landmark").tolist() == rows[0].tolist()
    assert read_mean_shape(f"{tmp_path}/one.npy").tolist() == rows[1].tolist()


class TestBadInput:
    """Each is one line, and nothing is written."""

    def refused(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
        out = tmp_path / "out.safetensors"
        assert cli.main(["convert", *arguments, str(out)]) == 1
        assert not out.exists()
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1
        return lines[0]

    def test_no_mean_shape(self, variables: Variables, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        np.savez(tmp_path / "old.npz", **variables)
        assert "--mean-shape" in self.refused(tmp_path, capsys, str(tmp_path / "old.npz"))

    @pytest.mark.parametrize("name", ["old.npz", "model"])
    def test_no_file(self, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert name in self.refused(tmp_path, capsys, str(tmp_path / name))

    def test_truncated(self, variables: Variables, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        np.savez(tmp_path / "old.npz", **variables)
        data = (tmp_path / "old.npz").read_bytes()
        (tmp_path / "old.npz").write_bytes(data[: len(data) // 2])
        assert "whole" in self.refused(tmp_path, capsys, str(tmp_path / "old.npz"))

    def test_pickles_are_never_read(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        flag = tmp_path / "executed"

        class Hostile:
            def __reduce__(self) -> tuple[object, ...]:
                return Path.touch, (flag,)

        np.savez(tmp_path / "inside.npz", **{"Stage1/conv2d/kernel": np.array([Hostile()], dtype=object)})
        (tmp_path / "whole.npz").write_bytes(pickle.dumps(Hostile()))
        for name in ("inside.npz", "whole.npz"):
            assert "pickle" in self.refused(tmp_path, capsys, str(tmp_path / name))
        assert not flag.exists()

    def test_other_suffix(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main(["convert", "old.npz", str(tmp_path / "out.pt")]) == 1
        assert ".safetensors" in capsys.readouterr().err

    def test_folder_that_cannot_be(
        self,
        variables: Variables,
        mean_shape: NDArray[np.float32],
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        np.savez(tmp_path / "old.npz", MeanShape=mean_shape, **variables)
        (tmp_path / "file").touch()
        assert cli.main(["convert", str(tmp_path / "old.npz"), str(tmp_path / "file" / "out.safetensors")]) == 1
        assert "could not be written" in capsys.readouterr().err

    def test_missing_variable(self, variables: Variables, mean_shape: NDArray[np.float32]) -> None:
        del variables["Stage2/batch_normalization_4/beta:0"]
        with pytest.raises(UserError, match=r"lacks 1 of 120 variables, first 'Stage2/batch_normalization_4/beta'"):
            convert(variables, mean_shape)

    def test_another_file_altogether(self, mean_shape: NDArray[np.float32]) -> None:
        with pytest.raises(UserError, match="lacks 120 of 120 variables"):
            convert({"emotion": np.zeros(3)}, mean_shape)

    def test_wrong_shape(self, variables: Variables, mean_shape: NDArray[np.float32]) -> None:
        variables["Stage1/conv2d_2/kernel:0"] = variables["Stage1/conv2d_2/kernel:0"][:, :2]
        with pytest.raises(UserError, match=r"conv2d_2/kernel: expected shape \(3, 3, 8, 16\), got \(3, 2, 8, 16\)"):
            convert(variables, mean_shape)

    def test_wrong_rank_of_what_tells_the_configuration(
        self, variables: Variables, mean_shape: NDArray[np.float32]
    ) -> None:
        variables["Stage2/dense/kernel:0"] = variables["Stage2/dense/kernel:0"].reshape(-1)
        with pytest.raises(UserError, match="ranks"):
            convert(variables, mean_shape)

    def test_a_network_that_cannot_be_built(self, variables: Variables, mean_shape: NDArray[np.float32]) -> None:
        variables["Stage2/dense_3/bias:0"] = np.zeros(8, np.float32)
        with pytest.raises(UserError, match="num_emotions"):
            convert(variables, mean_shape)

    def test_nan(self, variables: Variables, mean_shape: NDArray[np.float32]) -> None:
        variables["Stage1/S1_Fc1/moving_mean:0"][3] = np.nan
        with pytest.raises(UserError, match="S1_Fc1/moving_mean holds NaN"):
            convert(variables, mean_shape)

    def test_words_instead_of_numbers(self, variables: Variables, mean_shape: NDArray[np.float32]) -> None:
        with pytest.raises(UserError, match="floating-point"):
            convert({**variables, "Stage1/conv2d/bias:0": np.array(["a"] * 8)}, mean_shape)

    def test_mean_shape_of_other_length(self, variables: Variables) -> None:
        with pytest.raises(UserError, match="expected 68 points"):
            convert(variables, np.zeros((51, 2), np.float32))

    def test_mean_shape_key_that_is_not_there(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "set.npz", Landmark=np.zeros((3, 136)))
        with pytest.raises(UserError, match="has no 'MeanShape'; it has Landmark"):
            read_mean_shape(f"{tmp_path}/set.npz")


class TestTensorFlowFormat:
    """Needs TensorFlow (the extra ``convert``)."""

    def test_variables_and_the_mean_shape_of_the_graph(
        self, variables: Variables, mean_shape: NDArray[np.float32], tmp_path: Path
    ) -> None:
        tensorflow = pytest.importorskip("tensorflow", reason="TensorFlow is not installed (the extra 'convert')")
        tf = tensorflow.compat.v1
        with tf.Graph().as_default(), tf.Session() as session:
            tf.constant(mean_shape.reshape(1, 136))
            for name, value in variables.items():
                tf.get_variable(name.removesuffix(":0"), initializer=value)
            session.run(tf.global_variables_initializer())
            tf.train.Saver().save(session, str(tmp_path / "model"))
        checkpoint = read_checkpoint(str(tmp_path / "model"))
        assert checkpoint.mean_shape is not None
        np.testing.assert_array_equal(checkpoint.mean_shape.reshape(68, 2), mean_shape)
        expected = convert(variables, mean_shape).state_dict()
        found = convert(checkpoint.variables, checkpoint.mean_shape).state_dict()
        assert all(torch.equal(found[k], v) for k, v in expected.items())

    def test_without_tensorflow(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "tensorflow", None)
        (tmp_path / "model.index").write_bytes(b"")
        with pytest.raises(UserError, match=r"emotional_dan_ros\[convert\]"):
            read_checkpoint(str(tmp_path / "model"))

    def test_damaged(self, tmp_path: Path) -> None:
        pytest.importorskip("tensorflow", reason="TensorFlow is not installed (the extra 'convert')")
        (tmp_path / "model.index").write_bytes(b"not an index")
        with pytest.raises(UserError, match="not a whole TensorFlow checkpoint"):
            read_checkpoint(str(tmp_path / "model"))
