"""Shards of many subjects, one after the other in this process or several at once in others. The bytes are the same.

Processes are started afresh ("spawn"): neither OpenCV's threads nor PyAV's survive a fork. A worker ends with the process that
started it, however that ends.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

import cv2

from aullava.dataset_builder.corpora.reader import CorpusReader
from aullava.dataset_builder.errors import CorpusError
from aullava.dataset_builder.publish.folder import OutFolder
from aullava.dataset_builder.publish.request import BuildJob
from aullava.dataset_builder.publish.shards import Plan, ShardReport, ShardWriteError, write_shard

_SECONDS_BETWEEN_LOOKS = 0.2  # at how far the workers are


@dataclass(frozen=True)
class Task:
    """A shard to write, and the fingerprint of its source."""

    plan: Plan
    fingerprint: str


@dataclass(frozen=True)
class Failure:
    """A shard that could not be written because its source is broken, and why."""

    plan: Plan
    message: str


class WorkerDied(RuntimeError):
    """A process ended before its shard was written."""


def build_shards(
    reader: CorpusReader,
    job: BuildJob,
    folder: OutFolder,
    tasks: Sequence[Task],
    processes: int = 1,
    advance: Callable[[int], None] = lambda frames: None,
) -> Iterator[ShardReport | Failure]:
    """Write the shards and record each as finished; the order is not fixed.

    Args:
        processes: their number; 1 for this one alone.
        advance: called with numbers of labelled frames processed since the last call.

    Raises:
        ShardWriteError: the disk is full or read-only; finished shards stay.
        WorkerDied: a process was killed.
    """
    processes = min(processes, len(tasks))
    if processes > 1:
        yield from _in_processes(job, folder, tasks, processes, advance)
        return
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        for task in tasks:
            yield _build(reader, job, folder, task, advance)
    finally:
        cv2.setNumThreads(threads)


def _build(
    reader: CorpusReader, job: BuildJob, folder: OutFolder, task: Task, advance: Callable[[int], None]
) -> ShardReport | Failure:
    target = folder.shard_file(task.plan.name)
    try:
        report = write_shard(reader, task.plan, job, task.fingerprint, target, advance)
    except ShardWriteError:
        raise
    except (CorpusError, OSError, UnicodeError) as error:  # the source is broken; other subjects may be fine
        return Failure(task.plan, str(error))
    try:
        folder.record(report)
    except OSError as error:
        raise ShardWriteError(error.errno, f"{target.name}: cannot be recorded: {error.strerror or error}") from error
    return report


def _in_processes(
    job: BuildJob, folder: OutFolder, tasks: Sequence[Task], processes: int, advance: Callable[[int], None]
) -> Iterator[ShardReport | Failure]:
    context = multiprocessing.get_context("spawn")
    frames, told = context.Value("q", 0), 0
    others = multiprocessing.active_children()
    pool = ProcessPoolExecutor(processes, context, _start_worker, (job, folder.path, frames))
    try:
        waiting = {pool.submit(_run, task) for task in tasks}
        while waiting:
            done, waiting = wait(waiting, _SECONDS_BETWEEN_LOOKS, FIRST_COMPLETED)
            now = frames.get_obj().value  # without the lock, which a dead worker may hold for ever
            advance(now - told)
            told = now
            for future in done:
                yield future.result()
    except BaseException as error:
        for worker in set(multiprocessing.active_children()).difference(others):
            worker.terminate()  # otherwise the error waits until every started subject is done
        if not isinstance(error, BrokenProcessPool):
            raise
        raise WorkerDied(
            "a worker process ended before its subject was done, perhaps for lack of memory. Finished subjects stay: run the same "
            "command again to resume, with a smaller --num-proc if it happens again"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@dataclass
class _Worker:
    """What a worker process keeps between shards."""

    job: BuildJob
    reader: CorpusReader
    folder: OutFolder
    advance: Callable[[int], None]


_worker: _Worker | None = None


def _start_worker(job: BuildJob, path, frames) -> None:
    global _worker

    def end_with_parent() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the main process handles it
    threading.Thread(target=end_with_parent, daemon=True).start()
    cv2.setNumThreads(1)

    def advance(count: int) -> None:
        with frames.get_lock():
            frames.value += count

    _worker = _Worker(job, job.open(), OutFolder(path, job.settings()), advance)


def _run(task: Task) -> ShardReport | Failure:
    return _build(_worker.reader, _worker.job, _worker.folder, task, _worker.advance)
