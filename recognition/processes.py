"""One run in several processes, as `torchrun` or `accelerate launch` starts them: they share the work items and one store.

Work items and batches are those of a single process, so the table made of the store is the same, whoever read what.

torch.distributed with gloo, and not accelerate's PartialState: on GPUs that talks over NCCL, where a process that has died is
waited for until the timeout, which has to be long here. Gloo tells the others at once. Nothing but a list of integers is sent.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch
from torch import distributed

from aullava.recognition.store import Store
from aullava.recognition.work import Position, WorkItem

_PATIENCE = timedelta(days=30)  # one process may have a far longer share than another
_DONE, _FAILED = -1, -2


@dataclass(frozen=True)
class Shard:
    """This process among those of the run. `rank`: 0 up to `world`; `local_rank`: the same, on this machine."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this process opens the store, shows progress and writes the table."""
        return self.rank == 0

    def device(self, device: str) -> str:
        """The device to read on. With "auto", each of several processes takes the GPU with its local rank."""
        mine = self.world > 1 and device == "auto" and torch.cuda.is_available()
        return f"cuda:{self.local_rank}" if mine else device

    def wait(self) -> None:
        """Wait until all processes have come here."""
        if self.world > 1:
            distributed.barrier()


@contextmanager
def join() -> Iterator[Shard]:
    """Join the other processes of the run, if the launcher has set RANK, WORLD_SIZE and LOCAL_RANK."""
    rank, world, local_rank = (
        int(os.environ.get(name, alone)) for name, alone in (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0))
    )
    if world == 1:
        yield Shard()
        return
    distributed.init_process_group("gloo", timeout=_PATIENCE)
    try:
        yield Shard(rank, world, local_rank)
    finally:
        distributed.destroy_process_group()


def open_shared(
    shard: Shard, folder: Path, items: Sequence[WorkItem], options: Mapping, resume: bool = False
) -> tuple[Store, list[tuple[WorkItem, Position]]]:
    """The store of the run, and the work items that this process reads.

    Args:
        shard: this process. The first one opens the store, the others attach to it.
        folder, items, options, resume: as for `Store.open`, the same in all processes.

    Raises:
        ValueError, OSError: as `Store.open`; several processes should read a webcam; or the first process failed.
    """
    if shard.world == 1:
        store = Store.open(folder, items, options, resume)
        return store, store.pending()
    if any(item.kind == "webcam" for item in items):
        raise ValueError(f"a webcam is read by one process: this run has {shard.world}")
    owners = torch.full((len(items),), _FAILED)
    try:
        if shard.is_first:
            store = Store.open(folder, items, options, resume)
            owners = torch.tensor(_owners(items, {item.number for item, _ in store.pending()}, shard.world))
    finally:  # the others wait for this, so it is sent even after an error
        distributed.broadcast(owners, src=0)
    if not shard.is_first:
        if _FAILED in owners:
            raise ValueError("the first process could not begin, and says why")
        store = Store.attach(folder, items)
    return store, [(item, position) for item, position in store.pending() if owners[item.number] == shard.rank]


def _owners(items: Sequence[WorkItem], pending: set[int], world: int) -> list[int]:
    """The process that reads each work item, _DONE for none.

    The largest goes first, to the process with the least. Videos are measured in bytes. Work items of images take next to no
    time beside a video and are measured in images.
    """

    def size_of(item: WorkItem) -> int:
        if item.kind == "image":
            return len(item.sources)
        try:
            return os.stat(item.sources[0].path).st_size
        except OSError:  # reading it will say why
            return 0

    owners = [_DONE] * len(items)
    for kind in ("video", "image"):
        loads = [0] * world
        sizes = {item.number: size_of(item) for item in items if item.number in pending and item.kind == kind}
        for number in sorted(sizes, key=lambda number: -sizes[number]):
            # Among equals the last process, because the first one also makes the table.
            owner = min(range(world), key=lambda rank: (loads[rank], -rank))
            owners[number] = owner
            loads[owner] += sizes[number]
    return owners
