"""Corpora as others publish them, made up in small: labels by name, landmarks in place, errors in one line."""

import cv2
import numpy as np
import pytest

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.labels import Emotion
from emotional_dan_ros.training.landmark_files import with_landmarks, write_landmarks
from emotional_dan_ros.training.sources import open_faces


def _picture(path, value=100, side=60):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((side, side), value, dtype=np.uint8)
    image[10, 20] = 255
    cv2.imwrite(str(path), image)
    return path


def test_kaggle_table_maps_fer_numbers_by_name(tmp_path):
    pixels = " ".join(["7"] * 48 * 48)
    lines = ["emotion,pixels,Usage"] + [
        f"{k},{pixels},{u}" for k, u in zip(range(7), ["Training"] * 5 + ["PublicTest", "PrivateTest"], strict=True)
    ]
    (tmp_path / "fer2013.csv").write_text("\n".join(lines))
    faces = open_faces(tmp_path / "fer2013.csv")
    names = [Emotion(e).name for e in faces.emotion]
    assert names == ["ANGER", "DISGUST", "FEAR", "HAPPINESS", "SADNESS", "SURPRISE", "NEUTRAL"]
    assert faces.usage.tolist() == [0, 0, 0, 0, 0, 1, 2]
    assert faces.image(0).shape == (48, 48)
    assert (faces.image(0) == 7).all()


def test_kaggle_rows_with_broken_pixels_do_not_decode(tmp_path):
    (tmp_path / "fer.csv").write_text("emotion,pixels,Usage\n3,1 2 3,Training\n3,a b,Training\n")
    faces = open_faces(tmp_path / "fer.csv")
    assert faces.image(0) is None
    assert faces.image(1) is None


def test_affectnet_keeps_seven_classes_and_moves_landmarks_with_the_crop(tmp_path):
    _picture(tmp_path / "Manually_Annotated_Images" / "1" / "a.jpg", side=200)
    marks = ";".join(f"{50 + i};{80 + i}" for i in range(68))
    header = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
    rows = [f"1/a.jpg,60,60,90,90,{marks},4,0,0", f"1/a.jpg,60,60,90,90,{marks},7,0,0", "1/b.jpg,0,0,9,9,,1,0,0"]
    (tmp_path / "validation.csv").write_text("\n".join([header, *rows]))
    faces = open_faces(tmp_path / "validation.csv")
    assert [Emotion(e) for e in faces.emotion] == [Emotion.FEAR, Emotion.HAPPINESS]
    assert faces.usage.tolist() == [1, 1]
    # A third of the box is added on each side: 60 - 30 = 30 px cut off left and above; 90 + 60 remain.
    assert faces.image(0).shape == (150, 150)
    assert faces.landmarks[0, 0].tolist() == [20, 50]
    assert faces.landmarks_valid.tolist() == [True, False]
    assert faces.image(1) is None  # the file is not there
    assert "b.jpg" in faces.name(1)


def test_rafdb_numbers_begin_at_one_with_surprise(tmp_path):
    (tmp_path / "EmoLabel").mkdir()
    (tmp_path / "EmoLabel" / "list_patition_label.txt").write_text("train_00001.jpg 1\ntest_0001.jpg 7\n")
    _picture(tmp_path / "Image" / "aligned" / "train_00001_aligned.jpg")
    faces = open_faces(tmp_path)
    assert [Emotion(e) for e in faces.emotion] == [Emotion.SURPRISE, Emotion.NEUTRAL]
    assert faces.usage.tolist() == [0, 1]
    assert faces.image(0).shape == (60, 60)
    assert faces.image(1) is None


def test_folders_by_class_in_any_usual_name(tmp_path):
    for name in ("train/angry/1.png", "train/Happy/2.png", "train/contempt/3.png", "test/neutral/4.png"):
        _picture(tmp_path / name)
    faces = open_faces(tmp_path)
    found = {(faces.name(i), Emotion(faces.emotion[i]).name, int(faces.usage[i])) for i in range(len(faces))}
    assert found == {
        ("train/angry/1.png", "ANGER", 0),
        ("train/Happy/2.png", "HAPPINESS", 0),
        ("test/neutral/4.png", "NEUTRAL", 1),
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("emotion,pixels\n9,1", "line 2: emotion must be 0 .. 6, got '9'"),
        ("emotion,pixels\nx,1", "got 'x'"),
        ("pixels\n1", "expected the column emotion"),
        ("emotion,pixels\n", "found none"),
    ],
)
def test_tables_that_do_not_fit(tmp_path, text, says):
    (tmp_path / "fer.csv").write_text(text)
    with pytest.raises(UserError) as caught:
        open_faces(tmp_path / "fer.csv")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_source(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    for path, says in [
        (tmp_path / "notes.txt", "expected an npz"),
        (tmp_path / "none.npz", "found none"),
        (tmp_path, "expected folders"),
    ]:
        with pytest.raises(UserError, match=says):
            open_faces(path)
    with pytest.raises(UserError, match="source kind"):
        open_faces(tmp_path, "lmdb")


def test_landmarks_of_a_file_fill_what_the_source_lacks(tmp_path, write_faces):
    for name in ("happy/1.png", "sad/2.png"):
        _picture(tmp_path / "set" / name)
    faces = open_faces(tmp_path / "set")
    marks = np.arange(2 * 68 * 2, dtype=np.float32).reshape(2, 68, 2)
    write_landmarks(tmp_path / "marks.npz", faces, marks, np.array([True, False]))
    annotated = with_landmarks(faces, tmp_path / "marks.npz")
    assert annotated.landmarks_valid.tolist() == [True, False]
    assert np.array_equal(annotated.landmarks, marks)
    assert np.array_equal(annotated.image(1), faces.image(1))
    with pytest.raises(UserError, match="other faces"):
        with_landmarks(open_faces(write_faces(20)), tmp_path / "marks.npz")
    with pytest.raises(UserError, match="found none"):
        with_landmarks(faces, tmp_path / "other.npz")
