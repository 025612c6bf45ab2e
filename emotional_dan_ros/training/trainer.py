"""The training loop: resumable, seeded by step, on one device or several."""

from __future__ import annotations

import json
import logging
import math
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from emotional_dan_ros.model.config import ModelConfig
from emotional_dan_ros.model.losses import emotion_loss, landmark_error
from emotional_dan_ros.model.network import EmotionalDAN
from emotional_dan_ros.training.augmentation import AugmentationConfig, Augmenter, Blend, draw_blend
from emotional_dan_ros.training.averaging import WeightAverage
from emotional_dan_ros.training.checkpoint import load_checkpoint, save_checkpoint
from emotional_dan_ros.training.config import TrainConfig, to_tree
from emotional_dan_ros.training.distributed import ALONE, Group
from emotional_dan_ros.training.faceset import FaceSet
from emotional_dan_ros.training.objective import JointObjective

_log = logging.getLogger(__name__)


def sampling_weights(faces: FaceSet, balance: float) -> Tensor:
    """How likely each face is drawn: its source's weight times the rarity of what it shows.

    The rarity of class c is ``frequency_c ** -balance``; a face with a mixed target takes the mean over it.
    """
    frequency = (faces.targets * faces.weight[:, None]).sum(dim=0)
    frequency = (frequency / frequency.sum()).clamp_min(1e-4)
    return faces.weight * (faces.targets @ frequency.pow(-balance))


def mean_shape_of(faces: FaceSet, image_size: int) -> Tensor:
    """Mean of the valid landmarks in px of the network's input, (68, 2)."""
    augmenter = Augmenter(AugmentationConfig(), image_size)
    _, points = augmenter.plain(faces.crops[:1], faces.landmarks[faces.landmarks_valid].mean(dim=0, keepdim=True))
    return points[0]


