"""Face images as others publish them: AffectNet, RAF-DB, Kaggle's FER2013 table, folders by class.

Every reader maps the corpus's labels to `Emotion` by name; labels outside the seven are left out.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.labels import EMOTION_NAMES, Emotion
from emotional_dan_ros.core.types import NUM_LANDMARKS

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})

#: Names under which corpora file the seven emotions.
EMOTION_ALIASES: dict[str, Emotion] = {
    **{e.name.lower(): e for e in Emotion},
    "happy": Emotion.HAPPINESS,
    "sad": Emotion.SADNESS,
    "surprised": Emotion.SURPRISE,
    "fearful": Emotion.FEAR,
    "afraid": Emotion.FEAR,
    "disgusted": Emotion.DISGUST,
    "angry": Emotion.ANGER,
}
#: FER2013's own numbers (Kaggle's table).
_FER_CLASSES = (
    Emotion.ANGER,
    Emotion.DISGUST,
    Emotion.FEAR,
    Emotion.HAPPINESS,
    Emotion.SADNESS,
    Emotion.SURPRISE,
    Emotion.NEUTRAL,
)
#: RAF-DB's numbers, which begin at 1.
_RAF_CLASSES = (
    Emotion.SURPRISE,
    Emotion.FEAR,
    Emotion.DISGUST,
    Emotion.HAPPINESS,
    Emotion.SADNESS,
    Emotion.ANGER,
    Emotion.NEUTRAL,
)
_FER_SIDE_PX = 48


@dataclass(eq=False)
class _Row:
    """One labelled image before it is read."""

    name: str
    read: Callable[[], NDArray[np.uint8] | None]
    emotion: Emotion
    usage: int
    landmarks: NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False)
class FileFaces:
    """Labelled faces that are read when asked for; see `targets.Faces`."""

    rows: Sequence[_Row]
    emotion: NDArray[np.int64] = field(init=False)
    landmarks: NDArray[np.float32] = field(init=False)
    landmarks_valid: NDArray[np.bool_] = field(init=False)
    usage: NDArray[np.uint8] = field(init=False)

    def __post_init__(self) -> None:
        none = np.zeros((NUM_LANDMARKS, 2), dtype=np.float32)
        values = {
            "emotion": np.array([r.emotion for r in self.rows], dtype=np.int64),
            "landmarks": np.stack([none if r.landmarks is None else r.landmarks for r in self.rows]),
            "landmarks_valid": np.array([r.landmarks is not None for r in self.rows]),
            "usage": np.array([r.usage for r in self.rows], dtype=np.uint8),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.rows)

    def image(self, index: int) -> NDArray[np.uint8] | None:
        """Image ``index`` as grey (H, W); None where it does not decode."""
        return self.rows[index].read()

    def name(self, index: int) -> str:
        """What to call image ``index`` in a message."""
        return self.rows[index].name


def read_fer_csv(path: Path) -> FileFaces:
    """Kaggle's ``fer2013.csv``: columns emotion, pixels, Usage (Training, PublicTest, PrivateTest)."""
    usages = {"training": 0, "publictest": 1, "privatetest": 2}
    rows = []
    for number, row in _csv_rows(path, ("emotion", "pixels")):
        label = _integer(path, number, "emotion", row["emotion"], range(len(_FER_CLASSES)))
        pixels = row["pixels"]
        usage = usages.get(row.get("Usage", "Training").strip().lower(), 0)
        rows.append(_Row(f"line {number}", lambda p=pixels: _fer_pixels(p), _FER_CLASSES[label], usage))  # type: ignore[misc]
    return _faces(path, rows)


def read_affectnet(path: Path) -> FileFaces:
    """AffectNet's ``training.csv``, ``validation.csv`` or ``automatically_annotated.csv``.

    Columns subDirectory_filePath, face_x, face_y, face_width, face_height, facial_landmarks (68 points,
    ``x;y;x;y…`` px of the image, where given), expression (0 to 6 in `Emotion` order; contempt, none,
    uncertain and no-face are left out). Images are looked for beside the table, and in the folders
    Manually_Annotated_Images and Automatically_Annotated_Images beside it.
    """
    usage = 1 if "valid" in path.stem.lower() else 0
    roots = [path.parent, *(path.parent / f"{kind}_Annotated_Images" for kind in ("Manually", "Automatically"))]
    rows = []
    for number, row in _csv_rows(path, ("subDirectory_filePath", "expression")):
        label = _integer(path, number, "expression", row["expression"], range(11))
        if label >= len(Emotion):
            continue
        relative = row["subDirectory_filePath"]
        file = next((r / relative for r in roots if (r / relative).is_file()), roots[0] / relative)
        rows.append(_affectnet_row(file, relative, row, Emotion(label), usage))
    return _faces(path, rows)


