"""What can be chosen of the network; everything else is fixed by the architecture."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from enum import Enum
from typing import Any

#: Channels of the four blocks at width 1.0 (DAN, Kowalski et al. 2017, table 1).
BLOCK_CHANNELS = (64, 128, 256, 512)


class NormOrder(str, Enum):
    """Where batch normalisation stands in a layer."""

    #: Convolution, ReLU, batch normalisation: the published TensorFlow graph.
    RELU_BN = "relu_bn"
    #: Convolution, batch normalisation, ReLU: folds into the convolution at inference.
    BN_RELU = "bn_relu"


@dataclass(frozen=True)
class ModelConfig:
    """Configuration of `EmotionalDAN`. The defaults are the reference configuration.

    Attributes:
        image_size: side S of the square grey input in px; a multiple of 16.
        width: factor on the channels of the four blocks.
        num_emotions: 7, or 3 for neutral, positive, negative.
        num_landmarks: points per face.
        norm_order: order of ReLU and batch normalisation.
        feature_width: width of the dense feature of each stage (fc1).
        dropout: probability before fc1.
        heatmap_half_px: half side of the square drawn around each landmark, in px of the input.
        bn_eps: epsilon of batch normalisation (TensorFlow's default is 1e-3).
        bn_momentum: weight of the newest batch in the running statistics (TensorFlow's 0.99 is 0.01 here).
    """

    image_size: int = 224
    width: float = 1.0
    num_emotions: int = 7
    num_landmarks: int = 68
    norm_order: NormOrder = NormOrder.RELU_BN
    feature_width: int = 256
    dropout: float = 0.5
    heatmap_half_px: int = 8
    bn_eps: float = 1e-3
    bn_momentum: float = 0.01

    def __post_init__(self) -> None:
        object.__setattr__(self, "norm_order", NormOrder(self.norm_order))
        if self.image_size < 32 or self.image_size % 16:
            raise ValueError(f"image_size must be a multiple of 16 and at least 32, got {self.image_size}")
        if not 0.05 <= self.width <= 4:
            raise ValueError(f"width must be in 0.05 .. 4, got {self.width}")
        if self.num_emotions not in (3, 7):
            raise ValueError(f"num_emotions must be 7, or 3 (neutral, positive, negative), got {self.num_emotions}")
        if self.num_landmarks != 68:
            raise ValueError(f"num_landmarks must be 68 (iBUG 300-W), got {self.num_landmarks}")
        if self.feature_width < 8:
            raise ValueError(f"feature_width must be at least 8, got {self.feature_width}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in 0 .. 1 (1 excluded), got {self.dropout}")
        if not 1 <= self.heatmap_half_px <= self.image_size // 4:
            raise ValueError(f"heatmap_half_px must be in 1 .. image_size / 4, got {self.heatmap_half_px}")

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of the four blocks."""
        return tuple(max(8, round(c * self.width)) for c in BLOCK_CHANNELS)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as stored with the weights."""
        return {k: v.value if isinstance(v, Enum) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ModelConfig:
        """Read what `to_dict` wrote.

        Raises:
            ValueError: an unknown key or an impossible value.
        """
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(f"unknown model setting {', '.join(unknown)}; known are {', '.join(sorted(known))}")
        return cls(**values)
