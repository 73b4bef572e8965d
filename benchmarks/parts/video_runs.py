"""`aullava recognize` as its users start it, watched from outside: wall time, resident memory, and a kill in the middle."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

ALONE = ("-m", "aullava.cli")
IN_PAIRS = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "aullava.cli")
_LOOK_EVERY = 0.1  # seconds


@dataclass
class Run:
    """A command that ended well: seconds on the clock, and (second, bytes resident) while it ran."""

    seconds: float = 0.0
    memory: list[tuple[float, int]] = field(default_factory=list)

    def memory_growth(self, begun: float) -> float:
        """Largest resident memory of the second half of the time over that of the first, less 1.

        Args:
            begun: seconds after which reading goes on; what loading takes before is not looked at.
        """
        middle = (begun + self.seconds) / 2
        first = max(size for second, size in self.memory if begun <= second < middle)
        return max(size for second, size in self.memory if second >= middle) / first - 1


def start(arguments: list[str], launcher: tuple[str, ...] = ALONE, log: Path | None = None) -> subprocess.Popen:
    """Start `aullava recognize` with these arguments in a process group of its own; what it says goes to `log`."""
    with open(log or os.devnull, "w") as said:
        command = [sys.executable, *launcher, "recognize", *arguments]
        return subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, start_new_session=True)


def watch(process: subprocess.Popen, log: Path) -> Run:
    """Wait for a command and look at its memory meanwhile; its workers' are not counted.

    Raises:
        RuntimeError: it failed; with the end of what it said.
    """
    begun, run, seen = time.perf_counter(), Run(), psutil.Process(process.pid)
    while process.poll() is None:
        try:
            run.memory.append((time.perf_counter() - begun, seen.memory_info().rss))
        except psutil.NoSuchProcess:
            break
        time.sleep(_LOOK_EVERY)
    run.seconds = time.perf_counter() - begun
    if process.wait():
        raise RuntimeError(f"{' '.join(process.args)} ended with {process.returncode}:\n{log.read_text()[-3000:]}")
    return run


def recognize(arguments: list[str], log: Path, launcher: tuple[str, ...] = ALONE) -> Run:
    """Run the command to its end."""
    return watch(start(arguments, launcher, log), log)


def recognize_on_one_core(arguments: list[str], log: Path) -> Run:
    """The same while only one core may be used."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        process = start(arguments, log=log)
    finally:
        os.sched_setaffinity(0, cores)
    return watch(process, log)


def kill_in_the_middle(arguments: list[str], working_folder: Path, rows: int, log: Path) -> int:
    """Start the command and end it by SIGKILL once it has stored `rows` rows.

    Returns:
        How many rows it had stored.

    Raises:
        RuntimeError: it ended by itself before.
    """
    process = start(arguments, log=log)
    while process.poll() is None:
        if (stored := stored_rows(working_folder)) >= rows:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return stored
        time.sleep(_LOOK_EVERY)
    raise RuntimeError(f"ended with {process.returncode} before {rows} rows were stored:\n{log.read_text()[-3000:]}")


def stored_rows(working_folder: Path) -> int:
    """Rows that lie in the working folder beside an output."""
    return sum(file.read_bytes().count(b"\n") for file in working_folder.glob("*.jsonl"))
