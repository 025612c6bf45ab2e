"""Configurations: what fits is taken, what does not is refused in one line that names it."""

import pytest

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.model.config import NormOrder
from emotional_dan_ros.training.config import load_config, to_tree

GOOD = "train:\n  - {path: faces.npz}\n"


def _write(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return path


def test_paths_are_relative_to_the_file_and_overrides_win(tmp_path):
    path = _write(tmp_path, GOOD + "model: {image_size: 64, norm_order: bn_relu}\n")
    config = load_config(path, ["schedule.lr=2e-3", "model.width=0.5", "name=small"])
    assert config.train[0].path == str(tmp_path / "faces.npz")
    assert (config.schedule.lr, config.model.width, config.name) == (2e-3, 0.5, "small")
    assert config.model.norm_order is NormOrder.BN_RELU
    assert to_tree(config)["model"]["norm_order"] == "bn_relu"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GOOD + "modle: {}", "unknown setting modle"),
        (GOOD + "model: {widht: 1}", "unknown setting model.widht"),
        (GOOD + "schedule: {epochs: many}", "schedule.epochs: expected float, got 'many'"),
        (GOOD + "seed: true", "seed: expected int"),
        (GOOD + "init_share: 0.5", "above 0 only with init"),
        (GOOD + "init: a.safetensors\ninit_share: 1", "0 .. below 1"),
        (GOOD + "model: {image_size: 60}", "multiple of 16"),
        (GOOD + "model: {norm_order: sideways}", "expected one of relu_bn, bn_relu"),
        (GOOD + "schedule: {epochs: 2, stage1_epochs: 3}", "stage1_epochs <= epochs"),
        (GOOD + "precision: int3", "auto, bf16 or float32"),
        (GOOD + "teacher_share: 2", "0 .. 1"),
        ("train: []", "at least one source"),
        ("train: faces.npz", "expected a list"),
        ("train: [", "not valid YAML"),
        ("- 1", "expected a mapping"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(tmp_path, text, says):
    with pytest.raises(UserError) as caught:
        load_config(_write(tmp_path, text))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_and_bad_override(tmp_path):
    with pytest.raises(UserError, match="found none"):
        load_config(tmp_path / "none.yaml")
    with pytest.raises(UserError, match="key=value"):
        load_config(_write(tmp_path, GOOD), ["epochs"])
    with pytest.raises(UserError, match="not a group"):
        load_config(_write(tmp_path, GOOD + "seed: 1"), ["seed.lr=1"])


def test_the_shipped_configurations_are_valid():
    from pathlib import Path

    shipped = sorted((Path(__file__).parents[2] / "config" / "training").glob("*.yaml"))
    assert shipped
    for path in shipped:
        assert load_config(path).train
