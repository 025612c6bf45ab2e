"""EmotionalDAN as the pipeline uses it: aligned crops in, emotion states out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from emotional_dan_ros.core.device import choose_device
from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.geometry import apply_affine, invert_affine
from emotional_dan_ros.core.inference import choose_dtype, make_engine
from emotional_dan_ros.core.labels import (
    DEFAULT_VALENCE_OF,
    EMOTION_NAMES,
    NUM_EMOTIONS,
    Emotion,
    Valence,
    valence_matrix,
)
from emotional_dan_ros.core.quality import face_quality
from emotional_dan_ros.core.types import CROP_SIZE_PX, NUM_LANDMARKS, EmotionState, Face, FrameEmotions, FrameFaces
from emotional_dan_ros.model.network import EmotionalDAN
from emotional_dan_ros.model.weights import WeightsInfo, load_weights


class CropPrediction(NamedTuple):
    """What the network says of a batch of crops.

    Attributes:
        landmarks_px: float32 (N, 68, 2), px of the 112 px crop.
        logits: float32 (N, 7), before temperature and prior.
        probabilities: float32 (N, 7), calibrated; rows sum to 1.
    """

    landmarks_px: NDArray[np.float32]
    logits: NDArray[np.float32]
    probabilities: NDArray[np.float32]


class EmotionRecognizer:
    """Recognises all faces of a frame in one batch.

    Args:
        model: network of seven classes in evaluation mode.
        info: what travels with its weights.
        device: where to compute.
        valence_of: where each emotion counts in the three-class problem.
        log_prior: added to the calibrated logits, one per emotion: raises or lowers how readily each
            emotion is said. None takes what the weights carry.
        max_batch: more crops than this are computed in several goes.
        precision: of the convolutions; ``auto`` (bfloat16 on processors with instructions for it, float16 on GPUs,
            float32 elsewhere), ``float32``, ``bfloat16`` or ``float16`` (GPUs alone).
        num_threads: of the processor, where it computes; None for as many as PyTorch is set to.

    Attributes:
        model: the network as it is trained, float32; what recognises is a faster form of the same tensors, which
            stays within 0.5 px and 0.02 in probability of it.
    """

    def __init__(
        self,
        model: EmotionalDAN,
        info: WeightsInfo,
        device: torch.device | str = "cpu",
        valence_of: Mapping[Emotion, Valence] = DEFAULT_VALENCE_OF,
        log_prior: Sequence[float] | None = None,
        max_batch: int = 256,
        precision: str = "auto",
        num_threads: int | None = None,
    ) -> None:
        if info.classes != EMOTION_NAMES:
            raise UserError(
                f"weights {info.name!r}: expected the classes {', '.join(EMOTION_NAMES)}, got {', '.join(info.classes)}"
            )
        prior = np.asarray(info.log_prior if log_prior is None else log_prior, dtype=np.float32)
        if prior.shape != (NUM_EMOTIONS,) or not np.isfinite(prior).all():
            raise UserError(f"log_prior: expected {NUM_EMOTIONS} finite numbers, got {prior.tolist()}")
        self.info = info
        self.device = torch.device(device)
        self.model = model.eval().to(self.device).to(memory_format=torch.channels_last)
        self._dtype = choose_dtype(precision, self.device)
        self._engine = make_engine(self.model, self.device, self._dtype, num_threads or torch.get_num_threads())
        self._prior = prior
        self._log_prior = prior
        self._valence = valence_matrix(valence_of)
        self._max_batch = max_batch

    @classmethod
    def load(
        cls,
        weights: str | Path = "rt",
        device: str = "auto",
        num_threads: int | None = None,
        valence_of: Mapping[Emotion, Valence] = DEFAULT_VALENCE_OF,
        log_prior: Sequence[float] | None = None,
        precision: str = "auto",
    ) -> EmotionRecognizer:
        """Load weights and make them ready.

        Args:
            weights: a shipped name or the path of a safetensors file.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
            num_threads: threads of PyTorch in this process; None leaves them.
            valence_of: see the class.
            log_prior: see the class.
            precision: see the class.

        Raises:
            UserError: weights that are missing or damaged, or a device or precision that is not there.
        """
        if num_threads is not None:
            if num_threads < 1:
                raise UserError(f"num_threads: expected at least 1, got {num_threads}")
            torch.set_num_threads(num_threads)
        chosen = choose_device(device)
        model, info = load_weights(weights)
        return cls(model, info, chosen, valence_of, log_prior, precision=precision, num_threads=num_threads)

    @property
    def model_name(self) -> str:
        """Name of the weights."""
        return self.info.name

    @property
    def precision(self) -> str:
        """What the convolutions are computed in: ``float32``, ``bfloat16`` or ``float16``."""
        return str(self._dtype).removeprefix("torch.")

    def set_prior_ratio(self, ratio: Sequence[float]) -> None:
        """Say some emotions more readily than the weights do, others less; holds from the next crops on.

        Each probability is multiplied by its number and all are made to sum to 1 again, which is the correction for
        passengers who show an emotion so many times as often as the faces the weights were calibrated on (Saerens,
        Latinne and Decaestecker 2002). Replaces what was set before.

        Args:
            ratio: one positive number per emotion, `Emotion` order; all 1 is what the weights say by themselves.

        Raises:
            UserError: another number of numbers, or one that is not positive and finite.
        """
        numbers = np.asarray(ratio, dtype=np.float64)
        if numbers.shape != (NUM_EMOTIONS,) or not (np.isfinite(numbers) & (numbers > 0)).all():
            raise UserError(
                f"prior_ratio: expected {NUM_EMOTIONS} positive numbers ({', '.join(EMOTION_NAMES)}), got {list(ratio)}"
            )
        self._log_prior = self._prior + np.log(numbers).astype(np.float32)

    def warm_up(self, batch_sizes: Sequence[int] = (1,)) -> None:
        """Compute once per batch size, so that the first real frame does not pay for allocation."""
        for size in batch_sizes:
            self.predict_crops(np.zeros((size, CROP_SIZE_PX, CROP_SIZE_PX), dtype=np.uint8))

    def predict_crops(self, crops: NDArray[np.uint8]) -> CropPrediction:
        """Run the network on aligned crops.

        Args:
            crops: uint8 (N, 112, 112), grey; N may be 0.

        Raises:
            ValueError: another shape or dtype.
        """
        if crops.dtype != np.uint8 or crops.ndim != 3 or crops.shape[1:] != (CROP_SIZE_PX, CROP_SIZE_PX):
            raise ValueError(
                f"expected uint8 crops of shape (N, {CROP_SIZE_PX}, {CROP_SIZE_PX}), got {crops.dtype} {crops.shape}"
            )
        if len(crops) == 0:
            empty = np.zeros((0, NUM_EMOTIONS), dtype=np.float32)
            return CropPrediction(np.zeros((0, NUM_LANDMARKS, 2), dtype=np.float32), empty, empty)
        parts = [self._predict(crops[i : i + self._max_batch]) for i in range(0, len(crops), self._max_batch)]
        return CropPrediction(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))

    def recognize(self, frame: FrameFaces) -> FrameEmotions:
        """Emotion states of all faces of a frame; none for a frame without faces."""
        states: tuple[EmotionState, ...] = ()
        if frame.faces:
            prediction = self.predict_crops(np.stack([face.crop for face in frame.faces]))
            states = tuple(self._state(face, prediction, i) for i, face in enumerate(frame.faces))
        return FrameEmotions(
            stamp_ns=frame.stamp_ns,
            frame_id=frame.frame_id,
            image_wh=frame.image_wh,
            model_name=self.model_name,
            states=states,
        )

    def _state(self, face: Face, prediction: CropPrediction, index: int) -> EmotionState:
        landmarks_px = apply_affine(prediction.landmarks_px[index], invert_affine(face.crop_from_source))
        return EmotionState(
            track_id=face.track_id,
            box_xyxy=face.box_xyxy,
            probabilities=prediction.probabilities[index],
            valence_probabilities=prediction.probabilities[index] @ self._valence,
            landmarks_px=landmarks_px,
            quality=face_quality(face.crop, face.crop_from_source, landmarks_px),
        )

    def _predict(self, crops: NDArray[np.uint8]) -> CropPrediction:
        result = self._engine(crops)
        landmarks, logits = result[:, : 2 * NUM_LANDMARKS], result[:, 2 * NUM_LANDMARKS :]
        scaled = logits / np.float32(self.info.temperature) + self._log_prior
        odds = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        probabilities = odds / odds.sum(axis=1, keepdims=True)
        return CropPrediction(landmarks.reshape(-1, NUM_LANDMARKS, 2), logits, probabilities)
