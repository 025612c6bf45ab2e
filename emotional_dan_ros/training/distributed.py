"""One process or several (torchrun): the part of training that knows the difference."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from emotional_dan_ros.core.errors import UserError


@dataclass(frozen=True)
class Group:
    """The processes that train together; alone by default.

    Attributes:
        rank: number of this process.
        size: how many there are.
        local_rank: number of this process on its machine, which chooses its GPU.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this process validates, logs and saves."""
        return self.rank == 0

    def share(self, index: Tensor) -> Tensor:
        """This process's part of a batch.

        Raises:
            UserError: the batch does not divide evenly.
        """
        if len(index) % self.size:
            raise UserError(f"schedule.batch_size: expected a multiple of {self.size} processes, got {len(index)}")
        return index[self.rank :: self.size]

    def wrap(self, module: nn.Module, device: torch.device) -> nn.Module:
        """``module`` with gradients averaged over the group."""
        if self.size == 1:
            return module
        # While stage 1 learns alone, stage 2 gets no gradient.
        return DistributedDataParallel(
            module, device_ids=[device.index] if device.type == "cuda" else None, find_unused_parameters=True
        )


#: A single process.
ALONE = Group()


def join_group(device: torch.device) -> Group:
    """Join the processes that torchrun started; alone where it did not.

    Args:
        device: chooses the backend: NCCL for CUDA, gloo for the CPU.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return ALONE
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return Group(dist.get_rank(), size, int(os.environ.get("LOCAL_RANK", "0")))


def leave_group(group: Group) -> None:
    """Undo `join_group`."""
    if group.size > 1:
        dist.destroy_process_group()
