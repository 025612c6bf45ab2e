"""The monitor's evidence against the exact CUSUM, which knows both distributions, at equal run length.

Frames are independent draws here, unlike real ones: that is the case in which theory says what is best.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import lgamma

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.anomaly import MonitorConfig, OutputModel, Thresholds
from emotional_dan_ros.core.anomaly.observer import PassengerObserver
from emotional_dan_ros.core.anomaly.states import FrameStates
from emotional_dan_ros.core.labels import NUM_EMOTIONS, Emotion
from monitor_bench.fit import expected_of, fit_outputs
from monitor_bench.streams import FaceOutputs

Floats = NDArray[np.float64]
#: Mean time to a false alarm at which delays are compared, s.
RUN_LENGTH_S = 600.0
#: The baseline is learnt in this time before anything counts, s.
RUN_IN_S = 120.0
#: Passengers simulated side by side: to find thresholds, and to measure delays.
PASSENGERS = 64
CHANGING_PASSENGERS = 512
#: Examples of each emotion from which the monitor learns what outputs mean.
EXAMPLES = 1500
_MAX_DELAY_S = 20.0


@dataclass(frozen=True, slots=True)
class Family:
    """Known distributions before and after a change.

    Attributes:
        name: for the table.
        draw: (rng, changed, n) -> (n, 7) probabilities.
        log_ratio: (n, 7) probabilities -> (n,) exact log-likelihood ratios, after against before.
        example: (rng, emotion, n) -> (n, 7) probabilities when that emotion is shown.
    """

    name: str
    draw: Callable[[np.random.Generator, bool, int], Floats]
    log_ratio: Callable[[Floats], Floats]
    example: Callable[[np.random.Generator, int, int], Floats]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Mean delays at the same mean time to a false alarm, s."""

    family: str
    hz: float
    run_length_s: float
    exact_s: float
    monitor_s: float

    @property
    def ratio(self) -> float:
        """How many times longer the monitor takes."""
        return self.monitor_s / self.exact_s


def seen_labels(name: str, before: Sequence[float], after: Sequence[float], distance: float) -> Family:
    """Labels drawn from emotion shares, seen by a calibrated classifier: x ~ N(d e_k, I), p = softmax(d x).

    With equal priors p is proportional to the likelihoods, so the exact ratio is sum(after p) / sum(before p).
    """
    shares = {False: np.asarray(before, dtype=np.float64), True: np.asarray(after, dtype=np.float64)}

    def show(rng: np.random.Generator, labels: NDArray[np.int64]) -> Floats:
        n = len(labels)
        feature = rng.normal(size=(n, NUM_EMOTIONS))
        feature[np.arange(n), labels] += distance
        exponents = np.exp(distance * (feature - feature.max(axis=1, keepdims=True)))
        result: Floats = exponents / exponents.sum(axis=1, keepdims=True)
        return result

    def draw(rng: np.random.Generator, changed: bool, n: int) -> Floats:
        return show(rng, rng.choice(NUM_EMOTIONS, size=n, p=shares[changed]))

    def example(rng: np.random.Generator, emotion: int, n: int) -> Floats:
        return show(rng, np.full(n, emotion))

    return Family(name, draw, lambda p: np.log(p @ shares[True]) - np.log(p @ shares[False]), example)


def dirichlet(name: str, before: Emotion, after: Emotion) -> Family:
    """Probabilities drawn from the Dirichlet distribution of one emotion and then from that of another."""
    table = {
        emotion: np.where(np.arange(NUM_EMOTIONS) == emotion, _OWN[emotion], _OTHERS) for emotion in range(NUM_EMOTIONS)
    }
    alpha = {False: table[before], True: table[after]}
    norm = {key: lgamma(float(a.sum())) - sum(lgamma(float(v)) for v in a) for key, a in alpha.items()}

    def draw(rng: np.random.Generator, changed: bool, n: int) -> Floats:
        return _dirichlet(rng, alpha[changed], n)

    def log_ratio(p: Floats) -> Floats:
        result: Floats = np.log(p) @ (alpha[True] - alpha[False]) + norm[True] - norm[False]
        return result

    return Family(name, draw, log_ratio, lambda rng, emotion, n: _dirichlet(rng, table[emotion], n))


def _dirichlet(rng: np.random.Generator, alpha: Floats, n: int) -> Floats:
    p = np.maximum(rng.dirichlet(alpha, size=n), 1e-12)
    result: Floats = p / p.sum(axis=1, keepdims=True)
    return result


#: Dirichlet parameters: of the emotion that is shown, and of the others.
_OWN = (3.5, 3.5, 3.0, 3.0, 2.5, 2.0, 3.0)
_OTHERS = np.array((1.0, 0.5, 0.4, 0.2, 0.4, 0.2, 0.3))
#: neutral, happiness, sadness, surprise, fear, disgust, anger
_USUAL = (0.70, 0.20, 0.03, 0.02, 0.02, 0.01, 0.02)
FAMILIES = (
    seen_labels("fear instead", _USUAL, (0.08, 0.02, 0.03, 0.03, 0.80, 0.02, 0.02), 2.0),
    seen_labels("fear half of the time", _USUAL, (0.35, 0.10, 0.015, 0.01, 0.51, 0.005, 0.01), 2.0),
    seen_labels("anger and disgust", _USUAL, (0.08, 0.02, 0.03, 0.01, 0.02, 0.40, 0.44), 2.0),
    dirichlet("Dirichlet, neutral to sadness", Emotion.NEUTRAL, Emotion.SADNESS),
)


