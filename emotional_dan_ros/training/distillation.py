"""Targets mixed with what a trained network says of the same faces (knowledge distillation).

A label file holds one opinion of each face; a teacher has seen thousands of like faces and knows which
confusions are reasonable. Its answer on the undisturbed face becomes part of the target, which the
student has to give for the disturbed one.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from emotional_dan_ros.training.augmentation import plain_crops
from emotional_dan_ros.training.faceset import FaceSet
from emotional_dan_ros.training.teachers import Teacher

_BATCH = 256

_log = logging.getLogger(__name__)


@torch.no_grad()
def teacher_targets(teacher: Teacher, faces: FaceSet, device: torch.device) -> Tensor:
    """Probabilities of the teacher, averaged over each face and its mirror image.

    Args:
        teacher: of any image size.
        faces: training faces.
        device: where to cut its crops.

    Returns:
        (N, C), rows sum to 1: as the teacher was trained to answer, without its calibration.
    """
    parts = []
    for start in range(0, len(faces), _BATCH):
        crops = plain_crops(faces.crops[start : start + _BATCH].to(device), teacher.image_size)
        parts.append(((teacher(crops) + teacher(crops.flip(3))) / 2).cpu())
    return torch.cat(parts)


def mean_answers(
    teachers: Mapping[str, Teacher], faces: FaceSet, folder: Path, device: torch.device, write: bool = True
) -> Tensor:
    """What several teachers say on average, (N, C); each is asked once, also when the run is started again.

    Args:
        teachers: at least one, each by what tells it from all others (the checksum of its file).
        faces: training faces.
        folder: where answers are kept.
        device: where to cut the teachers' crops.
        write: whether this process may write into the folder.
    """
    answers = []
    for number, (identity, teacher) in enumerate(teachers.items(), 1):

        def ask(number: int = number, teacher: Teacher = teacher) -> Tensor:
            _log.info("asking teacher %d of %d about %d faces", number, len(teachers), len(faces))
            return teacher_targets(teacher, faces, device)

        kept = folder / f"{identity[:12]}.safetensors"
        answers.append(remembered(kept, f"{identity} {faces.checksum()}", ask, write))
    return torch.stack(answers).mean(dim=0)


def with_answers(faces: FaceSet, answers: Tensor, share: float) -> FaceSet:
    """The same faces with ``share`` of each target taken from a teacher's ``answers`` (N, C)."""
    return dataclasses.replace(faces, targets=(1 - share) * faces.targets + share * answers)


def remembered(path: Path, asked: str, ask: Callable[[], Tensor], write: bool = True) -> Tensor:
    """The answers in ``path`` where they are to the same question, else those of ``ask``, which are then kept there.

    Args:
        path: safetensors file; it need not exist, and what else it holds is replaced.
        asked: the question, as text: which teacher and which faces.
        ask: called where the file does not answer.
        write: whether this process may write the file.
    """
    try:
        with safe_open(path, framework="pt") as kept:
            if (kept.metadata() or {}).get("asked") == asked:
                return kept.get_tensor("answers")
    except (OSError, SafetensorError):
        pass  # none yet, or one that a killed run left behind: both are written anew
    answers = ask()
    if write:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".partial")
        save_file({"answers": answers.contiguous()}, temporary, metadata={"asked": asked})
        temporary.replace(path)
    return answers
