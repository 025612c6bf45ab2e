"""``emotional-dan train``: a configuration in, weights out."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import yaml
from tqdm import tqdm

from emotional_dan_ros.core.device import choose_device
from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.model.weights import WeightsInfo, load_weights, save_weights
from emotional_dan_ros.training.averaging import blend_weights
from emotional_dan_ros.training.calibration import Calibration, calibrate
from emotional_dan_ros.training.config import TrainConfig, load_config, to_tree
from emotional_dan_ros.training.distillation import mean_answers, with_answers
from emotional_dan_ros.training.distributed import ALONE, Group, join_group, leave_group
from emotional_dan_ros.training.precision import choose_precision
from emotional_dan_ros.training.resizing import can_resize, resized_state
from emotional_dan_ros.training.sources import VALIDATION, checksum, load_source, load_sources
from emotional_dan_ros.training.teachers import load_teacher, teacher_file
from emotional_dan_ros.training.trainer import Trainer

_log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("config", type=Path, help="YAML configuration, e.g. config/training/rt.yaml")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings that differ from the file")
    parser.add_argument("--num-threads", type=int, help="threads of PyTorch (default: one per core)")


def run(args: argparse.Namespace) -> int:
    """The command."""
    config = load_config(args.config, args.overrides)
    if args.num_threads:
        torch.set_num_threads(args.num_threads)
    device = choose_device(config.device)
    group = join_group(device)
    if device.type == "cuda" and group.size > 1:
        device = torch.device("cuda", group.local_rank)
    try:
        train(config, device, group)
    finally:
        leave_group(group)
    return 0


def train(config: TrainConfig, device: torch.device, group: Group = ALONE) -> Path:
    """Run a configuration to its end, going on where an earlier go was cut short.

    Returns:
        The weights file, ``<out>/<name>.safetensors`` (written by the first process).
    """
    config = dataclasses.replace(config, precision=choose_precision(config.precision, device))
    out = Path(config.out)
    state = _first_weights(config)
    teachers = [load_teacher(name, device, config.precision) for name in config.teachers]
    _log.info("reading faces")
    faces = load_sources(config.train, config.model.image_size)
    validation = load_source(config.validation, config.model.image_size, VALIDATION) if config.validation else None
    if teachers:
        asked = dict(zip((checksum(teacher_file(name)) for name in config.teachers), teachers, strict=True))
        answers = mean_answers(asked, faces, out / "teacher_answers", device, write=group.is_first)
        faces = with_answers(faces, answers, config.teacher_share)
    trainer = Trainer(config, faces, validation, device, group)
    if state:
        trainer.model.load_state_dict(state)
        trainer.average.model.load_state_dict(state)
    if trainer.resume():
        _log.info("going on from step %d of %d (%s)", trainer.step, trainer.total_steps, trainer.checkpoint_path)
    provenance = describe_run(config)
    if group.is_first:
        out.mkdir(parents=True, exist_ok=True)
        (out / "config.yaml").write_text(yaml.safe_dump(to_tree(config), sort_keys=False))
        (out / "run.json").write_text(json.dumps(provenance, indent=2) + "\n")
    with _Reporter(out, trainer, enabled=group.is_first) as reporter:
        model = trainer.run(reporter.step, reporter.epoch)
    if config.init_share:
        blend_weights(model, state, config.init_share)
    path = out / f"{config.name}.safetensors"
    if group.is_first:
        calibration = Calibration(1.0, (0.0,) * config.model.num_emotions)
        if validation:
            drawn = trainer.drawn_classes()
            calibration = calibrate(model, drawn, validation, config.prior_shift, config.model.image_size, device)
        info = WeightsInfo(
            name=config.name,
            model=config.model,
            **calibration._asdict(),
            training={**provenance, "history": trainer.history[-1:], "epochs": config.schedule.epochs},
        )
        save_weights(path, model, info)
        _log.info("weights: %s", path)
    return path


def _first_weights(config: TrainConfig) -> dict[str, torch.Tensor]:
    """Tensors that the run starts from; none for a fresh network.

    Raises:
        UserError: `TrainConfig.init` is of another form. Told before anything that takes minutes.
    """
    if not config.init:
        return {}
    model, info = load_weights(config.init)
    if not can_resize(info.model, config.model):
        raise UserError(
            f"init: {config.init} has another model configuration than this run; image_size, heatmap_half_px, "
            "dropout and bn_momentum may differ and feature_width be less, nothing else"
        )
    if config.schedule.freeze_stage1 and info.model.image_size != config.model.image_size:
        raise UserError(
            f"schedule.freeze_stage1: {config.init} is for {info.model.image_size} px, this run for "
            f"{config.model.image_size} px: what is resampled has to learn; set freeze_stage1 to false"
        )
    return resized_state(model, config.model)


def describe_run(config: TrainConfig) -> dict[str, Any]:
    """What it takes to repeat a run: versions, seed, checksums of the data."""
    sources = [*config.train, *([config.validation] if config.validation else [])]
    files = sorted({name for s in sources for name in (s.path, s.votes, s.landmarks) if name})
    return {
        "seed": config.seed,
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "data_sha256": {Path(name).name: checksum(name) for name in files},
    }


class _Reporter:
    """Progress bar with rate and time left, TensorBoard curves, one line per epoch."""

    def __init__(self, out: Path, trainer: Trainer, enabled: bool) -> None:
        self._smooth: dict[str, float] = {}
        self._enabled = enabled
        self._writer: Any = None
        self._trainer = trainer
        self._bar = tqdm(
            total=trainer.total_steps,
            initial=trainer.step,
            unit="step",
            disable=not enabled or not sys.stderr.isatty(),
            dynamic_ncols=True,
        )
        self._last_line = time.monotonic()
        if enabled:
            self._writer = _tensorboard(out)

    def __enter__(self) -> _Reporter:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
        if self._writer:
            self._writer.close()

    def step(self, step: int, total: int, losses: dict[str, float]) -> None:
        """After every step."""
        for name, value in losses.items():
            self._smooth[name] = 0.98 * self._smooth.get(name, value) + 0.02 * value
        if not self._enabled:
            return
        self._bar.update(1)
        if step % 20 == 0:
            self._bar.set_postfix({k: f"{v:.3f}" for k, v in self._smooth.items()}, refresh=False)
            if self._writer:
                for name, value in self._smooth.items():
                    self._writer.add_scalar(f"train/{name}", value, step)
                self._writer.add_scalar("train/learning_rate", self._trainer.learning_rate(step), step)
        if self._bar.disable and time.monotonic() - self._last_line > 30:
            # A log file instead of a terminal: a line now and then in place of the bar.
            self._last_line = time.monotonic()
            _log.info("step %d/%d %s", step, total, {k: round(v, 4) for k, v in self._smooth.items()})

    def epoch(self, step: int, row: dict[str, float]) -> None:
        """After every validation."""
        if self._writer:
            for name in ("accuracy", "cross_entropy", "landmark_error"):
                self._writer.add_scalar(f"validation/{name}", row[name], step)


def _tensorboard(out: Path) -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        _log.warning("no TensorBoard logs: install the extra 'train' to have them")
        return None
    writer: Callable[..., Any] = SummaryWriter
    return writer(str(out / "tensorboard"))