def read_rafdb(path: Path) -> FileFaces:
    """RAF-DB's basic set: the folder that holds EmoLabel/list_patition_label.txt and Image/aligned."""
    labels = path / "EmoLabel" / "list_patition_label.txt"
    if not labels.is_file():
        raise UserError(f"expected RAF-DB's EmoLabel/list_patition_label.txt in {path}, found none")
    rows = []
    for number, line in enumerate(labels.read_text().splitlines(), start=1):
        if not line.strip():
            continue
        name, _, text = line.strip().rpartition(" ")
        label = _integer(labels, number, "label", text, range(1, 8))
        stem = Path(name).stem
        file = path / "Image" / "aligned" / f"{stem}_aligned.jpg"
        usage = 0 if stem.startswith("train") else 1
        rows.append(_Row(file.name, lambda f=file: _read_grey(f), _RAF_CLASSES[label - 1], usage))  # type: ignore[misc]
    return _faces(path, rows)


def read_folders(path: Path) -> FileFaces:
    """A folder of images by class, directly or below train, val, validation or test.

    Class folders are named as the emotions in any usual form (happy, happiness, anger, angry …); other
    folders are left out.
    """
    if not path.is_dir():
        raise UserError(f"expected a folder of images by class at {path}, found none")
    splits = {"train": 0, "training": 0, "val": 1, "valid": 1, "validation": 1, "test": 1, "publictest": 1}
    inner = [(d, splits[d.name.lower()]) for d in sorted(path.iterdir()) if d.is_dir() and d.name.lower() in splits]
    rows = []
    for root, usage in inner or [(path, 0)]:
        for folder in sorted(d for d in root.iterdir() if d.is_dir()):
            emotion = EMOTION_ALIASES.get(folder.name.lower())
            if emotion is None:
                continue
            for file in sorted(f for f in folder.rglob("*") if f.suffix.lower() in IMAGE_SUFFIXES):
                name = str(file.relative_to(path))
                rows.append(_Row(name, lambda f=file: _read_grey(f), emotion, usage))  # type: ignore[misc]
    if not rows:
        raise UserError(f"{path}: expected folders named {', '.join(EMOTION_NAMES)} with images, found none")
    return _faces(path, rows)


def _faces(path: Path, rows: list[_Row]) -> FileFaces:
    if not rows:
        raise UserError(f"{path}: expected labelled faces of the seven emotions, found none")
    return FileFaces(rows)


def _csv_rows(path: Path, needed: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    if not path.is_file():
        raise UserError(f"expected a table at {path}, found none")
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    with path.open(newline="") as stream:
        reader = csv.DictReader(stream)
        missing = [c for c in needed if c not in (reader.fieldnames or ())]
        if missing:
            raise UserError(f"{path}: expected the column {missing[0]}, found {', '.join(reader.fieldnames or ())}")
        for row in reader:
            yield reader.line_num, row


def _integer(path: Path, number: int, column: str, text: str | None, allowed: range) -> int:
    try:
        value = int(text or "")
    except ValueError:
        value = allowed.start - 1
    if value not in allowed:
        raise UserError(f"{path}, line {number}: {column} must be {allowed.start} .. {allowed.stop - 1}, got {text!r}")
    return value


def _fer_pixels(text: str) -> NDArray[np.uint8] | None:
    try:
        values = np.array(text.split(), dtype=np.int64)
    except ValueError:
        return None
    if values.size != _FER_SIDE_PX**2 or values.min() < 0 or values.max() > 255:
        return None
    return values.astype(np.uint8).reshape(_FER_SIDE_PX, _FER_SIDE_PX)


def _read_grey(file: Path) -> NDArray[np.uint8] | None:
    image = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
    return None if image is None else np.asarray(image, dtype=np.uint8)


def _affectnet_row(file: Path, relative: str, row: dict[str, str], emotion: Emotion, usage: int) -> _Row:
    box = [row.get(c) or "" for c in ("face_x", "face_y", "face_width", "face_height")]
    try:
        x, y, width, height = (int(float(v)) for v in box)
    except ValueError:
        x = y = width = height = 0
    landmarks = _affectnet_landmarks(row.get("facial_landmarks") or "")
    if landmarks is not None:
        # A little room around the annotator's box: alignment by landmarks reaches beyond it.
        margin = max(width, height) // 3
        x, y, width, height = max(0, x - margin), max(0, y - margin), width + 2 * margin, height + 2 * margin
        landmarks = landmarks - np.array([x, y], dtype=np.float32)

    def read() -> NDArray[np.uint8] | None:
        image = _read_grey(file)
        if image is None or width <= 0 or height <= 0:
            return image
        face = image[max(0, y) : y + height, max(0, x) : x + width]
        return face if face.size else None

    return _Row(relative, read, emotion, usage, landmarks if width > 0 else None)


def _affectnet_landmarks(text: str) -> NDArray[np.float32] | None:
    try:
        values = np.array([float(v) for v in text.split(";") if v], dtype=np.float32)
    except ValueError:
        return None
    if values.size != 2 * NUM_LANDMARKS or not np.isfinite(values).all():
        return None
    return values.reshape(NUM_LANDMARKS, 2)
