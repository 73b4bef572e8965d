"""The Space as its visitors meet it: a server process of its own, the calls that the page makes, visits, memory and log."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import httpx
import psutil
from gradio_client import Client, handle_file

APP = (sys.executable, "-m", "aullava.space.app")
TRACE = "Traceback (most recent call last)"
ANSWERED, BUSY, FAILED = "answered", "busy", "failed"
_PATIENCE, _CALL = 600, 60  # seconds until a page must be up; that one call may take
_LOOK_EVERY = 0.05  # seconds


class Server:
    """A page on a free port of loopback while the `with` block lasts.

    Args:
        folder: where its log and the files that visitors upload go.
        command: what starts it.
        cwd: where; here unless given.
    """

    def __init__(self, folder: Path, command: Sequence[str] = APP, cwd: Path | None = None):
        self.uploads, self.log = folder / "uploads", folder / "server.log"
        self._command, self._cwd = list(command), cwd
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}/"

    def __enter__(self) -> "Server":
        own = {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(self.port)}
        own |= {"GRADIO_TEMP_DIR": str(self.uploads), "PYTHONUNBUFFERED": "1"}
        with open(self.log, "w") as said:
            self.process = subprocess.Popen(
                self._command, cwd=self._cwd, env=os.environ | own, stdout=said, stderr=subprocess.STDOUT
            )
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _wait(self) -> None:
        """Until the page answers.

        Raises:
            RuntimeError: the program ended, or took too long; with the end of what it said.
        """
        ends = time.monotonic() + _PATIENCE
        while self.process.poll() is None and time.monotonic() < ends:
            try:
                if httpx.get(self.address, timeout=_CALL).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(_LOOK_EVERY)
        ended = self.process.poll()
        how = f"no page after {_PATIENCE} s" if ended is None else f"ended with {ended} before a page was up"
        raise RuntimeError(f"{' '.join(self._command)}: {how}:\n{self.said()[-3000:]}")

    def said(self) -> str:
        """What the server printed so far."""
        return self.log.read_text(errors="replace")

    def resident(self) -> int:
        """Bytes that are resident now."""
        return psutil.Process(self.process.pid).memory_info().rss


class Tab:
    """Calls what the page calls when a control of a tab is used: over the queue, and by number, as such functions have no endpoint.

    Args:
        address: of the page.
        answer: elem_id of an output that one function alone writes to, such as "drawn-face".
    """

    def __init__(self, address: str, answer: str):
        self._queue = f"{address}gradio_api/queue"
        config = httpx.get(f"{address}config", timeout=_CALL).json()
        props = {component["id"]: component["props"] for component in config["components"]}
        [written] = [number for number, found in props.items() if found.get("elem_id") == answer]
        [call] = [call for call in config["dependencies"] if written in call["outputs"]]
        self._function, self._place = call["id"], call["outputs"].index(written)
        self._values = {props[number].get("label"): props[number].get("value") for number in call["inputs"]}

    def use(self, label: str, value: object) -> str:
        """Give the control of this label a value, and wait for the answer.

        Returns:
            What is written to `answer`.

        Raises:
            RuntimeError: the page tells an error, which is the message.
        """
        self._values[label] = value
        session = uuid4().hex
        asked = {"data": [*self._values.values()], "fn_index": self._function, "session_hash": session}
        httpx.post(f"{self._queue}/join", json=asked, timeout=_CALL).raise_for_status()
        with httpx.stream("GET", f"{self._queue}/data", params={"session_hash": session}, timeout=_CALL) as events:
            for line in filter(None, events.iter_lines()):
                event = json.loads(line.removeprefix("data: "))
                if event["msg"] == "process_completed" and event["success"]:
                    return event["output"]["data"][self._place]
                if event["msg"] in ("process_completed", "unexpected_error"):
                    raise RuntimeError(f"{label} {value!r}: {event.get('output') or event.get('message')}")
        raise RuntimeError(f"{label} {value!r}: no answer")


def visit(address: str, picture: Path) -> str:
    """Let a new client have a picture read: `ANSWERED`, `BUSY` or `FAILED`."""
    try:
        client = Client(address, verbose=False, httpx_kwargs={"timeout": _CALL})
        answer = client.predict(picture=handle_file(str(picture)), api_name="/read_face")
    except Exception as error:  # whatever a visitor's client makes of it
        return outcome_of(str(error))
    return ANSWERED if answer["faces"] else FAILED


def outcome_of(told: str) -> str:
    """Whether an error tells that the page is busy; a trace never does."""
    busy = "queue is full" in told.lower() or "busy" in told.lower()
    return BUSY if busy and TRACE not in told else FAILED
