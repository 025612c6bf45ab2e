"""Find faces and their five keypoints in one camera image (MTCNN)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from emotional_dan_ros.core import mtcnn
from emotional_dan_ros.core.boxes import box_sides, non_maximum_suppression, shift_by_offsets, to_squares
from emotional_dan_ros.core.detector_config import PROPOSAL_WINDOW_PX, DetectorConfig
from emotional_dan_ros.core.device import choose_device
from emotional_dan_ros.core.frame_views import DeviceViews, FrameViews, HostViews
from emotional_dan_ros.core.single_threads import SingleThreads
from emotional_dan_ros.core.types import Detection

#: Overlap above which the weaker of two boxes goes: among the proposals of one scale, among those of
#: all scales and of the second network, and among the final faces (there over the smaller box).
_OVERLAP_IN_SCALE, _OVERLAP_OF_PROPOSALS, _OVERLAP_OF_FACES = 0.5, 0.7, 0.7

#: So many crops are worth another thread.
_CROPS_TO_SHARE_OUT = 16

_Arrays = tuple[NDArray[np.float32], ...]


class FaceDetector:
    """MTCNN on one image at a time; not to be shared by threads.

    Args:
        config: how to look for faces.
        device: "cpu", "cuda" or "cuda:<index>", or "auto" (CUDA where there is one).
        resample_on_device: upload each frame once and resample it on the device; None does so on GPUs.

    Raises:
        UserError: CUDA was asked for and is not there, or the weights are not installed.
    """

    def __init__(
        self, config: DetectorConfig | None = None, device: str = "cpu", resample_on_device: bool | None = None
    ) -> None:
        self.config = config or DetectorConfig()
        self.device = choose_device(device)
        on_device = self.device.type != "cpu" if resample_on_device is None else resample_on_device
        self._views: type[HostViews | DeviceViews] = DeviceViews if on_device else HostViews
        self._nets = mtcnn.load_nets(self.device)
        self._threads = SingleThreads(torch.get_num_threads()) if self.device.type == "cpu" else None

    def open(self, image: NDArray[np.uint8]) -> FrameViews:
        """Take an image that `detect` and `verify` both have to look at: it is uploaded and shrunken only once.

        Args:
            image: uint8, BGR (H, W, 3) or grey (H, W), any size from 1x1 and any strides; not to be written to as long
                as it is looked at.

        Raises:
            UserError: the array is not such an image or has no pixels.
        """
        return self._views(image, self.device)

    def warm_up(self) -> None:
        """Compute once with every network, so that the first real image does not pay for allocation."""
        image = np.zeros((240, 320, 3), np.uint8)
        self.detect(image)
        self.verify(image, np.array([[100, 60, 200, 160]], np.float32))

    @torch.inference_mode()
    def detect(self, image: NDArray[np.uint8] | FrameViews) -> tuple[Detection, ...]:
        """Find the faces of one image.

        Args:
            image: as for `open`, or what that made of it.

        Returns:
            Faces, best first; boxes are clipped to the image, keypoints may lie outside. Empty where
            there is no face.

        Raises:
            UserError: the array is not such an image or has no pixels.
        """
        views = image if isinstance(image, FrameViews) else self.open(image)
        boxes = self._propose(views)
        boxes = self._refine(views, boxes)
        return self._finish(views, boxes)

    def verify(
        self, image: NDArray[np.uint8] | FrameViews, boxes_xyxy: NDArray[np.float32]
    ) -> tuple[Detection | None, ...]:
        """Look for faces again where they were a moment ago, all in one batch.

        The second network brings each box onto its face, the third judges and measures it. That takes a few
        percent of the time of `detect` and finds a face that moved by up to about a quarter of its side.

        Args:
            image: as for `detect`.
            boxes_xyxy: float32 (N, 4), where the faces were, px of this image.

        Returns:
            For each box its face, or None where there is none any more.

        Raises:
            UserError: as for `detect`.
        """
        views = image if isinstance(image, FrameViews) else self.open(image)
        if self._threads is not None:
            return self._threads.run(lambda: self._verify(views, boxes_xyxy))
        with torch.inference_mode():
            return self._verify(views, boxes_xyxy)

    def _verify(self, views: FrameViews, boxes_xyxy: NDArray[np.float32]) -> tuple[Detection | None, ...]:
        result: list[Detection | None] = [None] * len(boxes_xyxy)
        boxes, crops, refined = views.crops(to_squares(boxes_xyxy), mtcnn.REFINE_CROP_PX)
        if len(boxes) == 0:
            return tuple(result)
        _, offsets = _in_numpy(self._nets.refine(crops))
        squares = to_squares(shift_by_offsets(boxes, offsets))
        boxes, crops, judged = views.crops(squares, mtcnn.OUTPUT_CROP_PX)
        if len(boxes) == 0:
            return tuple(result)
        answers = _in_numpy(self._nets.output(crops))
        for index, face in zip(refined[judged], self._faces(boxes, answers, views.image_wh), strict=True):
            result[index] = face
        return tuple(result)

    def _propose(self, views: FrameViews) -> NDArray[np.float32]:
        """First stage: squares (N, 4) in source px that may hold a face, strongest first."""
        threshold = _logit(self.config.thresholds[0])
        levels = [views.scaled(scale) for scale in self.config.search_scales(views.image_wh)]
        found_boxes, found_logits = [np.zeros((0, 4), np.float32)], [np.zeros(0, np.float32)]
        for level, ((logits,), (offsets,)) in zip(levels, self._each(self._nets.proposal, levels), strict=True):
            rows, columns = np.nonzero(logits >= threshold)
            if len(rows) == 0:
                continue
            strongest = np.argsort(-logits[rows, columns], kind="stable")[: 2 * self.config.max_proposals]
            rows, columns = rows[strongest], columns[strongest]
            corners = mtcnn.PROPOSAL_STRIDE_PX * np.stack([columns, rows], axis=1).astype(np.float32)
            windows = np.concatenate([corners, corners + PROPOSAL_WINDOW_PX], axis=1)
            source_per_level = np.divide(views.image_wh, level.shape[:1:-1], dtype=np.float32)
            windows *= np.tile(source_per_level, 2)
            keep = non_maximum_suppression(windows, _OVERLAP_IN_SCALE)
            found_boxes.append(shift_by_offsets(windows[keep], offsets[:, rows[keep], columns[keep]].T))
            found_logits.append(logits[rows[keep], columns[keep]])

        boxes, logits = np.concatenate(found_boxes), np.concatenate(found_logits)
        boxes = boxes[np.argsort(-logits, kind="stable")]
        boxes = boxes[non_maximum_suppression(boxes, _OVERLAP_OF_PROPOSALS)]
        return to_squares(boxes[: self.config.max_proposals])

    def _refine(self, views: FrameViews, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Second stage: the proposals (N, 4) that still look like faces, corrected, best first."""
        boxes, crops, _ = views.crops(boxes, mtcnn.REFINE_CROP_PX)
        if len(boxes) == 0:
            return boxes
        logits, offsets = self._in_parts(self._nets.refine, crops)
        best = _best_first(logits, self.config.thresholds[1])
        best = best[non_maximum_suppression(boxes[best], _OVERLAP_OF_PROPOSALS)]
        return to_squares(shift_by_offsets(boxes[best], offsets[best]))

    def _finish(self, views: FrameViews, boxes: NDArray[np.float32]) -> tuple[Detection, ...]:
        """Third stage: the faces with their keypoints."""
        boxes, crops, _ = views.crops(boxes, mtcnn.OUTPUT_CROP_PX)
        if len(boxes) == 0:
            return ()
        answers = self._in_parts(self._nets.output, crops)
        faces = [face for face in self._faces(boxes, answers, views.image_wh) if face is not None]
        faces.sort(key=lambda face: -face.score)
        if not faces:
            return ()
        # Over the boxes as clipped: what of a face is outside the image nobody sees.
        kept = non_maximum_suppression(np.stack([face.box_xyxy for face in faces]), _OVERLAP_OF_FACES, True)
        return tuple(faces[i] for i in kept)

    def _each(self, net: nn.Module, batches: Sequence[Tensor]) -> list[_Arrays]:
        """What a network says of each batch."""
        if self._threads is None:
            answers = [net(batch) for batch in batches]  # the device has work while the first one comes back
            return [_in_numpy(tensors) for tensors in answers]
        return self._threads.map(lambda batch: _in_numpy(net(batch)), batches)

    def _in_parts(self, net: nn.Module, crops: Tensor) -> _Arrays:
        """What a network says of crops; many are shared out among threads, the same way however many there are."""
        share = crops.device.type == "cpu" and len(crops) >= _CROPS_TO_SHARE_OUT
        parts = self._each(net, crops.tensor_split(2) if share else [crops])
        return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))

    def _faces(self, boxes: NDArray[np.float32], answers: _Arrays, image_wh: tuple[int, ...]) -> list[Detection | None]:
        """The face in each square (N, 4), of which the third network said (N,), (N, 4), (N, 5, 2); None for no face."""
        logits, offsets, points = answers
        # From distances to the box's edge to px whose centres are at integers; without that half px the
        # keypoints of mirrored images lie half a px off (mean over ten photographs).
        keypoints = boxes[:, None, :2] + points * box_sides(boxes)[:, None, :] - 0.5
        faces = np.clip(shift_by_offsets(boxes, offsets), 0.0, np.tile(np.array(image_wh, np.float32), 2))
        is_face = (logits > _logit(self.config.thresholds[2])) & (box_sides(faces) > 1.0).all(axis=1)
        return [
            Detection(faces[i], 1.0 / (1.0 + math.exp(-float(logits[i]))), keypoints[i]) if is_face[i] else None
            for i in range(len(boxes))
        ]


def _in_numpy(tensors: Sequence[Tensor]) -> _Arrays:
    return tuple(tensor.cpu().numpy() for tensor in tensors)


def _best_first(logits: NDArray[np.float32], threshold: float) -> NDArray[np.intp]:
    order = np.argsort(-logits, kind="stable")
    return order[logits[order] > _logit(threshold)]


def _logit(probability: float) -> float:
    return math.log(probability / (1.0 - probability))
