"""How far a face can be trusted, 0 (not at all) to 1.

Seven properties, each 0..1, are multiplied and the square root is taken, so that one grave flaw brings
the quality to 0 while several slight ones do not add up to a grave one:

    quality = sqrt(sharpness * size * contrast * exposure * pose * visibility * agreement)

- sharpness ``s / (s + 0.004)`` with ``s = max(0, L / V - 0.003)``: L is the variance of the Laplacian of
  the face smoothed by 1 px (crop px), V its variance of grey. 0.003 is what the rounding to whole grey
  levels leaves of any blurred face. Press photographs have 0.027 (5 % of them less than 0.013); blurred by
  2 px 0.007, by 4 px 0.003.
- size ``n^2 / (n^2 + 12^2)``: n is the distance between the eyes in source px that the affine stands for;
  38 in a crop at its own resolution, 17 in FER2013's pictures.
- contrast ``V / (V + 8^2)``: press photographs have a standard deviation of 37 grey levels (5 % of them less
  than 23).
- exposure ``1 - 2 * c``, at least 0: c is the fraction of pixels at the ends of the range (5 or less, 250
  or more).
- pose ``(1 - a^2) * (1 - ((t - 0.5) / 0.4)^2)``, both at least 0: a is how much longer one side of the face
  is than the other, seen from the nose tip (0 frontal, about sin of the yaw, 1 in profile); t is where the
  nose tip stands between eyes and mouth (0.5 frontal; 0.2 to 0.8 covers 98 % of photographs).
- visibility ``m^2 / (m^2 + 0.2^2)``: lids, brows and lips are the strongest horizontal edges of a face. m is
  the energy of such edges around the one eye, the other eye or the mouth, whichever has least, over that of
  the whole face: 1.1 in press photographs (5 % of them less than 0.54), 0.1 where skin is drawn over the
  mouth, 0 where something plain is. A hand with spread fingers has edges of its own and is not seen by this.
- agreement ``exp(-(r / 0.3)^2)``: r is the root mean square distance, in eye distances, of the eyes, nose and
  mouth by the landmarks from where the detector's keypoints put them. It tells a crop that is not centred on
  its face. It does not tell things that are no face: the network finds landmarks in anything.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.alignment import TEMPLATE_PX, keypoints_from_landmarks
from emotional_dan_ros.core.geometry import affine_scale, apply_affine
from emotional_dan_ros.core.types import CROP_SIZE_PX

_EYE_DISTANCE_PX = float(TEMPLATE_PX[1, 0] - TEMPLATE_PX[0, 0])
#: Brows to mouth and cheek to cheek in the crop: no background in any pose (rows, columns).
_FACE_AREA = (slice(26, 98), slice(22, 90))
#: Landmarks of the eyes and the outer lips, and half the width and height of the area around each, crop px.
_PARTS = ((slice(36, 42), 14, 8), (slice(42, 48), 14, 8), (slice(48, 60), 18, 10))


def face_quality(
    crop: NDArray[np.uint8], crop_from_source: NDArray[np.floating], landmarks_px: NDArray[np.floating]
) -> float:
    """Judge one face by the formula above.

    Args:
        crop: uint8 (112, 112), grey, aligned.
        crop_from_source: (2, 3) affine from source px to crop px.
        landmarks_px: (68, 2), iBUG order, source px.

    Returns:
        0..1; 0 where landmarks are not finite or the eyes coincide.
    """
    if not np.isfinite(landmarks_px).all():
        return 0.0
    landmarks_crop = apply_affine(landmarks_px, crop_from_source)
    pose = pose_quality(landmarks_crop)
    if pose == 0.0:
        return 0.0
    smooth = cv2.GaussianBlur(crop.astype(np.float32), (0, 0), 1.0)
    product = (
        _appearance_quality(crop[_FACE_AREA], smooth)
        * size_quality(crop_from_source)
        * pose
        * _visibility_quality(smooth, landmarks_crop)
        * _agreement_quality(landmarks_crop)
    )
    return math.sqrt(product)


def size_quality(crop_from_source: NDArray[np.floating]) -> float:
    """How far the source image resolves the face, 0..1."""
    eye_distance_px = _EYE_DISTANCE_PX / max(affine_scale(crop_from_source), 1e-6)
    return eye_distance_px**2 / (eye_distance_px**2 + 12.0**2)


def pose_quality(landmarks: NDArray[np.floating]) -> float:
    """How frontal a face is, 0..1, from finite landmarks (68, 2) in any px; a roll of the head does not matter."""
    points = np.asarray(landmarks, dtype=np.float64)
    eye, other_eye = points[36:42].mean(axis=0), points[42:48].mean(axis=0)
    across = other_eye - eye
    eye_distance = float(np.hypot(*across))
    if eye_distance < 1e-3:
        return 0.0
    across = across / eye_distance
    down = np.array([-across[1], across[0]])
    x, y = (points - (eye + other_eye) / 2) @ across, (points - (eye + other_eye) / 2) @ down

    one_side, other_side = x[30] - x[:3].mean(), x[14:17].mean() - x[30]
    mouth = (y[48] + y[54]) / 2
    if one_side + other_side <= 0.0 or mouth <= 0.0:
        return 0.0
    asymmetry = (one_side - other_side) / (one_side + other_side)
    nose = y[30] / mouth
    return float(max(0.0, 1.0 - asymmetry**2) * max(0.0, 1.0 - ((nose - 0.5) / 0.4) ** 2))


def _appearance_quality(face: NDArray[np.uint8], smooth: NDArray[np.floating]) -> float:
    """Sharpness, contrast and exposure together, 0..1, of the face's part of a crop."""
    variance = _variance(face)
    detail = _variance(cv2.Laplacian(smooth, cv2.CV_32F)[_FACE_AREA])
    excess = max(0.0, detail / (variance + 1.0) - 0.003)
    clipped = 1.0 - cv2.countNonZero(cv2.inRange(face, 6, 249)) / face.size
    return excess / (excess + 0.004) * variance / (variance + 8.0**2) * max(0.0, 1.0 - 2.0 * clipped)


def _visibility_quality(smooth: NDArray[np.floating], landmarks_crop: NDArray[np.floating]) -> float:
    """Whether eyes and mouth are there to be seen, 0..1."""
    edge = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=1 / 8)
    last = CROP_SIZE_PX - 1
    edges = []
    for part, half_width, half_height in _PARTS:
        x, y = (min(max(round(float(c)), 0), last) for c in landmarks_crop[part].mean(axis=0))
        rows = slice(max(0, y - half_height), y + half_height)
        edges.append(_mean_square(edge[rows, max(0, x - half_width) : x + half_width]))
    # 0.3: a face without any edges (half a grey level a px) is not a divisor.
    least = min(edges) / (_mean_square(edge[_FACE_AREA]) + 0.3)
    return least**2 / (least**2 + 0.2**2)


def _agreement_quality(landmarks_crop: NDArray[np.floating]) -> float:
    """How well landmarks in crop px fit the keypoints by which the crop was made, 0..1."""
    distances = np.linalg.norm(keypoints_from_landmarks(landmarks_crop) - TEMPLATE_PX, axis=1) / _EYE_DISTANCE_PX
    return math.exp(-float((distances**2).mean()) / 0.3**2)


def _variance(values: NDArray[np.generic]) -> float:
    # OpenCV does these in a tenth of NumPy's time at the size of a crop.
    _, deviation = cv2.meanStdDev(values)
    return float(deviation[0, 0]) ** 2


def _mean_square(values: NDArray[np.float32]) -> float:
    return float(cv2.norm(values, cv2.NORM_L2SQR)) / values.size
