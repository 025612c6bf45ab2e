"""PyTorch's threads in this process."""

from __future__ import annotations


def set_num_threads(num_threads: int) -> None:
    """Use so many CPU threads; 0 leaves the choice to PyTorch. Holds for the whole process."""
    if num_threads:
        import torch

        torch.set_num_threads(num_threads)