class Trainer:
    """One run. Construct it, then `run`; a run that was cut short goes on from its checkpoint.

    What is drawn by chance depends on the seed and the number of the step only, so a resumed run sees
    the same batches as an unbroken one. With several processes each takes its share of every batch; the
    first one keeps the averaged weights, validates and saves.
    """

    def __init__(
        self,
        config: TrainConfig,
        train: FaceSet,
        validation: FaceSet | None,
        device: torch.device,
        group: Group = ALONE,
    ) -> None:
        self.config = config
        self.device = device
        self.group = group
        self.out = Path(config.out)
        self.model_config: ModelConfig = config.model
        self.augmenter = Augmenter(config.augmentation, config.model.image_size)
        self.train_faces = train
        self.validation = validation
        self.weights = sampling_weights(train, config.balance)
        torch.manual_seed(config.seed)
        self.model = EmotionalDAN(config.model, mean_shape_of(train, config.model.image_size))
        self.model.to(device).to(memory_format=torch.channels_last)
        self.model.stage1.requires_grad_(not config.schedule.freeze_stage1)
        self.average = WeightAverage(self.model, config.schedule.ema)
        self.objective: nn.Module = group.wrap(JointObjective(self.model, config.loss), device)
        learning = [p for p in self.model.parameters() if p.requires_grad]
        decayed = [p for p in learning if p.ndim > 1]
        plain = [p for p in learning if p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": decayed, "weight_decay": config.schedule.weight_decay},
                {"params": plain, "weight_decay": 0.0},
            ],
            lr=config.schedule.lr,
        )
        self.steps_per_epoch = max(1, len(train) // config.schedule.batch_size)
        self.total_steps = max(1, round(config.schedule.epochs * self.steps_per_epoch))
        self.stage1_steps = round(config.schedule.stage1_epochs * self.steps_per_epoch)
        self.step = 0
        self.history: list[dict[str, Any]] = []

    def drawn_classes(self) -> Tensor:
        """How often each class is drawn, (7,); sums to 1."""
        return self.weights @ self.train_faces.targets / self.weights.sum()

    @property
    def checkpoint_path(self) -> Path:
        """Where the run's checkpoint lies."""
        return self.out / "checkpoint.pt"

    def resume(self) -> bool:
        """Go on from the checkpoint if there is one; whether there was."""
        if not self.checkpoint_path.is_file():
            return False
        state = load_checkpoint(self.checkpoint_path)
        self.model.load_state_dict(state["model"])
        self.average.model.load_state_dict(state["average"])
        self.average.steps = state["average_steps"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        self.history = state["history"]
        return True

    def save(self) -> None:
        """Write the checkpoint."""
        save_checkpoint(
            self.checkpoint_path,
            {
                "model": self.model.state_dict(),
                "average": self.average.model.state_dict(),
                "average_steps": self.average.steps,
                "optimizer": self.optimizer.state_dict(),
                "step": self.step,
                "history": self.history,
                "config": json.dumps(to_tree(self.config)),
            },
        )

    def learning_rate(self, step: int) -> float:
        """One cycle: linear warm-up, then cosine to 0; stage 1 alone and both share it."""
        progress = step / self.total_steps
        warmup = self.config.schedule.warmup
        if progress < warmup:
            return self.config.schedule.lr * (0.04 + 0.96 * progress / warmup)
        return self.config.schedule.lr * 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))

    def batch(self, step: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Blend | None]:
        """Images, landmarks, validity, targets and blending of one step."""
        rng = torch.Generator().manual_seed(self.config.seed * 1_000_003 + step)
        index = torch.multinomial(self.weights, self.config.schedule.batch_size, replacement=True, generator=rng)
        index = self.group.share(index)
        if self.group.size > 1:
            rng.manual_seed((self.config.seed * 1_000_003 + step) * self.group.size + self.group.rank)
        faces = self.train_faces
        images, landmarks = self.augmenter(
            faces.crops[index].to(self.device), faces.landmarks[index].to(self.device), rng
        )
        blend = draw_blend(self.config.augmentation, len(index), rng, self.device)
        valid, targets = faces.landmarks_valid[index].to(self.device), faces.targets[index].to(self.device)
        return images, landmarks, valid, targets, blend

    def train_step(self) -> dict[str, float]:
        """One step of gradient descent; the losses before it (of this process's share)."""
        images, landmarks, valid, targets, blend = self.batch(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate(self.step)
        self.model.train()
        if self.config.schedule.freeze_stage1:
            self.model.stage1.eval()  # its batch statistics stay, too, and it drops nothing out
        # Dropout draws from the global generator; seeding it by step keeps resumed runs on the same path.
        torch.manual_seed((self.config.seed * 1_000_003 + self.step) * self.group.size + self.group.rank)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
            loss, values = self.objective(
                images.contiguous(memory_format=torch.channels_last),
                landmarks,
                valid,
                targets,
                stage1_only=self.step < self.stage1_steps,
                blend=blend,
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.schedule.grad_clip)
        self.optimizer.step()
        self.average.update(self.model)
        self.step += 1
        return {name: float(value) for name, value in values.items()}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Measures of the averaged weights on the validation faces."""
        faces = self.validation
        assert faces is not None
        hits, crowd, errors = 0.0, 0.0, []
        for start in range(0, len(faces), 256):
            part = slice(start, start + 256)
            images, landmarks = self.augmenter.plain(
                faces.crops[part].to(self.device), faces.landmarks[part].to(self.device)
            )
            output = self.average.model(images.contiguous(memory_format=torch.channels_last))
            targets = faces.targets[part].to(self.device)
            hits += float((output.logits.argmax(1) == targets.argmax(1)).sum())
            crowd += float(emotion_loss(output.logits, targets)) * len(targets)
            valid = faces.landmarks_valid[part].to(self.device)
            errors.append(landmark_error(output.landmarks, landmarks)[valid])
        return {
            "accuracy": hits / len(faces),
            "cross_entropy": crowd / len(faces),
            "landmark_error": float(torch.cat(errors).mean()),
        }

    def run(self, progress: Any = None, log: Any = None) -> EmotionalDAN:
        """Train to the end; the averaged network.

        Args:
            progress: called with (step, total steps, losses) after every step.
            log: called with (step, values) about every epoch's validation.
        """
        last_save = time.monotonic()
        while self.step < self.total_steps:
            losses = self.train_step()
            if not math.isfinite(sum(losses.values())):
                raise FloatingPointError(f"the loss is not finite at step {self.step}: {losses}")
            if progress:
                progress(self.step, self.total_steps, losses)
            if not self.group.is_first:
                continue
            if self.step % self.steps_per_epoch == 0 or self.step == self.total_steps:
                if self.validation is not None and self.step > self.stage1_steps:
                    row = {"step": self.step, "epoch": self.step / self.steps_per_epoch, **self.validate()}
                    self.history.append(row)
                    _log.info("%s", json.dumps(row))
                    if log:
                        log(self.step, row)
                self.save()
                last_save = time.monotonic()
            elif time.monotonic() - last_save > self.config.checkpoint_s:
                self.save()
                last_save = time.monotonic()
        return self.average.model
