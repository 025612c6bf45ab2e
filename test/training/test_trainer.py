"""Training really learns, resumes where it was cut, and spreads over processes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.model.config import ModelConfig
from emotional_dan_ros.model.losses import landmark_error
from emotional_dan_ros.model.network import EmotionalDAN
from emotional_dan_ros.model.weights import WeightsInfo, load_weights, save_weights
from emotional_dan_ros.training.augmentation import Blend
from emotional_dan_ros.training.config import TrainConfig, build
from emotional_dan_ros.training.sources import load_source, load_sources
from emotional_dan_ros.training.train import train
from emotional_dan_ros.training.trainer import Trainer, sampling_weights


def tree(faces: Path, out: Path, **schedule) -> dict:
    return {
        "out": str(out),
        "device": "cpu",
        "precision": "float32",
        "model": {
            "image_size": 32,
            "width": 0.125,
            "norm_order": "bn_relu",
            "heatmap_half_px": 3,
            "dropout": 0.1,
            "bn_momentum": 0.1,
        },
        "schedule": {"epochs": 2, "stage1_epochs": 0.5, "batch_size": 16, "ema": 0.5, **schedule},
        "train": [{"path": str(faces)}],
        "validation": {"path": str(faces)},
    }


def make_trainer(faces: Path, out: Path, **schedule) -> Trainer:
    config = build(TrainConfig, tree(faces, out, **schedule), "")
    train = load_sources(config.train, 32)
    return Trainer(config, train, load_source(config.validation, 32, 1), torch.device("cpu"))


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_learns_classes_and_landmarks_of_made_up_faces(write_faces, tmp_path):
    trainer = make_trainer(
        write_faces(140, validation=28), tmp_path / "run", epochs=20, stage1_epochs=4, lr=3e-3, ema=0.9
    )
    trainer.run()
    first, last = trainer.history[0], trainer.history[-1]
    assert last["accuracy"] > 0.9  # chance is 1 / 7
    assert last["cross_entropy"] < first["cross_entropy"]
    # Made-up faces are aligned perfectly, so landmarks are learnt where augmentation moves them.
    images, landmarks, *_ = trainer.batch(10_000)
    network = trainer.average.model
    with torch.no_grad():
        found = landmark_error(network(images).landmarks, landmarks).mean()
    assert found < 0.9 * landmark_error(network.mean_shape.expand_as(landmarks), landmarks).mean()


def test_a_resumed_run_ends_where_an_unbroken_one_does(write_faces, tmp_path, one_thread):
    faces = write_faces(64)
    whole = make_trainer(faces, tmp_path / "whole")
    whole.run()
    part = make_trainer(faces, tmp_path / "part")
    for _ in range(3):
        part.train_step()
    part.save()
    again = make_trainer(faces, tmp_path / "part")
    assert again.resume()
    assert again.step == 3
    again.run()
    for name, value in whole.average.model.state_dict().items():
        assert torch.allclose(value, again.average.model.state_dict()[name], atol=1e-5), name


def test_killed_hard_and_started_again_it_finishes(write_faces, tmp_path):
    out = tmp_path / "run"
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps(tree(write_faces(64), out, epochs=60) | {"checkpoint_s": 0.2}))
    command = [sys.executable, "-m", "emotional_dan_ros.cli", "train", str(config), "--num-threads", "1"]
    first = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 90
    while not (out / "checkpoint.pt").is_file():
        assert time.monotonic() < deadline, "no checkpoint appeared"
        assert first.poll() is None, "training ended before it could be killed"
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert not (out / "rt.safetensors").exists()
    second = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert second.returncode == 0, second.stderr
    assert "going on from step" in second.stderr
    _, info = load_weights(out / "rt.safetensors")
    assert info.training["data_sha256"].keys() == {"faces.npz"}
    assert info.temperature > 0
    assert {"config.yaml", "run.json"} <= {p.name for p in out.iterdir()}


def test_two_processes_train_one_network(write_faces, tmp_path):
    out = tmp_path / "run"
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps(tree(write_faces(64), out, epochs=1)))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "emotional_dan_ros.cli", "train", str(config), "--num-threads", "1"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=240, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    model, _ = load_weights(out / "rt.safetensors")
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_shares_of_two_processes_average_to_the_whole_gradient(write_faces, tmp_path):
    # What DistributedDataParallel relies on: without batch norm's batch statistics, the mean of the halves'
    # gradients is the gradient of the whole batch.
    trainer = make_trainer(write_faces(64), tmp_path / "run")
    images, landmarks, valid, targets, _ = trainer.batch(0)
    trainer.model.eval()

    def gradient(part: slice) -> torch.Tensor:
        trainer.model.zero_grad()
        loss, _ = trainer.objective(images[part], landmarks[part], valid[part], targets[part])
        loss.backward()
        return trainer.model.stage2.emotion.weight.grad.clone()

    halves = (gradient(slice(0, None, 2)) + gradient(slice(1, None, 2))) / 2
    assert torch.allclose(halves, gradient(slice(None)), atol=1e-6)


def test_rare_classes_are_drawn_more_often(write_faces, tmp_path):
    trainer = make_trainer(write_faces(70), tmp_path / "run")
    faces = trainer.train_faces
    targets = torch.eye(7)[torch.tensor([0] * 8 + [5] * 2)]
    ten = type(faces)(faces.crops[:10], faces.landmarks[:10], faces.landmarks_valid[:10], targets, torch.ones(10))
    plain, balanced = sampling_weights(ten, 0.0), sampling_weights(ten, 1.0)
    assert plain.tolist() == pytest.approx([1.0] * 10)
    assert float(balanced[:8].sum()) == pytest.approx(float(balanced[8:].sum()))


def test_a_damaged_checkpoint_is_refused_and_kept(write_faces, tmp_path):
    trainer = make_trainer(write_faces(64), tmp_path / "run")
    trainer.out.mkdir(parents=True)
    trainer.checkpoint_path.write_bytes(b"PK not a checkpoint")
    with pytest.raises(UserError, match="not a readable checkpoint"):
        trainer.resume()
    assert trainer.checkpoint_path.read_bytes() == b"PK not a checkpoint"


def test_few_broken_images_are_skipped_many_stop_the_run(write_faces, tmp_path, caplog):
    source = build(TrainConfig, tree(write_faces(250, broken=2, validation=0), tmp_path), "").train[0]
    assert len(load_source(source, 32)) == 248
    assert "skipped 2 of 250" in caplog.text
    source = build(TrainConfig, tree(write_faces(100, broken=2, validation=0), tmp_path), "").train[0]
    with pytest.raises(UserError, match="2 of 100 images do not decode"):
        load_source(source, 32)


def test_labels_out_of_range_and_missing_arrays_are_refused(write_faces, tmp_path):
    bad = write_faces(20, emotion=np.full(20, 9, dtype=np.uint8))
    with pytest.raises(UserError, match=r"labels must be 0 .. 6"):
        make_trainer(bad, tmp_path / "run")
    np.savez(tmp_path / "empty.npz", emotion=np.zeros(3))
    with pytest.raises(UserError, match="needs 'offset'"):
        make_trainer(tmp_path / "empty.npz", tmp_path / "run")


def test_a_frozen_stage_1_stays_and_stage_2_learns(write_faces, tmp_path):
    faces = write_faces(64)
    start = tmp_path / "start.safetensors"
    model = make_trainer(faces, tmp_path / "first").model
    save_weights(start, model, WeightsInfo(name="rt", model=model.config))
    settings = tree(faces, tmp_path / "run", stage1_epochs=0, freeze_stage1=True)
    trainer = Trainer(
        config := build(TrainConfig, settings | {"init": str(start)}, ""),
        load_sources(config.train, 32),
        None,
        torch.device("cpu"),
    )
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    for _ in range(3):
        trainer.train_step()
    changed = {
        name.split(".")[0] for name, value in trainer.model.state_dict().items() if not value.equal(before[name])
    }
    assert changed == {"stage2"}


def test_freezing_a_stage_that_never_learnt_is_refused(write_faces, tmp_path):
    with pytest.raises(UserError, match="freeze_stage1: expected init"):
        make_trainer(write_faces(64), tmp_path / "run", stage1_epochs=0, freeze_stage1=True)


def test_blended_faces_learn_by_emotion_alone(write_faces, tmp_path):
    trainer = make_trainer(write_faces(64), tmp_path / "run")
    images, landmarks, valid, targets, _ = trainer.batch(0)
    trainer.model.eval()
    count = len(images)
    partner = torch.arange(count).roll(1)

    def losses(own: torch.Tensor) -> dict[str, torch.Tensor]:
        return trainer.objective(images, landmarks, valid, targets, blend=Blend(partner, own))[1]

    plain = trainer.objective(images, landmarks, valid, targets)[1]
    alone = losses(torch.ones(count))
    assert {k: float(v) for k, v in alone.items()} == pytest.approx({k: float(v) for k, v in plain.items()}, rel=1e-5)
    blended = losses(torch.full((count,), 0.6))
    assert float(blended["landmarks"]) == 0  # every face is blended, so no landmark of stage 2 counts
    assert float(blended["landmarks_stage1"]) == pytest.approx(float(plain["landmarks_stage1"]))
    # Half each of two faces is the same picture and the same target, whichever of the two comes first.
    pairs = torch.arange(count).reshape(-1, 2).flip(1).reshape(-1)
    half = Blend(pairs, torch.full((count,), 0.5))
    assert torch.allclose(half(images), half(images)[pairs])
    assert torch.allclose(half(targets).sum(dim=1), torch.ones(count))


def weights_for(image_size: int, width: float, path: Path) -> str:
    config = ModelConfig(**tree(path, path)["model"] | {"image_size": image_size, "width": width})
    model = EmotionalDAN(config, torch.rand(68, 2) * (image_size - 1))
    save_weights(path, model, WeightsInfo(name="rt", model=config))
    return str(path)


def test_a_run_starts_from_weights_of_another_image_size(write_faces, tmp_path):
    settings = tree(write_faces(40), tmp_path / "run", epochs=1) | {
        "init": weights_for(48, 0.125, tmp_path / "start.safetensors")
    }
    path = train(build(TrainConfig, settings, ""), torch.device("cpu"))
    assert load_weights(path)[1].model.image_size == 32


def test_a_share_of_the_weights_it_started_from_remains(write_faces, tmp_path, one_thread):
    start = weights_for(32, 0.125, tmp_path / "start.safetensors")
    settings = tree(write_faces(40), tmp_path / "run", epochs=8, stage1_epochs=0, lr=0.02) | {"init": start}
    found = {}
    for share in (0.0, 0.25):
        run = settings | {"init_share": share, "out": str(tmp_path / f"run{share}")}
        found[share] = load_weights(train(build(TrainConfig, run, ""), torch.device("cpu")))[0].state_dict()
    first = load_weights(start)[0].state_dict()
    key = "stage2.trunk.blocks.0.0.0.weight"
    assert (found[0.0][key] - first[key]).abs().max() > 5e-3
    for name in (key, "stage2.trunk.blocks.0.0.1.running_var"):
        expected = 0.25 * first[name] + 0.75 * found[0.0][name]
        assert torch.allclose(found[0.25][name], expected, atol=2e-3), name  # they are kept as float16


@pytest.mark.parametrize(
    ("image_size", "width", "schedule", "words"),
    [
        (32, 0.25, {}, "has another model configuration"),
        (48, 0.125, {"stage1_epochs": 0, "freeze_stage1": True}, "is for 48 px, this run for 32 px"),
    ],
)
def test_weights_that_a_run_cannot_start_from_are_refused(write_faces, tmp_path, image_size, width, schedule, words):
    settings = tree(write_faces(40), tmp_path / "run", **schedule) | {
        "init": weights_for(image_size, width, tmp_path / "start.safetensors"),
        "teachers": [weights_for(32, 0.125, tmp_path / "teacher.safetensors")],  # is not asked in vain
    }
    with pytest.raises(UserError, match=words):
        train(build(TrainConfig, settings, ""), torch.device("cpu"))
    assert not (tmp_path / "run").exists()
