"""A journal survives being cut anywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.types import EmotionState, Face, FrameEmotions, FrameFaces
from emotional_dan_ros.offline.journal import Journal
from emotional_dan_ros.offline.records import FrameRecord


def _record(index: int, num_faces: int = 2) -> FrameRecord:
    rng = np.random.default_rng(index)

    def floats(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    faces, states = [], []
    for _ in range(num_faces):
        crop = rng.integers(0, 256, (112, 112), dtype=np.uint8)
        box = floats(4)
        faces.append(Face(0, float(rng.uniform()), box, floats(5, 2), floats(2, 3), crop))
        states.append(EmotionState(0, box, floats(7), floats(3), floats(68, 2), float(np.float32(rng.uniform()))))
    stamp_ns, wh = index * 40_000_000, (640, 480 + index)
    return FrameRecord(
        FrameFaces(stamp_ns, "caméra", wh, tuple(faces)), FrameEmotions(stamp_ns, "caméra", wh, "rt", tuple(states))
    )


def _assert_equal(a: FrameRecord, b: FrameRecord, with_crops: bool = False) -> None:
    for one, two in ((a.found, b.found), (a.emotions, b.emotions)):
        assert (one.stamp_ns, one.frame_id, one.image_wh) == (two.stamp_ns, two.frame_id, two.image_wh)
    assert a.emotions.model_name == b.emotions.model_name
    for face, other in zip(a.found.faces, b.found.faces, strict=True):
        assert face.score == other.score
        for name in ("box_xyxy", "keypoints_px", "crop_from_source"):
            assert getattr(face, name).dtype == np.float32
            assert np.array_equal(getattr(face, name), getattr(other, name))
        assert np.array_equal(face.crop, other.crop) == with_crops
    for state, other in zip(a.emotions.states, b.emotions.states, strict=True):
        assert state.quality == other.quality
        for name in ("probabilities", "valence_probabilities", "landmarks_px"):
            assert np.array_equal(getattr(state, name), getattr(other, name))


@pytest.mark.parametrize("with_crops", [False, True])
def test_what_is_written_is_read(tmp_path: Path, with_crops: bool) -> None:
    path = tmp_path / "journal"
    records = [_record(index, index % 3) for index in range(10)]
    for part in (records[:4], records[4:]):
        with Journal(path, b"run", with_crops=with_crops) as journal:
            for record in part:
                journal.append(record)
    with Journal(path, b"run") as journal:
        assert journal.num_records == 10
        for read, written in zip(journal.read(), records, strict=True):
            _assert_equal(read, written, with_crops)


@pytest.mark.parametrize(("written", "kept"), [(0, 0), (3, 0), (4, 0), (5, 4), (8, 4), (9, 8)])
def test_a_journal_goes_back_to_its_last_keyframe(tmp_path: Path, written: int, kept: int) -> None:
    path = tmp_path / "journal"
    with Journal(path, b"run", interval=4) as journal:
        for index in range(written):
            journal.append(_record(index, 1))
    with Journal(path, b"run", interval=4) as journal:
        assert journal.num_records == kept
        journal.append(_record(99, 1))
        *before, last = journal.read()
    assert len(before) == kept
    _assert_equal(last, _record(99, 1))


def test_cut_anywhere_keeps_the_whole_records(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    ends = []
    with Journal(path, b"run") as journal:
        start = path.stat().st_size
        for index in range(3):
            journal.append(_record(index, 1))
            ends.append(path.stat().st_size)
    data = path.read_bytes()
    for cut in range(start, len(data), 5):
        path.write_bytes(data[:cut])
        with Journal(path, b"run") as journal:
            whole = sum(end <= cut for end in ends)
            assert journal.num_records == whole
            journal.append(_record(99, 1))
            records = list(journal.read())
        assert len(records) == whole + 1
        _assert_equal(records[-1], _record(99, 1))


def test_a_damaged_record_ends_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal(path, b"run") as journal:
        journal.append(_record(0))
        first_end = path.stat().st_size
        journal.append(_record(1))
    data = bytearray(path.read_bytes())
    data[first_end + 40] ^= 1
    path.write_bytes(data)
    with Journal(path, b"run") as journal:
        assert journal.num_records == 1


def test_a_cut_head_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(b"EDAN")
    with Journal(path, b"run") as journal:
        assert journal.num_records == 0
        journal.append(_record(0))
        assert len(list(journal.read())) == 1


def test_another_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal(path, b"run one") as journal:
        journal.append(_record(0))
    with pytest.raises(UserError, match="another run's"), Journal(path, b"run two"):
        pass
