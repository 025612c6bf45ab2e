"""Maps laid over pictures: in the right place, in the right strength, nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from emotional_dan_ros.core.heat_maps import paint_face_maps, paint_map
from emotional_dan_ros.core.labels import Emotion
from emotional_dan_ros.core.render import draw_overlay
from emotional_dan_ros.core.types import FaceMap

#: OpenCV's JET at 255 (BGR) laid over black with 0.6.
HOT_ON_BLACK = [0, 0, 77]


def face_map(affine, *hot: tuple[int, int]) -> FaceMap:
    heat = np.zeros((112, 112), np.uint8)
    for row, column in hot:
        heat[row, column] = 255
    return FaceMap(1, Emotion.FEAR, np.array(affine, np.float32), heat)


def test_clear_where_nothing_is() -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    assert (paint_map(image, np.zeros((20, 30))) == image).all()


def test_a_hot_place_lies_where_its_crop_was_cut() -> None:
    canvas = np.zeros((200, 240, 3), np.uint8)
    paint_face_maps(canvas, [face_map([[1, 0, -50], [0, 1, -60]], (10, 20))])  # map px = source px - (50, 60)
    assert np.argwhere(canvas.any(axis=2)).tolist() == [[70, 70]]
    assert canvas[70, 70].tolist() == HOT_ON_BLACK


def test_a_map_grows_with_a_face_larger_than_its_crop() -> None:
    canvas = np.zeros((300, 300, 3), np.uint8)
    paint_face_maps(canvas, [face_map([[0.5, 0, 0], [0, 0.5, 0]], (40, 30))])  # map px = half of source px
    rows, columns = np.nonzero(canvas[..., 2])
    assert (rows.mean(), columns.mean()) == (80.0, 60.0)
    assert canvas[80, 60].tolist() == HOT_ON_BLACK


def test_a_turned_crop_is_turned_back() -> None:
    canvas = np.zeros((200, 200, 3), np.uint8)
    # Upside down: map px = 150 - source px.
    paint_face_maps(canvas, [face_map([[-1, 0, 150], [0, -1, 150]], (10, 20))])
    assert np.argwhere(canvas.any(axis=2)).tolist() == [[140, 130]]


@pytest.mark.parametrize("shift", [(-1000, 0), (0, 1000), (40, 40), (-100, -100)])
def test_a_face_at_the_border_or_beyond(shift) -> None:
    canvas = np.zeros((60, 80, 3), np.uint8)
    everything = FaceMap(
        1, Emotion.ANGER, np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32), np.full((112, 112), 255, np.uint8)
    )
    paint_face_maps(canvas, [everything])
    ys, xs = np.mgrid[0:60, 0:80]
    inside = (xs + shift[0] >= 0) & (xs + shift[0] < 112) & (ys + shift[1] >= 0) & (ys + shift[1] < 112)
    assert (canvas.any(axis=2) == inside).all()


def test_the_overlay_lays_maps_under_everything_else() -> None:
    image = np.zeros((200, 240, 3), np.uint8)
    picture = draw_overlay(image, None, maps=[face_map([[1, 0, -50], [0, 1, -60]], (10, 20))])
    assert picture[70, 70].tolist() == HOT_ON_BLACK
    assert not image.any()
