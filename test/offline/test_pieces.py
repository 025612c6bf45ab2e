"""Recordings cut at keyframes, and results of pieces kept in files."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.keyframes import KeyframeSchedule
from emotional_dan_ros.core.types import FrameEmotions, FrameFaces
from emotional_dan_ros.offline.inputs import StampOrder
from emotional_dan_ros.offline.pieces import WHOLE, Piece, PieceFolder, PieceResult, cut
from emotional_dan_ros.offline.places import Place
from emotional_dan_ros.offline.records import FrameRecord, encode

MS = 1_000_000


def _cut(stamps_ms: list[int], bad: set[int], interval: int, num_frames: int) -> list[Piece]:
    places = [Place(ms * MS, index) for index, ms in enumerate(stamps_ms)]
    return list(cut(places, bad, StampOrder(), interval, num_frames))


@pytest.mark.parametrize(
    ("stamps_ms", "bad", "interval", "num_frames", "expected"),
    [
        ([], set(), 1, 3, []),
        ([0, 40, 80], set(), 1, 3, [Piece(0, 3)]),
        ([0, 40, 80, 120], set(), 1, 3, [Piece(0, 3), Piece(3, 4)]),
        # Keyframes are 0, 4, 8: the first one at or after three frames is 4.
        (list(range(0, 360, 40)), set(), 4, 3, [Piece(0, 4), Piece(4, 8), Piece(8, 9)]),
        (list(range(0, 360, 40)), set(), 4, 5, [Piece(0, 8), Piece(8, 9)]),
        # An image that does not decode does not count: keyframes are 0, 5 and 9.
        (list(range(0, 400, 40)), {2}, 4, 4, [Piece(0, 5, (2,)), Piece(5, 9), Piece(9, 10)]),
        # Neither does one out of order (80 again), and a jump back of more than a second begins anew.
        ([2000, 2040, 2080, 2080, 2120, 0, 40], set(), 4, 2, [Piece(0, 5, (3,)), Piece(5, 7)]),
        ([0, 40], {0, 1}, 1, 3, []),
    ],
)
def test_cut(stamps_ms: list[int], bad: set[int], interval: int, num_frames: int, expected: list[Piece]) -> None:
    assert _cut(stamps_ms, bad, interval, num_frames) == expected


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([40, 40, 40, 0, -30, 700, -5000]), min_size=1, max_size=80),
    st.sets(st.integers(0, 79)),
    st.integers(1, 12),
    st.integers(1, 20),
)
def test_pieces_hold_every_frame_once_and_begin_with_its_keyframes(
    steps_ms: list[int], bad: set[int], interval: int, num_frames: int
) -> None:
    stamps = [int(ms) for ms in 10_000 + np.cumsum(steps_ms)]
    order, schedule = StampOrder(), KeyframeSchedule(interval)
    taken = [i for i, ms in enumerate(stamps) if i not in bad and order.takes(ms * MS)]
    keyframes = {i for i in taken if schedule.is_keyframe(stamps[i] * MS)}
    pieces = _cut(stamps, bad, interval, num_frames)
    inside = [[i for i in range(p.first, p.end or 0) if i not in p.left_out] for p in pieces]
    assert [i for piece in inside for i in piece] == taken
    assert all(piece[0] in keyframes for piece in inside)
    assert all(len(piece) >= num_frames for piece in inside[:-1])


def _result(stamps_ms: list[int], bad: tuple[tuple[int, str], ...] = ()) -> PieceResult:
    records = [
        FrameRecord(FrameFaces(ms * MS, "camera", (64, 48)), FrameEmotions(ms * MS, "camera", (64, 48), "rt"))
        for ms in stamps_ms
    ]
    return PieceResult(len(records), bad, (), b"".join(encode(record, False) for record in records))


def test_what_is_put_is_found(tmp_path) -> None:
    folder = PieceFolder(tmp_path / "pieces")
    pieces = [Piece(0, 3), Piece(3, 5, (4,)), WHOLE]
    for piece, stamps in zip(pieces, ([0, 40, 80], [120], [1, 2]), strict=True):
        assert folder.look_up(piece) is None
        folder.put(piece, _result(stamps))
    again = PieceFolder(tmp_path / "pieces")
    assert [again.look_up(piece).num_frames for piece in pieces] == [3, 1, 2]
    assert [record.stamp_ns // MS for record in again.records(pieces[:2])] == [0, 40, 80, 120]
    assert [record.stamp_ns // MS for record in again.records([WHOLE])] == [1, 2]


def test_a_result_holds_for_the_piece_that_leaves_out_what_did_not_decode(tmp_path) -> None:
    folder = PieceFolder(tmp_path)
    folder.put(Piece(0, 4, (1,)), _result([0, 120], ((2, "image 2: broken"),)))
    assert folder.look_up(Piece(0, 4, (1,))).bad == ((2, "image 2: broken"),)
    assert folder.look_up(Piece(0, 4, (1, 2))).num_frames == 2
    assert folder.look_up(Piece(0, 4)) is None
    assert folder.look_up(Piece(0, 4, (1, 3))) is None


def test_a_damaged_file_is_told(tmp_path) -> None:
    folder = PieceFolder(tmp_path)
    folder.put(Piece(0, 2), _result([0, 40]))
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(UserError, match="damage"):
        list(folder.records([Piece(0, 2)]))
