"""Targets mixed with what a trained network says of the same faces (knowledge distillation).

A label file holds one opinion of each face; a teacher has seen thousands of like faces and knows which
confusions are reasonable. Its answer on the undisturbed face becomes part of the target, which the
student has to give for the disturbed one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from emotional_dan_ros.training.augmentation import plain_crops
from emotional_dan_ros.training.faceset import FaceSet
from emotional_dan_ros.training.teachers import Teacher

_BATCH = 256


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
