"""A teacher's answers become part of the targets."""

import pytest
import torch

from emotional_dan_ros.model.config import ModelConfig
from emotional_dan_ros.model.network import EmotionalDAN
from emotional_dan_ros.training.config import SourceConfig
from emotional_dan_ros.training.distillation import mean_answers, remembered, teacher_targets, with_answers
from emotional_dan_ros.training.sources import load_source
from emotional_dan_ros.training.teachers import EmotionalDANTeacher

CPU = torch.device("cpu")


@pytest.fixture
def faces(write_faces):
    return load_source(SourceConfig(path=str(write_faces(40))), 32)


def teacher_that_says(probabilities: list[float], image_size: int) -> EmotionalDAN:
    """A network whose emotion branch ignores its input."""
    model = EmotionalDAN(ModelConfig(image_size=image_size, width=0.125, heatmap_half_px=3))
    model.mean_shape.copy_(torch.rand(68, 2) * image_size)
    with torch.no_grad():
        model.stage2.emotion.weight.zero_()
        model.stage2.emotion.bias.copy_(torch.tensor(probabilities).log())
    return model


@pytest.mark.parametrize("image_size", [32, 48])
def test_targets_move_towards_the_teacher_by_its_share(faces, image_size):
    says = [0.4, 0.3, 0.1, 0.05, 0.05, 0.05, 0.05]
    teacher = EmotionalDANTeacher(teacher_that_says(says, image_size), CPU)
    answers = teacher_targets(teacher, faces, CPU)
    taught = with_answers(faces, answers, 0.25)
    assert torch.allclose(taught.targets, 0.75 * faces.targets + 0.25 * torch.tensor(says), atol=1e-6)
    assert torch.equal(taught.crops, faces.crops)


def test_a_face_and_its_mirror_image_get_the_same_answer(faces):
    model = teacher_that_says([1 / 7] * 7, 32)
    torch.manual_seed(0)
    torch.nn.init.normal_(model.stage2.emotion.weight)
    teacher = EmotionalDANTeacher(model, CPU)
    mirrored = type(faces)(faces.crops.flip(2), *[getattr(faces, f) for f in list(faces.__dataclass_fields__)[1:]])
    answers, mirror_answers = teacher_targets(teacher, faces, CPU), teacher_targets(teacher, mirrored, CPU)
    assert answers.std(dim=0).max() > 1e-3  # it does look at the faces
    assert torch.allclose(answers, mirror_answers, atol=1e-5)


def test_answers_are_asked_for_once_and_again_for_another_question_or_a_damaged_file(tmp_path):
    path, asked = tmp_path / "run" / "answers.safetensors", []

    def ask() -> torch.Tensor:
        asked.append(len(asked))
        return torch.full((2, 7), float(len(asked)))

    assert remembered(path, "who", ask)[0, 0] == 1
    assert remembered(path, "who", ask)[0, 0] == 1
    assert remembered(path, "somebody else", ask)[0, 0] == 2
    path.write_bytes(path.read_bytes()[:40])
    assert remembered(path, "somebody else", ask)[0, 0] == 3
    assert remembered(path, "a third", ask, write=False)[0, 0] == 4
    assert remembered(path, "somebody else", ask)[0, 0] == 3
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_several_teachers_say_their_mean_and_are_asked_once(faces, tmp_path):
    first, second = [0.4, 0.3, 0.1, 0.05, 0.05, 0.05, 0.05], [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.4]
    teachers = {
        "first by its checksum": EmotionalDANTeacher(teacher_that_says(first, 32), CPU),
        "the second by its own": EmotionalDANTeacher(teacher_that_says(second, 48), CPU),
    }
    answers = mean_answers(teachers, faces, tmp_path / "answers", CPU)
    assert torch.allclose(answers, torch.tensor([first, second]).mean(dim=0).expand(len(faces), 7), atol=1e-6)
    assert len(list((tmp_path / "answers").iterdir())) == 2

    def silent(crops):
        raise AssertionError("asked again")

    again = mean_answers(dict.fromkeys(teachers, silent), faces, tmp_path / "answers", CPU)
    assert torch.equal(again, answers)


def test_the_question_names_the_pixels(faces):
    other = faces.crops.clone()
    other[3, 5, 7] += 1
    assert faces.checksum() == faces.checksum()
    assert type(faces)(other, *[getattr(faces, f) for f in list(faces.__dataclass_fields__)[1:]]).checksum() != (
        faces.checksum()
    )