def compare(family: Family, hz: float, seed: int, config: MonitorConfig) -> Comparison:
    """Find both thresholds for the run length, then both mean delays."""
    exact_h = np.linspace(0.5, 14.0, 400)
    monitor_h = np.geomspace(0.002, 60.0, 1200)
    outputs = learn(family, seed)
    watch = _Pair(family, outputs, hz, np.random.default_rng((seed, 1)), config, 6.0, PASSENGERS)
    watch.run(RUN_IN_S, changed=False)
    # Run lengths are about exponential, so twice the wanted one is enough to see most first alarms.
    exact, monitor = watch.first_crossings(2.0 * RUN_LENGTH_S, False, exact_h, monitor_h)
    exact_at = _threshold(exact_h, exact, 2.0 * RUN_LENGTH_S)
    monitor_at = _threshold(monitor_h, monitor, 2.0 * RUN_LENGTH_S)
    watch = _Pair(family, outputs, hz, np.random.default_rng((seed, 2)), config, monitor_at, CHANGING_PASSENGERS)
    watch.run(RUN_IN_S, changed=False)
    exact, monitor = watch.first_crossings(_MAX_DELAY_S, True, np.array([exact_at]), np.array([monitor_at]))
    return Comparison(family.name, hz, RUN_LENGTH_S, float(exact.mean()), float(monitor.mean()))


def _threshold(levels: Floats, first: Floats, watched_s: float) -> float:
    """Return the threshold with the wanted mean time to the first alarm, counted with those not seen."""
    crossed = first < watched_s
    run_length = np.minimum(first, watched_s).sum(axis=1) / np.maximum(crossed.sum(axis=1), 0.5)
    if run_length[-1] < RUN_LENGTH_S:
        raise SystemExit(f"no threshold up to {levels[-1]:g} has the wanted run length")
    index = int(np.argmax(run_length >= RUN_LENGTH_S))
    if index == 0:  # false alarms are rarer than that at any threshold
        return float(levels[0])
    low, high = np.log(run_length[index - 1]), np.log(run_length[index])
    share = (np.log(RUN_LENGTH_S) - low) / (high - low)
    return float(levels[index - 1] + share * (levels[index] - levels[index - 1]))


def learn(family: Family, seed: int) -> OutputModel:
    """Learn what outputs mean from examples of each emotion, as from faces (`fit_outputs`)."""
    rng = np.random.default_rng((seed, 0))
    examples = np.concatenate([family.example(rng, emotion, EXAMPLES) for emotion in range(NUM_EMOTIONS)])
    emotions = np.repeat(np.arange(NUM_EMOTIONS), EXAMPLES)
    one_pose = examples[:, None].astype(np.float32)
    return fit_outputs(FaceOutputs(family.name, emotions, one_pose, np.ones((len(emotions), 1), np.float32)), seed)


class _Pair:
    """The exact CUSUM and the monitor's evidence on the same draws."""

    def __init__(
        self,
        family: Family,
        outputs: OutputModel,
        hz: float,
        rng: np.random.Generator,
        config: MonitorConfig,
        guess: float,
        passengers: int,
    ) -> None:
        self._family, self._hz, self._rng = family, hz, rng
        self._frame = 0
        self._exact = np.zeros(passengers)
        self._rows = np.arange(passengers)
        flat = {**config.flat(), "memory.max_passengers": passengers}
        prior = expected_of(family.draw(np.random.default_rng(0), False, 5_000), outputs)
        thresholds = Thresholds(guess, 0.9, 0.9, (guess,))
        self._observer = PassengerObserver(MonitorConfig.from_flat(flat), thresholds, prior, outputs)
        for row in range(passengers):
            self._observer.table.add(row + 1, 0)
            self._observer.welcome(row, np.asarray(prior.mean_output), 0)

    def run(self, seconds: float, changed: bool) -> None:
        """Watch without counting."""
        for _ in range(round(seconds * self._hz)):
            self._step(changed)

    def first_crossings(
        self, seconds: float, changed: bool, exact_h: Floats, monitor_h: Floats
    ) -> tuple[Floats, Floats]:
        """Return when each threshold was first reached by each passenger, s, ``seconds`` where never.

        Shapes (thresholds, passengers).
        """
        first = [np.full((len(h), len(self._rows)), seconds) for h in (exact_h, monitor_h)]
        reached = [np.zeros(len(self._rows), dtype=np.intp) for _ in first]
        for index in range(round(seconds * self._hz)):
            self._step(changed)
            evidence = (self._exact, self._observer.change.evidence.max(axis=1))
            for which, levels in enumerate((exact_h, monitor_h)):
                now = np.searchsorted(levels, evidence[which], side="right")
                for row in np.flatnonzero(now > reached[which]):
                    first[which][reached[which][row] : now[row], row] = (index + 1) / self._hz
                    reached[which][row] = now[row]
        return first[0], first[1]

    def _step(self, changed: bool) -> None:
        n = len(self._rows)
        p = self._family.draw(self._rng, changed, n)
        self._exact = np.maximum(self._exact + self._family.log_ratio(p), 0.0)
        self._frame += 1
        stamp_ns = round(self._frame / self._hz * 1e9)
        ids = tuple(range(1, n + 1))
        states = FrameStates(ids, p, np.zeros((n, 4)), np.ones(n), 0)
        self._observer.observe(self._rows, states, stamp_ns)
