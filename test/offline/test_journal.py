"""A journal survives being cut anywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.types import Detection
from emotional_dan_ros.offline.journal import FrameRecord, Journal


def _record(index: int, num_detections: int = 2) -> FrameRecord:
    rng = np.random.default_rng(index)
    detections = tuple(
        Detection(
            rng.normal(size=4).astype(np.float32), float(rng.uniform()), rng.normal(size=(5, 2)).astype(np.float32)
        )
        for _ in range(num_detections)
    )
    return FrameRecord(index * 40_000_000, detections, rng.bytes(30), rng.bytes(70))


def _assert_equal(a: FrameRecord, b: FrameRecord) -> None:
    assert (a.stamp_ns, a.faces, a.emotions, len(a.detections)) == (b.stamp_ns, b.faces, b.emotions, len(b.detections))
    for one, two in zip(a.detections, b.detections, strict=True):
        assert one.score == two.score
        assert np.array_equal(one.box_xyxy, two.box_xyxy)
        assert one.box_xyxy.dtype == np.float32
        assert np.array_equal(one.keypoints_px, two.keypoints_px)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    records = [_record(index, index % 3) for index in range(10)]
    for part in (records[:4], records[4:]):
        with Journal(path, b"run") as journal:
            for record in part:
                journal.append(record)
    with Journal(path, b"run") as journal:
        assert journal.num_records == 10
        for read, written in zip(journal.read(), records, strict=True):
            _assert_equal(read, written)


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
