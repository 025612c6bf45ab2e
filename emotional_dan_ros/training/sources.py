"""Training and validation faces from what a configuration names."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.training.config import SourceConfig
from emotional_dan_ros.training.faceset import FaceSet, base_size
from emotional_dan_ros.training.file_sources import read_affectnet, read_fer_csv, read_folders, read_rafdb
from emotional_dan_ros.training.landmark_files import with_landmarks
from emotional_dan_ros.training.npz_sources import read_npz, read_votes
from emotional_dan_ros.training.targets import Faces, mix_votes, one_hot, to_faceset

_log = logging.getLogger(__name__)

#: A source with a larger share of undecodable images is taken to be damaged.
_MAX_BROKEN_SHARE = 0.01

TRAINING, VALIDATION = 0, 1


#: Kind of a source -> its reader.
READERS: dict[str, Callable[[Path], Faces]] = {
    "npz": read_npz,
    "fer_csv": read_fer_csv,
    "affectnet": read_affectnet,
    "rafdb": read_rafdb,
    "folders": read_folders,
}


def open_faces(path: Path, kind: str | None = None) -> Faces:
    """Read the labels of a source; images are decoded when asked for.

    Args:
        path: file or folder.
        kind: one of `READERS`; None tells it from the path: ``.npz``, a table with a ``pixels`` column,
            another table (AffectNet), a folder with ``EmoLabel`` (RAF-DB), another folder.

    Raises:
        UserError: the source is missing, damaged or of unknown kind.
    """
    if kind is None:
        kind = _guess_kind(path)
    if kind not in READERS:
        raise UserError(f"source kind: expected one of {', '.join(READERS)}, got {kind!r}")
    return READERS[kind](path)


def _guess_kind(path: Path) -> str:
    if path.is_dir():
        return "rafdb" if (path / "EmoLabel").is_dir() else "folders"
    if path.suffix.lower() == ".csv" and path.is_file():
        with path.open() as stream:
            return "fer_csv" if "pixels" in stream.readline().lower() else "affectnet"
    if path.suffix.lower() == ".npz" or not path.exists():
        return "npz"
    raise UserError(
        f"{path}: expected an npz file, a csv table or a folder of faces, got a {path.suffix or 'plain'} file"
    )


def load_source(source: SourceConfig, image_size: int, usage: int = TRAINING) -> FaceSet:
    """Decode and align one source.

    Args:
        source: what and where.
        image_size: of the network.
        usage: which split of a file that has splits: training or validation.

    Raises:
        UserError: the source is missing, of unknown kind, or damaged.
    """
    faces = open_faces(Path(source.path), source.kind)
    if source.landmarks:
        faces = with_landmarks(faces, Path(source.landmarks))
    targets = one_hot(faces.emotion, source.label_smoothing)
    usable = np.ones(len(faces), dtype=bool)
    if source.votes:
        targets, usable = mix_votes(targets, read_votes(Path(source.votes), len(faces)), source.votes_share)
    chosen = np.flatnonzero((faces.usage == usage) & usable)
    if not len(chosen):
        raise UserError(f"{source.path} holds no faces for {'training' if usage == TRAINING else 'validation'}")
    faceset, broken = to_faceset(faces, chosen, targets, base_size(image_size), source.weight)
    report_broken(source.path, [faces.name(i) for i in broken], len(chosen))
    return faceset


def load_sources(sources: Sequence[SourceConfig], image_size: int) -> FaceSet:
    """All training sources as one set."""
    return FaceSet.concatenate([load_source(s, image_size) for s in sources])


def report_broken(path: str, broken: Sequence[str], total: int) -> None:
    """Say which images were skipped.

    Raises:
        UserError: more than 1 % of them.
    """
    if not broken:
        return
    listed = _some_of(broken)
    if len(broken) > _MAX_BROKEN_SHARE * total:
        raise UserError(f"{path}: {len(broken)} of {total} images do not decode (at most 1 % may): {listed}")
    _log.warning("%s: skipped %d of %d images that do not decode: %s", path, len(broken), total, listed)


def report_undetected(path: str, undetected: Sequence[str], total: int, done: str) -> None:
    """Say in which images no face was found, and what was done with them."""
    if undetected:
        some = _some_of(undetected)
        _log.warning("%s: no face found in %d of %d images, which are %s: %s", path, len(undetected), total, done, some)


def _some_of(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")


def checksum(path: str | Path) -> str:
    """SHA-256 of a file, or of the names and sizes of the files of a folder."""
    digest = hashlib.sha256()
    path = Path(path)
    if path.is_dir():
        for file in sorted(p for p in path.rglob("*") if p.is_file()):
            digest.update(f"{file.relative_to(path)} {file.stat().st_size}\n".encode())
        return digest.hexdigest()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
