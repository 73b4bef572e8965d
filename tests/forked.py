"""Scripts run as processes of their own without seconds of imports each: forks of a server that has imported the libraries.

`run` and `start` stand for `python SCRIPT ...` and `python -m MODULE ...`, `processes=2` for torchrun. Each run has its own
memory, environment, folder and streams, and may be killed. Unlike fresh interpreters, the runs of a session share the seed by
which str hashes, and libraries are there already: of each script one test should start a fresh interpreter.
"""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
import uuid
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["aullava.training.run.assembly", "aullava.commands.recognize_job"])


class Forked:
    """A script that runs, with the verbs of subprocess.Popen. What it prints goes to files, so that nobody has to read.

    Args:
        arguments: what would follow `python`: a script or `-m` and a module, and its arguments.
        cwd: folder that it runs in.
        env: its whole environment.
        processes: how many torchrun would start; 0 runs the script without it.
    """

    def __init__(self, arguments: Sequence, cwd: Path | str, env: dict[str, str], processes: int = 0):
        self.arguments = [str(word) for word in arguments]
        self._folder = tempfile.TemporaryDirectory(prefix="aullava-forked-")
        self._streams = [Path(self._folder.name) / name for name in ("stdout", "stderr")]
        for path in self._streams:
            path.touch()
        where = os.path.abspath(cwd)  # a fork begins where this process did, which may be elsewhere by now
        self._process = SERVER.Process(target=_become, args=(self.arguments, where, env, self._streams, processes))
        self._process.start()
        weakref.finalize(self, self._process.kill)  # whoever fails half-way leaves none behind

    @property
    def returncode(self) -> int | None:
        """As that of subprocess.Popen; None while it runs."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self._process.pid, number)

    def lines(self) -> Iterator[str]:
        """What it prints to its standard output, as it comes, to the end."""
        with self._streams[0].open() as printed:
            ended, line = False, ""
            while line or not ended:
                ended = self.returncode is not None
                line = printed.readline()
                if line:
                    yield line
                elif not ended:
                    time.sleep(0.01)

    def finish(self, timeout: float = 300) -> subprocess.CompletedProcess:
        """Waits for the end.

        Args:
            timeout: seconds.

        Raises:
            TimeoutError: it runs longer than that.
        """
        self._process.join(timeout)
        if self.returncode is None:
            raise TimeoutError(
                f"{self.arguments} still runs after {timeout} s: {self._streams[1].read_text()[-3000:]}"
            )
        return subprocess.CompletedProcess(
            self.arguments, self.returncode, *(path.read_text() for path in self._streams)
        )


def start(*arguments, cwd: Path | str = ".", env: dict[str, str] | None = None, processes: int = 0) -> Forked:
    """Starts a script; see `Forked`. The environment is this process's own unless given."""
    return Forked(arguments, cwd, dict(os.environ) if env is None else env, processes)


def run(*arguments, **options) -> subprocess.CompletedProcess:
    """Runs a script to its end; options as of `start`."""
    return start(*arguments, **options).finish()


def _become(arguments: list[str], cwd: str, env: dict[str, str], streams: list[Path], processes: int) -> None:
    """In the fork: be that script."""
    for number, path in enumerate(streams, start=1):
        file = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    sys.stdout.reconfigure(line_buffering=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell started the tests with `&`
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    if processes:
        _torchrun(arguments, processes)
    else:
        _script(arguments)


def _script(arguments: list[str]) -> None:
    np.random.seed()  # forks would share it, fresh interpreters do not
    sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        sys.path.insert(0, os.path.dirname(os.path.abspath(arguments[0])))
        runpy.run_path(arguments[0], run_name="__main__")


def _torchrun(arguments: list[str], processes: int) -> None:
    """What `torchrun --standalone` does, with its own agent, but for the interpreters of the workers, which are forks."""
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=str(uuid.uuid4()),
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        start_method="fork",
        max_restarts=0,
    )
    elastic_launch(config, _script)(arguments)
