"""How soon the web page answers, how long a move of a slider takes, in how much memory, and what many visitors at once are told.

    python benchmarks/space.py [--requests 500] [--moves 100] [--trial]

Conventions
    start_up_s       from the start of `python -m aullava.space.app` in a process of its own until it has read a first picture for
                     gradio_client. page_up_s: until it has sent its first page.
    move_s           one move of one slider of the tab "Draw a face": from sending what the slider sends until the face, drawn
                     anew, and its reading are here; median. move_p95_s: 95th percentile. What the browser does then is left out.
    memory_growth_*  resident memory of the server after so many requests over that after the first tenth of them. One after
                     another: faces, several pictures, drawing, a slider, files that are no picture; no films. Pictures of 7 sizes,
                     uploaded anew.
    clients_20       share of 20 clients, all at once, that got a reading or were told that the page is busy.
                     clients_20_answered: that got a reading. clients_20_s: until the last of them had its answer.
    traces           stack traces in the server's log, of the whole run; a client that is told one counts as failed.
    Times are on the clock of the machine that the title names; load: average of a minute, at the beginning and at the end.
"""

import argparse
import contextlib
import math
import os
import platform
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from parts.space_server import ANSWERED, BUSY, TRACE, Server, Tab, visit
from PIL import Image
from reporting import report

CLIENTS = 20
KINDS = 6  # of requests, see `ask`
SHAPES = (
    (60, 1, 1),
    (96, 1, 1),
    (200, 2, 1),
    (420, 1, 1),
    (120, 5, 4),
    (800, 1, 1),
    (250, 3, 2),
)  # side, across, down


def draw_pictures(folder: Path) -> list[Path]:
    """Drawn faces in pictures of several sizes."""
    from aullava.dataset_builder.synthetic.drawn import sample_face

    paths = []
    for number, (side, across, down) in enumerate(SHAPES):
        face_HWC = sample_face("test", number, size=side).image_HWC
        paths.append(folder / f"{number}.png")
        Image.fromarray(np.tile(face_HWC, (down, across, 1))).save(paths[-1])
    return paths


def ask(client: Client, tab: Tab, pictures: list[Path], number: int) -> None:
    """The request of this number. Kinds and pictures come in turn, and their counts have no common factor."""
    picture, more = (handle_file(str(pictures[(number + step) % len(pictures)])) for step in (0, 1))
    match number % KINDS:
        case 0:
            client.predict(picture=picture, api_name="/read_face")
        case 1:
            client.predict(picture=picture, units="feafa", mode="parallel", faces="none", api_name="/read_face")
        case 2:
            client.predict(pictures=[picture, more], mode="parallel", api_name="/read_batch")
        case 3:
            client.predict(actions="AU9=0.5 AU12L=1", person=number % 1000, api_name="/draw_face")
        case 4:
            tab.use("Person", number % 1000)
        case _:
            with contextlib.suppress(AppError):  # it is told that a program is no picture
                client.predict(picture=handle_file(__file__), api_name="/read_face")


def memory_growth(server: Server, pictures: list[Path], requests: int) -> float:
    """Send the requests.

    Returns:
        Resident memory after all of them over that after the first tenth.
    """
    client, tab = Client(server.address, verbose=False), Tab(server.address, "drawn-face")
    first = math.nan
    for number in range(requests):
        if number == requests // 10:
            first = server.resident()
        ask(client, tab, pictures, number)
    return server.resident() / first


def move_times(address: str, moves: int) -> list[float]:
    """Seconds that each move of a slider takes."""
    tab, seconds = Tab(address, "drawn-face"), []
    for number in range(moves):
        strength = (number % 20 + 1) / 20
        begun = time.perf_counter()
        face = tab.use("AU12 left", strength)
        seconds.append(time.perf_counter() - begun)
        if f"AU12L {strength:.2f}" not in face:
            raise RuntimeError(f"move {number} of AU12L is not in the answer: {face[-300:]}")
    return seconds


def crowd(address: str, picture: Path) -> dict[str, float]:
    """What clients are told who come at once."""
    begun = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as visitors:
        told = list(visitors.map(lambda _: visit(address, picture), range(CLIENTS)))
    return {
        f"clients_{CLIENTS}": sum(one in (ANSWERED, BUSY) for one in told) / CLIENTS,
        f"clients_{CLIENTS}_answered": told.count(ANSWERED) / CLIENTS,
        f"clients_{CLIENTS}_s": time.perf_counter() - begun,
    }


def measure(folder: Path, requests: int, moves: int) -> dict[str, float]:
    """All figures, of one server."""
    pictures = draw_pictures(folder)
    begun = time.perf_counter()
    with Server(folder) as server:
        page_up = time.perf_counter() - begun
        if visit(server.address, pictures[1]) != ANSWERED:
            raise RuntimeError(f"the page does not read a drawn face:\n{server.said()[-3000:]}")
        figures = {"start_up_s": time.perf_counter() - begun, "page_up_s": page_up}
        seconds = move_times(server.address, moves)
        figures |= {"move_s": statistics.median(seconds), "move_p95_s": float(np.percentile(seconds, 95))}
        figures |= crowd(server.address, pictures[1])
        figures[f"memory_growth_{requests}"] = memory_growth(server, pictures, requests)
        return figures | {"resident_mb": server.resident() / 2**20, "traces": server.said().count(TRACE)}


def targets(requests: int) -> dict[str, tuple[str, float]]:
    return {
        "start_up_s": ("at most", 15),
        "move_s": ("at most", 0.5),
        f"clients_{CLIENTS}": ("at least", 1),
        f"memory_growth_{requests}": ("at most", 1.05),
        "traces": ("at most", 0),
    }


def processor() -> str:
    """The model of the processor, as far as the system tells it."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.is_file() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--requests", type=int, default=500, help="over which memory is watched (default: %(default)s)"
    )
    parser.add_argument("--moves", type=int, default=100, help="of a slider (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="where pictures and uploads go for the while (default: temporary)")
    parser.add_argument("--trial", action="store_true", help="50 requests, 10 moves; no file")
    given = parser.parse_args()
    if given.trial:
        given.requests, given.moves = 50, 10
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        found = measure(Path(folder), given.requests, given.moves)
    figures = {name: float(f"{value:.4g}") for name, value in found.items()}
    title = (
        f"The web page, embedded checkpoint: {given.moves} moves, {given.requests} requests; {processor()}, "
        f"{os.cpu_count()} cores, threads {os.environ.get('OMP_NUM_THREADS', 'unset')}, load {load:.1f}, {os.getloadavg()[0]:.1f}"
    )
    report("space", title, figures, targets(given.requests), write=not given.trial)


if __name__ == "__main__":
    main()
