"""The overlay: what is drawn, where, and that nothing else changes."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from emotional_dan_ros.core.labels import Emotion, valence_matrix
from emotional_dan_ros.core.render import PASSENGER_COLOURS_BGR, banner_text, colour_of, draw_overlay, emotion_lines
from emotional_dan_ros.core.types import AnomalyEvent, AnomalyKind, AnomalyPhase, EmotionState, FrameEmotions


def _state(track_id: int, box: tuple[float, float, float, float], probabilities: list[float]) -> EmotionState:
    p = np.asarray(probabilities, np.float32)
    x0, y0, x1, y1 = box
    grid = np.linspace(0.2, 0.8, 68)
    landmarks = np.stack([x0 + (x1 - x0) * grid, y0 + (y1 - y0) * grid[::-1]], axis=1).astype(np.float32)
    return EmotionState(track_id, np.asarray(box, np.float32), p, p @ valence_matrix(), landmarks, 0.9)


def _frame(image: np.ndarray, *states: EmotionState) -> FrameEmotions:
    return FrameEmotions(0, "camera", (image.shape[1], image.shape[0]), "test", states)


def _event(phase: AnomalyPhase = AnomalyPhase.START, track_id: int = 2, description: str = "fear") -> AnomalyEvent:
    return AnomalyEvent(0, "", 1, track_id, AnomalyKind.STARTLE, phase, 0.5, 0, Emotion.FEAR, 0.8, 0.1, description)


HAPPY = [0.02, 0.98, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        (HAPPY, ["Happiness 0.98"]),
        ([0.5, 0.0, 0.3, 0.0, 0.0, 0.0, 0.2], ["Neutral 0.50", "Sadness 0.30", "Anger 0.20"]),
        ([0.25, 0.25, 0.25, 0.25, 0, 0, 0], ["Neutral 0.25", "Happiness 0.25", "Sadness 0.25"]),
        ([0, 0, 0, 0, 0.905, 0.095, 0], ["Fear 0.91"]),
    ],
)
def test_emotion_lines(probabilities: list[float], expected: list[str]) -> None:
    got = emotion_lines(np.asarray(probabilities, np.float32))
    assert [line.split()[0] for line in got] == [line.split()[0] for line in expected]
    for mine, theirs in zip(got, expected, strict=True):
        assert float(mine.split()[1]) == pytest.approx(float(theirs.split()[1]), abs=0.0101)


@pytest.mark.parametrize("emotions", [None, FrameEmotions(0, "", (64, 48), "test")])
def test_nothing_to_draw_is_an_equal_copy(emotions: FrameEmotions | None) -> None:
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    drawn = draw_overlay(image, emotions)
    assert np.array_equal(drawn, image)
    assert not np.shares_memory(drawn, image)


@pytest.mark.parametrize("wh", [(320, 240), (640, 480), (1920, 1080), (3840, 2160)])
def test_box_label_and_landmarks_are_where_the_face_is(wh: tuple[int, int]) -> None:
    width, height = wh
    image = np.full((height, width, 3), 90, np.uint8)
    before = image.copy()
    box = (0.40 * width, 0.45 * height, 0.60 * width, 0.80 * height)
    state = _state(3, box, HAPPY)
    drawn = draw_overlay(image, _frame(image, state))
    assert np.array_equal(image, before)  # only asked about it
    colour = np.asarray(colour_of(3))
    middle_of_edge = drawn[round(0.6 * height), round(box[0])]
    assert np.array_equal(middle_of_edge, colour)
    for x, y in np.rint(state.landmarks_px).astype(int)[::9]:
        assert np.array_equal(drawn[y, x], colour)
    changed_rows, changed_columns = np.nonzero((drawn != image).any(axis=2))
    assert changed_rows.min() > 0.25 * height
    assert changed_rows.max() < 0.83 * height
    assert changed_columns.min() > 0.37 * width
    label = drawn[changed_rows.min() : round(box[1]) - 2, round(box[0]) : changed_columns.max()]
    white = (label > 200).all(axis=2)
    assert white.any(axis=1).sum() >= 7  # letters at least seven rows high are readable
    assert label.shape[0] < 0.12 * height + 12  # and the label leaves the picture to the picture


@pytest.mark.parametrize("box", [(-30, -20, 25, 30), (300, 200, 400, 300), (0, 0, 320, 240), (310, 0, 320, 5)])
def test_faces_at_the_border_keep_their_label_inside(box: tuple[float, float, float, float]) -> None:
    image = np.full((240, 320, 3), 90, np.uint8)
    drawn = draw_overlay(image, _frame(image, _state(1, box, HAPPY)))
    assert drawn.shape == image.shape
    assert (drawn > 200).all(axis=2).sum() > 60  # the words


def test_banner_for_active_events_only() -> None:
    image = np.full((240, 320, 3), 90, np.uint8)
    started = draw_overlay(image, None, [_event()])
    rows = np.nonzero((started != image).any(axis=(1, 2)))[0]
    assert rows.max() == 239
    assert rows.min() > 180
    assert np.array_equal(draw_overlay(image, None, [_event(AnomalyPhase.END)]), image)


def test_long_and_foreign_descriptions_fit() -> None:
    image = np.full((240, 320, 3), 90, np.uint8)
    drawn = draw_overlay(image, None, [_event(description="größte Angst " * 40)])
    assert not (drawn[:, -3:] > 200).all(axis=2).any()  # the words end before the border
    many = draw_overlay(image, None, [_event(track_id=i) for i in range(1, 30)])
    assert np.array_equal(many[:120], image[:120])  # thirty anomalies do not cover the faces


@pytest.mark.parametrize(("track_id", "who"), [(7, "! #7 Startle"), (0, "! Cabin Startle")])
def test_banner_text_names_who(track_id: int, who: str) -> None:
    assert banner_text(_event(track_id=track_id)).startswith(who)


def test_colours_are_told_apart_without_hue() -> None:
    """Neighbouring ids differ in lightness by several just noticeable steps (CIE L*, 2.3 each)."""
    patches = np.asarray(PASSENGER_COLOURS_BGR, np.uint8)[None]
    lightness = cv2.cvtColor(patches.astype(np.float32) / 255, cv2.COLOR_BGR2LAB)[0, :, 0]
    assert np.abs(np.diff(lightness)).min() > 3 * 2.3
    assert colour_of(1) == colour_of(1 + len(PASSENGER_COLOURS_BGR))


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)])
def test_wrong_image_is_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected uint8 \(H, W, 3\), got"):
        draw_overlay(image, None)


@pytest.mark.parametrize("landmark", [np.nan, np.inf, 1e30, -1e9])
@pytest.mark.parametrize("edge", [np.nan, 1e9, -1e9])
def test_states_that_make_no_sense_draw_nothing_strange(landmark: float, edge: float) -> None:
    """As they may come over the wire from anywhere: the overlay lives on."""
    image = np.full((120, 160, 3), 50, np.uint8)
    good = _state(1, (40, 40, 80, 90), HAPPY)
    bad = replace(
        good,
        landmarks_px=np.full((68, 2), landmark, np.float32),
        box_xyxy=np.array([edge, 0, 10, 10], np.float32),
    )
    picture = draw_overlay(image, _frame(image, good, bad))
    assert (picture[40, 40:80] != 50).any()
    assert (draw_overlay(image, _frame(image, bad))[60:, 80:] == 50).all()
