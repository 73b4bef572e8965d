"""How fast faces are drawn: sampling, drawing and labels of one face after the other in one process.

    OMP_NUM_THREADS=1 python benchmarks/drawing.py [--faces 600]

Both the time on the clock and the time this process had a core are given: on a busy machine only the second one tells.
"""

import argparse
import time

import cv2
from reporting import report

from aullava.action_units import PROTOCOLS
from aullava.dataset_builder.synthetic.drawn import sample_face

SIZES = (96, 256)


def measure(faces: int, size: int) -> tuple[float, float]:
    """Milliseconds a face: on the clock, and of processor time."""
    for index in range(20):
        sample_face(
            "validation", index, size=size
        )  # each style's tables are built once a process, in about half a second
    clock, processor = time.perf_counter(), time.process_time()
    for index in range(faces):
        sample_face("train", index, size=size).values(PROTOCOLS["feafa"])
    return (time.perf_counter() - clock) * 1e3 / faces, (time.process_time() - processor) * 1e3 / faces


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=int, default=600, help="faces of each size")
    faces = parser.parse_args().faces
    cv2.setNumThreads(1)
    figures = {}
    for size in SIZES:
        clock, processor = measure(faces, size)
        figures |= {
            f"clock_ms_per_face_{size}px": round(clock, 2),
            f"processor_ms_per_face_{size}px": round(processor, 2),
            f"faces_per_core_second_{size}px": round(1e3 / processor),
        }
    report("drawing", f"{faces} faces drawn on one core", figures)


if __name__ == "__main__":
    main()
