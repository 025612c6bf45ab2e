"""EmotionalDAN alone: time of a batch of aligned crops, the rate of multiplications, and its share of the machine's.

Each precision beside the plain network, which is the one that is trained, in eager float32. Counted are the
multiplications and additions of convolutions and dense layers, two for each weight and place. The ceiling is the
largest rate of matrix products in the same dtype, measured in the same run.

python benchmarks/network.py [--weights rt] [--batches 1 2 4 8 64] [--device auto] [--pause-ms 0]
"""

from __future__ import annotations

import time
from collections.abc import Callable

import common  # noqa: F401  before PyTorch: it sets how threads wait
import numpy as np
import torch
from common import report
from common.measuring import Timing, forget_peak, measure, peak_mb, timing
from torch import nn

from emotional_dan_ros.core.device import choose_device
from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.inference import PRECISIONS, Precision, choose_dtype, make_engine, processor_has_bfloat16
from emotional_dan_ros.core.types import CROP_SIZE_PX
from emotional_dan_ros.model.network import EmotionalDAN
from emotional_dan_ros.model.preprocess import prepare_crops
from emotional_dan_ros.model.weights import load_weights

_SIDES = (1024, 2048, 4096)


def main() -> int:
    """Print a table and write JSON."""
    parser = report.options(__doc__, seconds=1.0)
    parser.add_argument("--weights", default="rt", help="name of shipped weights or a .safetensors file")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8, 64], metavar="N")
    parser.add_argument("--pause-ms", type=float, default=0.0, help="idle before each batch, as between two frames")
    args = parser.parse_args()
    head = report.begin(args)
    device = choose_device(args.device)
    model, info = load_weights(args.weights)
    gflop = count_gflop(model)
    rates: dict[str, float] = {}
    rows: list[report.Row] = []
    print(f"{info.name}: {gflop:.3f} GFLOP for a face, on {device}")
    candidates = _candidates(model, device, args.threads)
    for count in args.batches:
        crops = np.random.default_rng(0).integers(0, 256, (count, CROP_SIZE_PX, CROP_SIZE_PX), dtype=np.uint8)
        for what, dtype, run in candidates:
            if dtype not in rates:
                rates[dtype] = matrix_gflops(getattr(torch, dtype), device)
                if device.type == "cpu":  # smaller products, which stay in the caches, may be faster
                    rates[dtype] = max(rates[dtype], head["ceilings"].get(f"{dtype} GFLOP/s", 0.0))
                print(f"{dtype} matrix products: {rates[dtype]:.0f} GFLOP/s")
            result = _measure(run, crops, args.seconds, args.pause_ms / 1e3)
            rate = gflop * count / result.median_ms * 1e3
            extra = {"GFLOP/s": rate, "% of ceiling": 100 * rate / rates[dtype]}
            row = report.Row(f"{info.name} {what}", count, None, result, extra)
            report.show(row, first=not rows)
            rows.append(row)
    report.finish("network", args, {**head, "matrix GFLOP/s": rates, "GFLOP for a face": gflop}, rows)
    return 0


def count_gflop(model: EmotionalDAN) -> float:
    """Multiplications and additions in convolutions and dense layers for one face."""
    flop = 0

    def count(module: nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal flop
        assert isinstance(module, nn.Conv2d | nn.Linear)
        flop += 2 * output.numel() * module.weight[0].numel()

    hooks = [m.register_forward_hook(count) for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    with torch.inference_mode():
        model(torch.zeros(1, 1, model.config.image_size, model.config.image_size))
    for hook in hooks:
        hook.remove()
    return flop / 1e9


def matrix_gflops(dtype: torch.dtype, device: torch.device, seconds: float = 0.5) -> float:
    """The largest rate of square matrix products seen."""
    best = 0.0
    for side in _SIDES[: 3 if device.type == "cuda" else 2]:
        a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
        began_s = time.perf_counter()
        while time.perf_counter() - began_s < seconds:
            before_s = time.perf_counter()
            torch.mm(a, b)
            if device.type == "cuda":
                torch.cuda.synchronize()
            best = max(best, 2 * side**3 / (time.perf_counter() - before_s) / 1e9)
    return best


def _candidates(
    model: EmotionalDAN, device: torch.device, threads: int
) -> list[tuple[str, str, Callable[[np.ndarray], object]]]:
    """What is measured: name, dtype, and a function of the crops that returns when the result is there."""
    plain = model.to(device)
    size = model.config.image_size

    @torch.inference_mode()
    def run_plain(crops: np.ndarray) -> object:
        output = plain(prepare_crops(torch.from_numpy(crops).to(device), size))
        return output.landmarks.cpu(), output.logits.cpu()

    result: list[tuple[str, str, Callable[[np.ndarray], object]]] = [("plain", "float32", run_plain)]
    for precision in PRECISIONS:
        if precision == Precision.AUTO:
            continue
        try:
            dtype = choose_dtype(precision, device)
        except UserError:
            continue  # not on this device
        if dtype is torch.bfloat16 and device.type == "cpu" and not processor_has_bfloat16():
            continue  # emulated: a face takes 0.1 s
        result.append((precision, str(dtype).removeprefix("torch."), make_engine(model, device, dtype, threads)))
    return result


def _measure(run: Callable[[np.ndarray], object], crops: np.ndarray, seconds: float, pause_s: float) -> Timing:
    """As `measure`, but idle before each batch; the pause is in no time but that of the CPU."""
    if not pause_s:
        return measure(lambda _: run(crops), seconds)
    times_s: list[float] = []
    run(crops)
    forget_peak()
    cpu_s, began_s = time.process_time(), time.perf_counter()
    while time.perf_counter() - began_s < seconds:
        time.sleep(pause_s)
        before_s = time.perf_counter()
        run(crops)
        times_s.append(time.perf_counter() - before_s)
    return timing(times_s, sum(times_s), time.process_time() - cpu_s, peak_mb())


if __name__ == "__main__":
    raise SystemExit(main())
