"""Configuration of a training run: strict, typed, printable."""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import yaml

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.model.config import ModelConfig
from emotional_dan_ros.training.augmentation import AugmentationConfig


@dataclass(frozen=True)
class SourceConfig:
    """One source of training faces.

    Attributes:
        kind: ``npz``, ``fer_csv``, ``folders``, ``affectnet`` or ``rafdb``.
        path: file or folder; relative paths are relative to the configuration file.
        weight: how often its images are drawn relative to those of other sources.
        votes: FER+ votes (npz) that belong to an npz source; empty for none.
        votes_share: weight of the votes against the file's own labels, 0 .. 1.
        label_smoothing: share of the label spread over all classes.
        landmarks: npz written by ``emotional-dan annotate`` for a source without landmarks; empty for none.
    """

    kind: str = "npz"
    path: str = ""
    weight: float = 1.0
    votes: str = ""
    votes_share: float = 0.5
    label_smoothing: float = 0.0
    landmarks: str = ""


@dataclass(frozen=True)
class ScheduleConfig:
    """How long and how fast to learn.

    Attributes:
        epochs: passes over the data in all (an epoch draws as many faces as there are).
        stage1_epochs: of these, the first in which only stage 1 learns, on landmarks alone.
        freeze_stage1: keep stage 1 as `TrainConfig.init` has it; a step then costs a third less.
        batch_size: faces per step, over all processes together.
        lr: peak learning rate of AdamW (one-cycle: linear warm-up, cosine to 0).
        warmup: share of the steps spent warming up.
        weight_decay: of AdamW, on weights of convolutions and dense layers.
        ema: decay of the averaged weights per step.
        grad_clip: largest norm of the gradient.
    """

    epochs: float = 16.0
    stage1_epochs: float = 1.0
    freeze_stage1: bool = False
    batch_size: int = 96
    lr: float = 2e-3
    warmup: float = 0.1
    weight_decay: float = 0.05
    ema: float = 0.998
    grad_clip: float = 5.0


@dataclass(frozen=True)
class LossConfig:
    """Weights of the joint loss (design: one half each); the landmark term counts for both stages."""

    landmark: float = 0.5
    emotion: float = 0.5


