"""Measure whether Grad-CAM shows what the network goes by.

    python benchmarks/explain_faithfulness.py --data fer2013.npz --out faithfulness.json

Hides the 20 % of the pixels that the map ranks highest, and as many chosen in other ways (see
emotional_dan_ros/training/faithfulness.py); writes how far the probability of the recognised emotion falls.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.explanation import CropExplainer
from emotional_dan_ros.core.recognizer import EmotionRecognizer
from emotional_dan_ros.model.explain import DEFAULT_LAYER, LAYERS, Method
from emotional_dan_ros.training.evaluate import choose_split
from emotional_dan_ros.training.explanations import labelled_crops
from emotional_dan_ros.training.faithfulness import measure
from emotional_dan_ros.training.sources import open_faces


def main() -> None:
    """Measure every asked layer on the same faces."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="labelled faces; their validation split is taken")
    parser.add_argument("--weights", default="rt")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--layers", nargs="+", choices=LAYERS, default=[DEFAULT_LAYER])
    parser.add_argument("--methods", nargs="+", choices=[m.value for m in Method], default=[m.value for m in Method])
    parser.add_argument("--faces", type=int, default=512, help="how many, drawn at random (default: 512)")
    parser.add_argument("--share", type=float, default=0.2, help="of the pixels to hide (default: 0.2)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="JSON to write")
    args = parser.parse_args()
    faces = open_faces(args.data)
    indices = choose_split(faces, None)
    chosen = np.random.default_rng(args.seed).permutation(indices)[: args.faces]
    recognizer = EmotionRecognizer.load(args.weights, device=args.device)
    crops = [batch for batch, _ in labelled_crops(faces, chosen)]
    results = []
    for layer in args.layers:
        for method in args.methods:
            figures = measure(CropExplainer(recognizer, layer, Method(method)), crops, args.share, args.seed)
            results.append({"layer": layer, "method": method, **figures})
            falls = ", ".join(f"{way} {fall:.3f}" for way, fall in figures["mean_fall"].items())
            print(f"{layer} {method}: probability falls by {falls}", flush=True)
    report = {"weights": recognizer.model_name, "data": args.data.name, "seed": args.seed, "results": results}
    args.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
