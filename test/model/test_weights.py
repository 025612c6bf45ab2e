"""Weights as files: what is written comes back, and what is damaged is told in one line."""

from __future__ import annotations

import dataclasses
import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.model.config import ModelConfig
from emotional_dan_ros.model.network import EmotionalDAN
from emotional_dan_ros.model.weights import FORMAT, WeightsInfo, load_weights, save_weights, tensors_checksum

CONFIG = ModelConfig(image_size=32, width=0.05, feature_width=16, heatmap_half_px=4)
INFO = WeightsInfo(
    "small", CONFIG, temperature=1.25, log_prior=(0.0, 0.5, 0.0, 0.0, -1.0, 0.0, 0.0), training={"epochs": 3}
)


def make() -> EmotionalDAN:
    torch.manual_seed(0)
    model = EmotionalDAN(CONFIG, 32 * torch.rand(68, 2))
    for name, buffer in model.named_buffers():
        if name.endswith("running_var"):
            buffer.uniform_(1e-3, 1e5)  # beyond float16
    return model.eval()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_weights(tmp_path / "small.safetensors", make(), INFO)
    return tmp_path / "small.safetensors"


def refused(path: Path | str) -> str:
    with pytest.raises(UserError) as caught:
        load_weights(path)
    message = str(caught.value)
    assert "\n" not in message
    return message


def header_of(path: Path) -> dict[str, str]:
    """The metadata as safetensors lays it out: 8 bytes of length, then JSON."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    metadata: dict[str, str] = json.loads(data[8 : 8 + length])["__metadata__"]
    return metadata


def rewrite(path: Path, **changes: str) -> None:
    """The same tensors under a changed header."""
    save_file(load_file(path), path, metadata={**header_of(path), **changes})


@pytest.mark.parametrize("half", [True, False])
def test_what_is_written_comes_back(tmp_path: Path, half: bool) -> None:
    model = make()
    save_weights(tmp_path / "w.safetensors", model, INFO, half=half)
    loaded, info = load_weights(tmp_path / "w.safetensors")
    assert info == INFO
    assert not loaded.training
    for name, value in model.state_dict().items():
        found = loaded.state_dict()[name]
        assert found.dtype == value.dtype
        rounded = (
            value
            if not half or "running_" in name or "mean_shape" in name or not value.is_floating_point()
            else value.half().float()
        )
        assert torch.equal(found, rounded), name
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def test_a_failed_write_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()

    def fail(*args: object, **kwargs: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        save_weights(path, make(), INFO)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_missing() -> None:
    assert "found no file; shipped are:" in refused("nothing-of-this-name")
    assert "/no/such/file.safetensors" in refused("/no/such/file.safetensors")
    refused("")


@pytest.mark.parametrize("kept", [0, 4, 200, -1])
def test_truncated(path: Path, kept: int) -> None:
    path.write_bytes(path.read_bytes()[:kept])
    assert "not a whole safetensors file" in refused(path)


def test_altered_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1000] ^= 1
    path.write_bytes(data)
    assert "altered" in refused(path)


def test_a_pickle_is_never_executed(path: Path, tmp_path: Path) -> None:
    flag = tmp_path / "executed"

    class Hostile:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (flag,)

    path.write_bytes(pickle.dumps(Hostile()))
    assert "not a whole safetensors file" in refused(path)
    torch.save({"stage1": Hostile()}, path)
    assert "not a whole safetensors file" in refused(path)
    assert not flag.exists()


def test_another_programs_safetensors(path: Path) -> None:
    save_file({"weight": torch.zeros(3)}, path)
    assert f"expected weights of format {FORMAT}, got 'no format'" in refused(path)


def test_tensors_of_another_configuration(path: Path) -> None:
    wider = dataclasses.replace(CONFIG, feature_width=24)
    rewrite(path, model=json.dumps(wider.to_dict()))
    message = refused(path)
    assert "not those of the configuration in its header" in message
    assert "(136, 16), expected (136, 24)" in message


def test_missing_tensor(path: Path) -> None:
    tensors = load_file(path)
    del tensors["stage2.emotion.bias"]
    save_file(tensors, path, metadata={**header_of(path), "sha256": tensors_checksum(tensors)})
    assert "stage2.emotion.bias is missing" in refused(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model", "{"),
        ("model", '{"image_size": 33}'),
        ("model", '{"depth": 5}'),
        ("temperature", "warm"),
        ("classes", "7"),
    ],
)
def test_header_this_version_cannot_read(path: Path, key: str, value: str) -> None:
    rewrite(path, **{key: value})
    assert "header" in refused(path)


def test_header_that_lacks_something(path: Path) -> None:
    header = header_of(path)
    del header["classes"]
    save_file(load_file(path), path, metadata=header)
    assert "classes" in refused(path)