@dataclass(frozen=True)
class TrainConfig:
    """A whole training run.

    Attributes:
        name: of the run and of the weights it makes.
        out: folder of checkpoints, logs and results; relative to the working directory.
        seed: of everything drawn by chance.
        device: ``auto``, ``cpu`` or ``cuda``.
        precision: ``bf16`` (mixed), ``float32``, or ``auto``: bf16 where the device multiplies it by itself.
        checkpoint_s: seconds between checkpoints.
        balance: exponent b of class weights ``frequency ** -b``: 0 draws classes as they come, 1 all alike.
        train: sources to learn from.
        validation: npz (usage 1) or other source to choose on; measured after every epoch.
        prior_shift: how far the class prior moves from that of the drawn training faces (0) to that of the
            validation faces (1) when training has ended.
        init: weights to start from, also of another image size or a wider feature; empty for a fresh network.
        init_share: how much of them remains: the result is this share of `init` and the rest of what was learnt,
            tensor by tensor (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models"), 0 .. below 1.
        teachers: weights whose answers, averaged, become part of the targets (distillation), or any other networks as
            ONNX files (see `OnnxTeacher`).
        teacher_share: weight of the teachers' answer against the source's own target, 0 .. 1.
    """

    name: str = "rt"
    out: str = "runs/rt"
    seed: int = 1
    device: str = "auto"
    precision: str = "auto"
    checkpoint_s: float = 180.0
    balance: float = 0.25
    prior_shift: float = 0.0
    init: str = ""
    init_share: float = 0.0
    teachers: tuple[str, ...] = ()
    teacher_share: float = 0.5
    model: ModelConfig = field(default_factory=ModelConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    train: tuple[SourceConfig, ...] = ()
    validation: SourceConfig | None = None

    def __post_init__(self) -> None:
        if not self.train:
            raise UserError("train: expected at least one source of faces, got none")
        if self.precision not in ("auto", "bf16", "float32"):
            raise UserError(f"precision: expected auto, bf16 or float32, got {self.precision!r}")
        if self.device not in ("auto", "cpu", "cuda"):
            raise UserError(f"device: expected auto, cpu or cuda, got {self.device!r}")
        if not 0 <= self.prior_shift <= 1:
            raise UserError(f"prior_shift: expected 0 .. 1, got {self.prior_shift}")
        if not 0 <= self.teacher_share <= 1:
            raise UserError(f"teacher_share: expected 0 .. 1, got {self.teacher_share}")
        if not 0 <= self.init_share < 1 or (self.init_share and not self.init):
            raise UserError(
                "init_share: expected 0 .. below 1, and above 0 only with init, "
                f"got {self.init_share} and init {self.init!r}"
            )
        schedule = self.schedule
        if schedule.freeze_stage1 and (not self.init or schedule.stage1_epochs):
            raise UserError(
                "schedule.freeze_stage1: expected init (weights that hold a trained stage 1) and stage1_epochs 0, "
                f"got init {self.init!r} and stage1_epochs {schedule.stage1_epochs:g}"
            )
        if schedule.epochs <= 0 or not 0 <= schedule.stage1_epochs <= schedule.epochs:
            raise UserError(
                "schedule: expected epochs > 0 and 0 <= stage1_epochs <= epochs, "
                f"got {schedule.epochs} and {schedule.stage1_epochs}"
            )
        if schedule.batch_size < 2 or schedule.lr <= 0 or not 0 <= schedule.ema < 1 or not 0 <= schedule.warmup < 1:
            raise UserError(
                "schedule: expected batch_size >= 2, lr > 0, 0 <= ema < 1 and 0 <= warmup < 1, got "
                f"{schedule.batch_size}, {schedule.lr}, {schedule.ema}, {schedule.warmup}"
            )


def load_config(path: Path, overrides: list[str] | None = None) -> TrainConfig:
    """Read a YAML configuration and apply ``key.sub=value`` overrides (values are YAML).

    Raises:
        UserError: the file is missing or broken, a key is unknown, a value has the wrong type or is
            impossible.
    """
    if not path.is_file():
        raise UserError(f"expected a training configuration at {path}, found none")
    try:
        tree = yaml.safe_load(path.read_text()) or {}
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise UserError(f"{path}: expected a mapping of settings, got {type(tree).__name__}")
    for override in overrides or []:
        key, separator, text = override.partition("=")
        if not separator:
            raise UserError(f"expected key=value, got {override!r}")
        node = tree
        *parents, last = key.split(".")
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise UserError(f"{key}: {parent} is not a group of settings")
        node[last] = yaml.safe_load(text)
    config = build(TrainConfig, tree, "")
    base = path.resolve().parent
    train = tuple(_with_base(source, base) for source in config.train)
    validation = _with_base(config.validation, base) if config.validation else None
    return dataclasses.replace(config, train=train, validation=validation)


def build(kind: type, tree: Any, where: str) -> Any:
    """Make the dataclass ``kind`` from plain values, refusing what does not fit.

    Raises:
        UserError: names the key, what was expected and what came.
    """
    if not isinstance(tree, dict):
        raise UserError(f"{where or 'configuration'}: expected settings, got {tree!r}")
    hints = typing.get_type_hints(kind)
    names = [f.name for f in fields(kind)]
    for key in tree:
        if key not in names:
            raise UserError(f"unknown setting {where}{key}; known are {', '.join(names)}")
    values = {key: _convert(hints[key], value, f"{where}{key}") for key, value in tree.items()}
    try:
        return kind(**values)
    except ValueError as error:
        raise UserError(f"{where or 'configuration: '}{error}") from error


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None:
            return None
        return _convert(next(a for a in typing.get_args(hint) if a is not type(None)), value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise UserError(f"{where}: expected a list, got {value!r}")
        item = typing.get_args(hint)[0]
        return tuple(_convert(item, v, f"{where}[{i}]") for i, v in enumerate(value))
    if is_dataclass(hint):
        return build(typing.cast(type, hint), value, f"{where}.")
    if isinstance(hint, type) and issubclass(hint, Enum):
        try:
            return hint(value)
        except ValueError as error:
            raise UserError(
                f"{where}: expected one of {', '.join(str(m.value) for m in hint)}, got {value!r}"
            ) from error
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is float and isinstance(value, str):
        # YAML 1.1 reads 2e-3 (no dot) as text.
        try:
            return float(value)
        except ValueError:
            pass
    if not isinstance(value, hint) or (hint is not bool and isinstance(value, bool)):
        raise UserError(f"{where}: expected {hint.__name__}, got {value!r}")
    return value


def to_tree(config: Any) -> Any:
    """Plain values of a configuration, as YAML or JSON can hold them."""
    if is_dataclass(config) and not isinstance(config, type):
        return {f.name: to_tree(getattr(config, f.name)) for f in fields(config)}
    if isinstance(config, Enum):
        return config.value
    if isinstance(config, (list, tuple)):
        return [to_tree(item) for item in config]
    return config


def _with_base(source: SourceConfig, base: Path) -> SourceConfig:
    def absolute(name: str) -> str:
        return str((base / name).resolve()) if name else name

    return dataclasses.replace(
        source, path=absolute(source.path), votes=absolute(source.votes), landmarks=absolute(source.landmarks)
    )
