"""How to look for faces. Apart from the detector, so that what only asks for settings does not load PyTorch."""

from __future__ import annotations

from dataclasses import dataclass

from emotional_dan_ros.core.errors import UserError

#: Side of the window that MTCNN's first network judges, px.
PROPOSAL_WINDOW_PX = 12


@dataclass(frozen=True)
class DetectorConfig:
    """How to look for faces.

    Attributes:
        min_face_px: side of the smallest face to look for, source px; at least 12. Time falls with
            its square.
        max_search_edge_px: the image that the first network slides over is never longer than this.
            Where a source image is so large that ``min_face_px`` would ask for more, the smallest face
            found grows instead; so a 4K camera costs no more than a full-HD one.
        scale_step: from one size of face to the next, 0..1 (exclusive).
        thresholds: scores that a face has to reach in the first, second and third network, 0..1.
        max_proposals: how many proposals the second network judges at most (the strongest); bounds the
            time a cluttered scene can take.
    """

    min_face_px: int = 40
    max_search_edge_px: int = 640
    scale_step: float = 0.709
    thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7)
    max_proposals: int = 256

    def __post_init__(self) -> None:
        window = PROPOSAL_WINDOW_PX
        if self.min_face_px < window:
            raise UserError(f"expected min_face_px of at least {window}, got {self.min_face_px}; do set a larger one")
        if self.max_search_edge_px < window:
            raise UserError(
                f"expected max_search_edge_px of at least {window}, got {self.max_search_edge_px}; do set a larger one"
            )
        if not 0.1 <= self.scale_step <= 0.95:
            raise UserError(f"expected scale_step from 0.1 to 0.95, got {self.scale_step}; do set 0.709")
        if len(self.thresholds) != 3 or not all(0.0 < t < 1.0 for t in self.thresholds):
            raise UserError(f"expected three thresholds between 0 and 1, got {self.thresholds}; do set 0.6, 0.7, 0.7")
        if self.max_proposals < 1:
            raise UserError(f"expected max_proposals of at least 1, got {self.max_proposals}; do set 256")

    def search_scales(self, image_wh: tuple[int, int]) -> tuple[float, ...]:
        """Scales (search px per source px) at which the first network looks, largest first."""
        scale = min(PROPOSAL_WINDOW_PX / self.min_face_px, self.max_search_edge_px / max(image_wh))
        scales = []
        while min(image_wh) * scale >= PROPOSAL_WINDOW_PX:
            scales.append(scale)
            scale *= self.scale_step
        return tuple(scales)
