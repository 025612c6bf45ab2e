"""The emotion classes, written once.

The order is AffectNet's and the original implementation's; everything else in the package (network
outputs, messages, tables) refers to these enums.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Emotion(IntEnum):
    """Seven basic emotions in AffectNet's order."""

    NEUTRAL = 0
    HAPPINESS = 1
    SADNESS = 2
    SURPRISE = 3
    FEAR = 4
    DISGUST = 5
    ANGER = 6

    @property
    def label(self) -> str:
        """Name for people, e.g. ``"Happiness"``."""
        return self.name.capitalize()


class Valence(IntEnum):
    """The three-class problem."""

    NEUTRAL = 0
    POSITIVE = 1
    NEGATIVE = 2

    @property
    def label(self) -> str:
        """Name for people, e.g. ``"Positive"``."""
        return self.name.capitalize()


NUM_EMOTIONS = len(Emotion)
NUM_VALENCES = len(Valence)
EMOTION_NAMES: tuple[str, ...] = tuple(e.name.lower() for e in Emotion)
VALENCE_NAMES: tuple[str, ...] = tuple(v.name.lower() for v in Valence)

#: Where each emotion counts in the three-class problem unless configured otherwise. Surprise has no
#: sign of its own; it counts as neutral so that a mere raised eyebrow is not an unhappy passenger.
DEFAULT_VALENCE_OF: Mapping[Emotion, Valence] = {
    Emotion.NEUTRAL: Valence.NEUTRAL,
    Emotion.HAPPINESS: Valence.POSITIVE,
    Emotion.SADNESS: Valence.NEGATIVE,
    Emotion.SURPRISE: Valence.NEUTRAL,
    Emotion.FEAR: Valence.NEGATIVE,
    Emotion.DISGUST: Valence.NEGATIVE,
    Emotion.ANGER: Valence.NEGATIVE,
}


def valence_matrix(valence_of: Mapping[Emotion, Valence] = DEFAULT_VALENCE_OF) -> NDArray[np.float32]:
    """Return the 7x3 matrix that folds emotion probabilities into the three classes.

    ``probabilities (..., 7) @ valence_matrix() -> (..., 3)``; each row holds a single one.

    Raises:
        ValueError: an emotion has no valence in ``valence_of``.
    """
    missing = [e.name.lower() for e in Emotion if e not in valence_of]
    if missing:
        raise ValueError(f"every emotion needs a valence; missing: {', '.join(missing)}")
    matrix = np.zeros((NUM_EMOTIONS, NUM_VALENCES), dtype=np.float32)
    for emotion in Emotion:
        matrix[emotion, valence_of[emotion]] = 1.0
    return matrix


def parse_valence_map(names: Sequence[str]) -> dict[Emotion, Valence]:
    """Read seven valence names in emotion order, as they stand in a parameter file.

    Raises:
        ValueError: the length is not seven or a name is not neutral, positive or negative.
    """
    if len(names) != NUM_EMOTIONS:
        raise ValueError(f"expected {NUM_EMOTIONS} valence names ({', '.join(EMOTION_NAMES)}), got {len(names)}")
    result: dict[Emotion, Valence] = {}
    for emotion, name in zip(Emotion, names, strict=True):
        if name.lower() not in VALENCE_NAMES:
            raise ValueError(
                f"valence of {emotion.name.lower()} must be one of {', '.join(VALENCE_NAMES)}, got {name!r}"
            )
        result[emotion] = Valence[name.upper()]
    return result
