"""Do the maps show what matters? Hide what they rank highest and see how far the probability falls."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotional_dan_ros.core.explanation import CropExplainer

#: Ways to choose the pixels to hide: by the map; scattered at random; by the map moved to a random place (round the
#: edges), which hides a region of the same shape; by the map of another face, which hides what matters in any
#: face; by the map upside down.
WAYS = ("map", "random", "moved_map", "another_face", "map_reversed")
_BOOTSTRAP = 2000


def hide(images: Tensor, ranks: Tensor, share: float) -> Tensor:
    """Set the highest-ranked pixels to the image's mean.

    Args:
        images: (N, 1, S, S), standardised, so that their mean is 0.
        ranks: (N, S, S).
        share: of the pixels to hide, 0 .. 1.
    """
    flat = images.flatten(1).clone()
    count = round(share * flat.shape[1])
    flat.scatter_(1, ranks.flatten(1).topk(count, dim=1).indices, 0.0)
    return flat.reshape(images.shape)


def measure(
    explainer: CropExplainer, batches: Iterable[NDArray[np.uint8]], share: float = 0.2, seed: int = 0
) -> dict[str, Any]:
    """How far the probability of the recognised emotion falls when pixels of the network's input are hidden.

    Args:
        explainer: with its recogniser.
        batches: uint8 (N, 112, 112) crops each, N >= 2.
        share: of the pixels to hide.
        seed: of the random pixels.

    Returns:
        Figures ready for JSON: mean probability before, and for each of `WAYS` its mean fall; the mean
        advantage of the map over each other way with a 95 % bootstrap interval, and in how many faces it is ahead.
    """
    generator = torch.Generator().manual_seed(seed)
    before: list[NDArray[np.float32]] = []
    falls: dict[str, list[NDArray[np.float32]]] = {way: [] for way in WAYS}
    for crops in batches:
        images = explainer.prepare(crops)
        start = _probabilities(explainer, images)
        classes = start.argmax(dim=1)
        probability = start.gather(1, classes[:, None])[:, 0]
        maps = explainer.grad_cam(images, classes).maps
        # Maps are 0 over wide areas; noise far below their steps breaks those ties at random.
        noise = torch.rand(maps.shape, generator=generator).to(maps)
        ranks = {"map": maps + 1e-6 * noise, "random": noise.flip(0), "map_reversed": 1e-6 * noise - maps}
        ranks["another_face"] = ranks["map"].roll(1, 0)
        ranks["moved_map"] = _moved(ranks["map"], generator)
        before.append(probability.cpu().numpy())
        for way in WAYS:
            left = _probabilities(explainer, hide(images, ranks[way], share)).gather(1, classes[:, None])[:, 0]
            falls[way].append((probability - left).cpu().numpy())
    return _figures(np.concatenate(before), {w: np.concatenate(f) for w, f in falls.items()}, share, seed)


def _moved(ranks: Tensor, generator: torch.Generator) -> Tensor:
    """Each map (N, S, S) rolled by its own random offset."""
    size = ranks.shape[-1]
    offsets = torch.randint(size, (len(ranks), 2), generator=generator).tolist()
    return torch.stack([r.roll((y, x), (0, 1)) for r, (y, x) in zip(ranks, offsets, strict=True)])


def _figures(
    before: NDArray[np.float32], falls: dict[str, NDArray[np.float32]], share: float, seed: int
) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(before), (_BOOTSTRAP, len(before)))
    advantage = {}
    for way in WAYS[1:]:
        difference = falls["map"] - falls[way]
        low, high = np.quantile(difference[draws].mean(axis=1), [0.025, 0.975])
        advantage[way] = {
            "mean": float(difference.mean()),
            "interval95": [float(low), float(high)],
            "share_of_faces": float((difference > 0).mean()),
        }
    return {
        "faces": len(before),
        "hidden_share": share,
        "mean_probability": float(before.mean()),
        "mean_fall": {way: float(fall.mean()) for way, fall in falls.items()},
        "advantage_over": advantage,
    }


@torch.no_grad()
def _probabilities(explainer: CropExplainer, images: Tensor) -> Tensor:
    info = explainer.recognizer.info
    logits = explainer.recognizer.model(images).logits.float() / info.temperature
    return torch.softmax(logits + torch.tensor(info.log_prior, device=logits.device), dim=1)
