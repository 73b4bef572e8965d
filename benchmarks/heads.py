"""How fast heads are rendered, whether memory stays, and whether displacement and mirror keep their word.

    OMP_NUM_THREADS=1 python benchmarks/heads.py [--faces 200] [--long 20000] [--assets DIR]

Faces a second are whole faces of the stream in one process: sampling, geometry, picture and labels, with two by two samples a
pixel. The clock of the process is used, so that a busy machine does not count. Stages are told apart by running each alone on
the same faces: `geometry` is everything before the picture; `raster` the z-buffer of the head, `shade` the rest of the picture
but for `post`, which is the camera's damage.
"""

import argparse
import gc
import time

import cv2
import numpy as np
import psutil
from reporting import report

from aullava.action_units import PROTOCOLS
from aullava.dataset_builder.synthetic.rendered import render as renderer
from aullava.dataset_builder.synthetic.rendered.actions import ACTIONS, mirrored
from aullava.dataset_builder.synthetic.rendered.assets import load_library
from aullava.dataset_builder.synthetic.rendered.expression import Face, displacement
from aullava.dataset_builder.synthetic.rendered.mesh import load_head
from aullava.dataset_builder.synthetic.rendered.samples import describe_face, sample_face

SIZES = (96, 128, 224)
TARGETS = {
    "faces_per_s_96": ("at least", 55),
    "memory_growth": ("at most", 0.02),
    "dose_monotone": ("at least", 0.99),
    "mirror_error": ("at most", 1.0),
}
PEOPLE, DOSES, MIRRORED = 20, np.linspace(0, 1, 11), 20
# What an action needs beside it to be seen at all: a jaw that hangs low parts the lips.
_BESIDE = {"AU26": {"AU25": 1.0}, "AU27": {"AU25": 1.0}}


def speed(faces: int, size: int, library) -> float:
    """Faces a second of processor time."""
    for index in range(8):  # compiles, and fills the tables of a process
        sample_face("validation", index, size=size, library=library)
    begin = time.process_time()
    for index in range(faces):
        sample_face("train", index, size=size, library=library).values(PROTOCOLS["feafa"])
    return faces / (time.process_time() - begin)


def stages(faces: int, size: int, library) -> dict[str, float]:
    """Milliseconds of processor time a face and stage."""
    spent = {"geometry": 0.0, "raster": 0.0, "post": 0.0, "picture": 0.0}

    def timed(name, function):
        def run(*arguments, **options):
            begin = time.process_time()
            try:
                return function(*arguments, **options)
            finally:
                spent[name] += time.process_time() - begin

        return run

    kept = renderer.rasterize, renderer.damaged
    renderer.rasterize, renderer.damaged = timed("raster", kept[0]), timed("post", kept[1])
    try:
        for index in range(faces):
            begin = time.process_time()
            face = describe_face("train", index)
            face.vertices_V3  # noqa: B018 (computed once and kept)
            spent["geometry"] += time.process_time() - begin
            begin = time.process_time()
            face.render(size, library)
            spent["picture"] += time.process_time() - begin
    finally:
        renderer.rasterize, renderer.damaged = kept
    spent["shade"] = spent.pop("picture") - spent["raster"] - spent["post"]
    return {f"{name}_ms_{size}": round(1e3 * seconds / faces, 2) for name, seconds in spent.items()}


def memory(faces: int, library) -> tuple[float, float]:
    """Peak megabytes, and growth of what is held from the first tenth of a long run to its end."""
    process, tenth, peak = psutil.Process(), max(1, faces // 10), 0
    held = []
    for index in range(faces):
        sample_face("train", index, size=96, library=library)
        if index % tenth == tenth - 1:
            gc.collect()
            held.append(process.memory_info().rss)
            peak = max(peak, held[-1])
    return peak / 2**20, held[-1] / held[0] - 1


def monotony() -> tuple[float, dict[str, float]]:
    """Share of steps of strength that move an action's key vertices further, of all actions and of the worst ones."""
    shares = {}
    for action in ACTIONS:
        beside, rising = _BESIDE.get(action, {}), 0
        for number in range(PEOPLE):
            face = describe_face("validation", number).identity.face
            ways = [displacement(action, face.move(beside | {action: s}), face.neutral_V3, 1.0) for s in DOSES]
            rising += int((np.diff(ways) > 0).sum())
        shares[action] = rising / PEOPLE / (len(DOSES) - 1)
    return float(np.mean(list(shares.values()))), {name: share for name, share in shares.items() if share < 1}


def mirror_error(library) -> float:
    """Mean difference, in grey levels, between the picture of a mirrored face in a mirrored scene and the mirrored picture."""
    head, flip, errors = load_head(), np.array([-1, 1, 1], np.float32), []
    for number in range(MIRRORED):
        described = describe_face("validation", number)
        face, look, scene = described.identity.face, described.identity.look, described.scene
        other = Face(np.ascontiguousarray(face.rest_V3[head.mirror_V] * flip), face.habit, face.droop)
        pulls = mirrored(described.pulls)
        picture = renderer.render(face.move(described.pulls), look, described.pulls, scene, 96, library).image_HW3
        image = renderer.render(other.move(pulls), look, pulls, scene.mirrored(), 96, library).image_HW3[:, ::-1]
        errors.append(np.abs(picture.astype(int) - image).mean())
    return float(np.mean(errors))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=int, default=200, help="faces of each size")
    parser.add_argument("--long", type=int, default=20_000, help="faces over which memory is watched")
    parser.add_argument("--assets", help="folder of assets")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    library = load_library(arguments.assets)
    figures = {f"faces_per_s_{size}": round(speed(arguments.faces, size, library), 1) for size in SIZES}
    for size in SIZES:
        figures |= stages(arguments.faces, size, library)
    figures["dose_monotone"], falling = monotony()
    figures["mirror_error"] = round(mirror_error(library), 4)
    peak, growth = memory(arguments.long, library)
    figures |= {"peak_mb": round(peak), "memory_growth": round(growth, 4)}
    title = f"{arguments.faces} rendered heads of each size on one core; memory over {arguments.long}"
    details = "Shares of rising steps below 1: " + (
        ", ".join(f"{name} {share:.3f}" for name, share in falling.items()) or "none"
    )
    report("heads", title, figures, TARGETS, details)


if __name__ == "__main__":
    main()
