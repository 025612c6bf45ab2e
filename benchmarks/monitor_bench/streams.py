"""Streams of passengers made of faces: episodes of one face each, ordinary ones and unexpected ones.

An ordinary passenger is neutral or happy, in episodes after a Markov chain. At known times an unexpected
episode comes between: sadness, surprise, fear, disgust or anger. Within an episode the network sees one
face that moves a little, so its errors last as long as the face does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.labels import NUM_EMOTIONS, Emotion

ORDINARY = (Emotion.NEUTRAL, Emotion.HAPPINESS)
UNEXPECTED = (Emotion.SADNESS, Emotion.SURPRISE, Emotion.FEAR, Emotion.DISGUST, Emotion.ANGER)
#: Shares of the time that these have in the chain below.
ORDINARY_SHARE = (0.62, 0.38)
#: How long an episode lasts, s.
EPISODE_S = (2.0, 20.0)
#: Ordinary time between unexpected episodes, s.
BETWEEN_S = (40.0, 120.0)
#: A face changes into the next one in this time, s.
CROSSFADE_S = 0.3
#: A face moves from one pose to the next in this time, s.
POSE_S = 0.4
#: Chance that an ordinary episode is followed by a happy one, after neutral and after happiness.
TO_HAPPINESS = {Emotion.NEUTRAL: 0.4, Emotion.HAPPINESS: 0.35}


@dataclass(frozen=True, slots=True, eq=False)
class FaceOutputs:
    """What a network says of faces.

    Attributes:
        name: of the network, or of what stands for it.
        emotion: int (faces,), the true one.
        probabilities: float32 (faces, poses, 7), of each face in several poses, lights and noises.
        quality: float32 (faces, poses), how far each can be trusted.
    """

    name: str
    emotion: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    quality: NDArray[np.float32]

    def part(self, which: int, of: int) -> FaceOutputs:
        """Return one of ``of`` parts of the faces."""
        return self._some(np.arange(len(self.emotion)) % of == which)

    def without(self, which: int, of: int) -> FaceOutputs:
        """Return all faces but those of `part`."""
        return self._some(np.arange(len(self.emotion)) % of != which)

    def _some(self, chosen: NDArray[np.bool_]) -> FaceOutputs:
        return FaceOutputs(self.name, self.emotion[chosen], self.probabilities[chosen], self.quality[chosen])


@dataclass(frozen=True, slots=True)
class Shown:
    """An expression from ``start_s`` to ``end_s``."""

    emotion: Emotion
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Episode:
    """An unexpected episode.

    Attributes:
        ride: index of the passenger.
        emotion: what is shown.
        start_s, end_s: when.
    """

    ride: int
    emotion: Emotion
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Streams:
    """Passengers watched side by side.

    Attributes:
        hz: frames in a second.
        probabilities: float32 (rides, frames, 7).
        quality: float32 (rides, frames).
        labels: int8 (rides, frames), what is truly shown.
        episodes: the unexpected ones, in order of ride and time.
    """

    hz: float
    probabilities: NDArray[np.float32]
    quality: NDArray[np.float32]
    labels: NDArray[np.int8]
    episodes: tuple[Episode, ...]

    @property
    def hours(self) -> float:
        """Passenger-hours."""
        return self.probabilities.shape[0] * self.probabilities.shape[1] / self.hz / 3600.0


def make_streams(
    outputs: FaceOutputs,
    rides: int,
    ride_s: float,
    hz: float,
    seed: int,
    own_faces: int | None = 3,
    unexpected: bool = True,
    forced: Sequence[Sequence[Shown]] = (),
) -> Streams:
    """Draw streams.

    Args:
        outputs: faces to draw from.
        rides: how many passengers.
        ride_s: how long each is watched.
        hz: frames in a second.
        seed: of the draw.
        own_faces: how many neutral and how many happy faces make up one passenger, who is the same person
            for the whole ride; None draws a stranger's face for every episode.
        unexpected: whether unexpected episodes come between.
        forced: for each ride, what is shown at given times besides, in order.
    """
    frames = round(ride_s * hz)
    probabilities = np.empty((rides, frames, NUM_EMOTIONS), dtype=np.float32)
    labels = np.empty((rides, frames), dtype=np.int8)
    quality = np.empty((rides, frames), dtype=np.float32)
    episodes: list[Episode] = []
    faces_of = {emotion: np.flatnonzero(outputs.emotion == emotion) for emotion in Emotion}
    for ride in range(rides):
        # A generator for each ride: the first rides are the same however many there are.
        rng = np.random.default_rng((seed, ride))
        own = {e: rng.choice(faces_of[e], own_faces or len(faces_of[e]), replace=False) for e in ORDINARY}
        plan = _plan(rng, ride_s, unexpected, forced[ride] if forced else ())
        starts = [start for start, _ in plan] + [ride_s]
        chosen = [int(rng.choice(own[e] if e in own else faces_of[e])) for _, e in plan]
        before: NDArray[np.float64] | None = None
        for index, (start, emotion) in enumerate(plan):
            first, last = round(start * hz), min(round(starts[index + 1] * hz), frames)
            fade = round(CROSSFADE_S * hz)
            track = _poses(rng, outputs.probabilities[chosen[index]], last - first + fade, hz)
            part = track[: last - first].copy()
            if before is not None:
                share = ((np.arange(min(fade, len(part))) + 1.0) / (fade + 1.0))[:, None]
                part[: len(share)] = share * part[: len(share)] + (1.0 - share) * before[: len(share)]
            before = track[last - first :]
            probabilities[ride, first:last] = part
            labels[ride, first:last] = emotion
            quality[ride, first:last] = outputs.quality[chosen[index]].mean()
            if emotion in UNEXPECTED:
                episodes.append(Episode(ride, emotion, first / hz, last / hz))
    return Streams(hz, probabilities, quality, labels, tuple(episodes))


def join(parts: Sequence[Streams]) -> Streams:
    """Return the passengers of several streams of the same length side by side."""
    episodes: list[Episode] = []
    rides = 0
    for part in parts:
        episodes += [replace(episode, ride=episode.ride + rides) for episode in part.episodes]
        rides += len(part.probabilities)
    return Streams(
        parts[0].hz,
        np.concatenate([part.probabilities for part in parts]),
        np.concatenate([part.quality for part in parts]),
        np.concatenate([part.labels for part in parts]),
        tuple(episodes),
    )


def true_labels(streams: Streams) -> Streams:
    """Return the same streams as a network without errors would see them."""
    certain = np.eye(NUM_EMOTIONS, dtype=np.float32)[streams.labels]
    return Streams(streams.hz, certain, streams.quality, streams.labels, streams.episodes)


def synthetic_outputs(accuracy_distance: float, faces: int, poses: int, seed: int) -> FaceOutputs:
    """Draw outputs of a perfectly calibrated classifier without a network.

    Each face has a feature vector x ~ N(d e_k, I) around its emotion k, of whose variance a tenth changes
    from pose to pose; the exact posterior with equal priors is softmax(d x).
    """
    rng = np.random.default_rng(seed)
    emotion = np.arange(faces) % NUM_EMOTIONS
    rng.shuffle(emotion)
    lasting = rng.normal(0.0, np.sqrt(0.9), (faces, 1, NUM_EMOTIONS))
    passing = rng.normal(0.0, np.sqrt(0.1), (faces, poses, NUM_EMOTIONS))
    feature = accuracy_distance * np.eye(NUM_EMOTIONS)[emotion][:, None] + lasting + passing
    probabilities = _softmax(accuracy_distance * feature).astype(np.float32)
    return FaceOutputs("synthetic", emotion.astype(np.int64), probabilities, np.ones((faces, poses), np.float32))


def _plan(
    rng: np.random.Generator, ride_s: float, unexpected: bool, forced: Sequence[Shown]
) -> list[tuple[float, Emotion]]:
    """Return (start in s, emotion) of all episodes of a ride."""
    plan: list[tuple[float, Emotion]] = []
    due = list(forced)
    now, emotion = 0.0, Emotion.NEUTRAL
    next_unexpected = rng.uniform(*BETWEEN_S) if unexpected else np.inf
    while now < ride_s:
        length = rng.uniform(*EPISODE_S)
        if due and now >= due[0].start_s:
            plan.append((now, due[0].emotion))
            now = due.pop(0).end_s
            continue
        if due:
            length = min(length, due[0].start_s - now)
        if now >= next_unexpected and now + length < ride_s:
            plan.append((now, UNEXPECTED[int(rng.integers(len(UNEXPECTED)))]))
            next_unexpected = now + length + rng.uniform(*BETWEEN_S)
        else:
            emotion = Emotion.HAPPINESS if rng.random() < TO_HAPPINESS[emotion] else Emotion.NEUTRAL
            plan.append((now, emotion))
        now += length
    return plan


def _poses(rng: np.random.Generator, poses: NDArray[np.float32], frames: int, hz: float) -> NDArray[np.float64]:
    """Wander between the poses of a face (poses, 7): linear in log-probability, (frames, 7)."""
    logs = np.log(np.maximum(poses.astype(np.float64), 1e-6))
    stops = rng.integers(len(poses), size=int(frames / hz / POSE_S) + 2)
    place = np.arange(frames) / hz / POSE_S
    left = place.astype(np.int64)
    share = (place - left)[:, None]
    return _softmax((1.0 - share) * logs[stops[left]] + share * logs[stops[left + 1]])


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    exponents = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: NDArray[np.float64] = exponents / exponents.sum(axis=-1, keepdims=True)
    return result
