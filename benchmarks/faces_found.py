"""Which faces are found, by whom, and how well the geometry network frames them.

    OMP_NUM_THREADS=1 python benchmarks/faces_found.py [--heads 1000] [--scenes 600] [--assets DIR] [--photographs DIR]

Conventions
    heads       rendered heads of test identities, 112 pixels, undamaged. Each is looked at from two rough boxes: up to
                20% too large or small, up to 12% of a side off. Landmarks' error: mean distance over that of the outer
                corners of the eyes (NME), the median of the heads. Pose and gaze: mean absolute error in degrees.
                Agreement: intersection over union of the two boxes.
    scenes      rendered pictures of test identities, 320 x 320, one face each of 0.06 to 0.7 of the side, damaged as a
                camera would; and half as many pictures without a face, 640 x 360. Light: mean grey level inside the box,
                dark below 60, bright above 170.
    photographs a folder with `labels.csv` (file, face_x, face_y, face_w, face_h: brows to chin) and `faces/`: one face
                each. Totals only.
    found       the square that a way gives overlaps the true one (the landmarks'; on photographs the labelled box made
                square) by 0.4 or more, intersection over union. Boxes of another kind are brought to that square by one
                scale and shift a way, the medians over scenes. Any other box is false; in photographs that may be the
                face of somebody who was not labelled.
    checked     each box is looked at by the geometry network; it stays, as that network frames it, where the score is
                0.5 or more.
    geometry    `detection.finder.GeometryDetector`: the finder and the check, their scores taken together.
    time        processor milliseconds a picture of 640 x 360 with one face, on one thread.
"""

import argparse
import csv
import dataclasses
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from parts.face_finders import HaarPasses, dlib_hog, finder, haar
from reporting import markdown_table, report

from aullava.dataset_builder.synthetic.rendered.assets import load_library
from aullava.dataset_builder.synthetic.rendered.samples import describe_face, random_stream
from aullava.dataset_builder.synthetic.rendered.store import render_heads
from aullava.detection.crop import FaceBox
from aullava.detection.finder import GeometryDetector, distinct, overlap
from aullava.detection.geometry import FaceGeometry, face_geometry
from aullava.training.geometry.crops import square_of
from aullava.training.geometry.textures import texture

TARGETS = {
    "geometry_found_photographs": ("at least", 0.97),
    "geometry_false_photographs": ("at most", 0.05),
    "geometry_tone_gap": ("at most", 0.01),
    "geometry_ms": ("at most", 25),
}
FOUND = 0.4
_PLACE = 30  # a stream beside those of the faces


def box_of(x: float, y: float, side: float, score: float | None = None) -> FaceBox:
    return FaceBox(round(x - side / 2), round(y - side / 2), max(1, round(side)), max(1, round(side)), score)


def measure_heads(count: int, library) -> tuple[dict[str, float], str]:
    """Errors of landmarks, pose and gaze by pose, and how well two rough boxes end in one."""
    heads = render_heads("test", 0, count, 112, library=library)
    rng = np.random.default_rng(0)
    rows = defaultdict(list)
    for image, landmarks, angles in zip(heads.images_NHWC, heads.landmarks_N68_2, heads.angles_N5, strict=True):
        x, y, side = square_of(landmarks.astype(float))
        rough = []
        for _ in range(2):
            shift = side * rng.uniform(-0.12, 0.12, 2)
            rough.append(box_of(x + shift[0], y + shift[1], side * np.exp(rng.uniform(-0.2, 0.2))))
        first, second = face_geometry(image, rough)
        true = landmarks.astype(float)
        eyes = np.linalg.norm(true[36] - true[45])
        said = np.array([first.yaw, first.pitch, first.roll, first.gaze_left, first.gaze_up])
        values = [np.linalg.norm(first.landmarks_68_2 - true, axis=1).mean() / eyes, *np.abs(said - angles)]
        values += [overlap(first.box, second.box), overlap(*rough), min(first.score, second.score) >= 0.5]
        yaw = abs(angles[0])
        for band in ("all", "below 15" if yaw < 15 else "15 to 30" if yaw < 30 else "30 to 45"):
            rows[band].append(values)
    names = ("nme", "yaw", "pitch", "roll", "gaze_left", "gaze_up", "agreement", "agreement_of_rough", "accepted")
    table, figures = [], {}
    for band in ("all", "below 15", "15 to 30", "30 to 45"):
        if not rows[band]:
            continue
        values = np.array(rows[band])
        summary = [np.median(values[:, 0]), *values[:, 1:].mean(0)]
        table.append((band, str(len(values)), *(f"{v:.3f}" for v in summary)))
        if band == "all":
            figures = {f"heads_{name}": round(float(v), 4) for name, v in zip(names, summary, strict=True)}
    return figures, "Heads, by yaw in degrees\n\n" + markdown_table(("yaw", "heads", *names), table)


def scenes(count: int, library) -> list[tuple[np.ndarray, tuple[float, float, float] | None, dict[str, str]]]:
    """Pictures, the square of the face in each, and what group it belongs to."""
    made = []
    for index in range(count):
        draw = random_stream(2, index, _PLACE)
        described = describe_face("test", 10_000 + index)
        fill = float(np.exp(draw.uniform(np.log(0.08), np.log(0.85))))
        room = max(0.0, 0.5 - 0.5 * fill)
        shift_x, shift_y = draw.uniform(-room, room, 2).tolist()
        camera = dataclasses.replace(described.scene.camera, fill=fill, shift_x=shift_x, shift_y=shift_y)
        described = dataclasses.replace(described, scene=dataclasses.replace(described.scene, camera=camera))
        image = described.render(320, library if index % 5 < 3 else None).image_HWC
        square = square_of(described.landmarks(320).astype(float))
        box = box_of(*square)
        inside = image[max(0, box.y) : box.y + box.h, max(0, box.x) : box.x + box.w]
        level = inside.mean() if inside.size else 0
        tone = int(described.groups["skin_tone"])
        groups = {
            "tone": "1 to 3" if tone <= 3 else "4 to 7" if tone <= 7 else "8 to 10",
            "pose": described.groups["pose"],
            "size": "below 32 px" if square[2] < 32 else "32 to 80 px" if square[2] < 80 else "above 80 px",
            "light": "dark" if level < 60 else "bright" if level > 170 else "between",
            "occluder": "none" if described.groups["occluder"] == "none" else "some",
        }
        made.append((image, square, groups))
    return made


def photographs(folder: Path) -> list[tuple[np.ndarray, tuple[float, float, float], dict[str, str]]]:
    made = []
    with open(folder / "labels.csv", newline="") as file:
        for row in csv.DictReader(file):
            x, y, w, h = (float(row[f"face_{name}"]) for name in "xywh")
            picture = cv2.imread(str(folder / "faces" / row["file"]))[..., ::-1]
            made.append((np.ascontiguousarray(picture), (x + w / 2, y + h / 2, max(w, h)), {}))
    return made


def remembered(find: Callable) -> Callable:
    """The same way, which looks at each picture once; pictures stay in memory throughout."""
    boxes: dict[int, list[FaceBox]] = {}

    def look(image: np.ndarray) -> list[FaceBox]:
        if id(image) not in boxes:
            boxes[id(image)] = find(image)
        return boxes[id(image)]

    return look


def kind_of(find: Callable, pictures: list) -> tuple[float, float, float]:
    """How the boxes of a way lie to the landmarks' square: shift of the middle in sides, and size; medians."""
    found = []
    for image, (x, y, side), _ in pictures:
        near = [box for box in find(image) if overlap(box, box_of(x, y, side)) > 0.2]
        found += [((x - b.x - b.w / 2) / b.w, (y - b.y - b.h / 2) / b.w, side / b.w) for b in near[:1]]
    return tuple(np.median(found, axis=0).tolist()) if found else (0.0, 0.0, 1.0)


def as_squares(find: Callable, kind: tuple[float, float, float]) -> Callable:
    def squares(image: np.ndarray) -> list[FaceBox]:
        boxes = [
            (b.x + b.w / 2 + kind[0] * b.w, b.y + b.h / 2 + kind[1] * b.w, b.w * kind[2], b.score) for b in find(image)
        ]
        return [box_of(*box) for box in boxes]

    return squares


def checked(find: Callable) -> Callable:
    def boxes(image: np.ndarray) -> list[FaceBox]:
        seen: list[FaceGeometry] = face_geometry(image, find(image))
        return distinct([one.box for one in seen if one.score >= 0.5], FOUND)

    return boxes


def measure(find: Callable, pictures: list, empty: list[np.ndarray]) -> dict:
    """Share of faces that are found, in all and by group; false boxes a picture, and a picture without a face."""
    hits, groups, false = [], defaultdict(list), 0
    for image, square, labels in pictures:
        boxes = find(image)
        right = [overlap(box, box_of(*square)) >= FOUND for box in boxes]
        hits.append(any(right))
        false += len(right) - any(right)
        for group in labels.items():
            groups[group].append(hits[-1])
    return {
        "found": float(np.mean(hits)),
        "false": false / len(pictures),
        "false_empty": sum(len(find(image)) for image in empty) / len(empty) if empty else float("nan"),
        "groups": {group: (float(np.mean(values)), len(values)) for group, values in sorted(groups.items())},
    }


def milliseconds(find: Callable, pictures: list) -> float:
    """Processor time of a 640 x 360 picture with one face."""
    frames = [cv2.resize(image[40:220], (640, 360), interpolation=cv2.INTER_LINEAR) for image, *_ in pictures[:20]]
    find(frames[0])
    begin = time.process_time()
    for frame in frames:
        find(frame)
    return 1e3 * (time.process_time() - begin) / len(frames)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--heads", type=int, default=1000)
    parser.add_argument("--scenes", type=int, default=600)
    parser.add_argument("--assets", help="folder of MakeHuman's assets")
    parser.add_argument("--photographs", type=Path, help="folder of photographs, see above")
    parser.add_argument("--trial", action="store_true", help="write no table to benchmarks/results/")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    library = load_library(arguments.assets) if arguments.assets else None
    figures, details = measure_heads(arguments.heads, library)
    rendered = scenes(arguments.scenes, library)
    drawn = np.random.default_rng(5)
    empty = [cv2.resize(texture(drawn, 360), (640, 360)) for _ in range(arguments.scenes // 2)]
    photos = photographs(arguments.photographs) if arguments.photographs else []
    ways = {"haar": haar, "haar_passes": HaarPasses(), "dlib_hog": dlib_hog(), "finder": finder}
    results, times = {}, {}
    for name, find in ways.items():
        if find is None:
            continue
        look = remembered(find)
        kind = kind_of(look, rendered) if name != "finder" else (0.0, 0.0, 1.0)
        for label, over in ((name, lambda squares: squares), (f"{name}_checked", checked)):
            way = over(as_squares(look, kind))
            results[label] = measure(way, rendered, empty)
            times[label] = milliseconds(over(as_squares(find, kind)), rendered)
            results[label]["photographs"] = measure(way, photos, []) if photos else None
    detect = GeometryDetector().detect
    results["geometry"], times["geometry"] = measure(detect, rendered, empty), milliseconds(detect, rendered)
    results["geometry"]["photographs"] = measure(detect, photos, []) if photos else None
    rows = []
    for name, result in results.items():
        photo = result["photographs"] or {"found": float("nan"), "false": float("nan")}
        shares = [share for (group, _), (share, _) in result["groups"].items() if group == "tone"]
        values = {"found": result["found"], "false": result["false"], "false_empty": result["false_empty"]}
        values |= {"tone_gap": max(shares) - min(shares), "ms": times[name]}
        values |= {"found_photographs": photo["found"], "false_photographs": photo["false"]}
        figures |= {f"{name}_{key}": round(value, 4) for key, value in values.items()}
        rows.append((name, *(f"{value:.3f}" for value in values.values())))
    details += f"\n\n{len(rendered)} scenes, {len(empty)} pictures without a face, {len(photos)} photographs\n\n"
    details += markdown_table(("way", *values), rows)
    groups = list(results["geometry"]["groups"])
    columns = ("group", "faces", *results)
    shares = [
        (f"{kind}: {value}", str(results["geometry"]["groups"][kind, value][1]))
        + tuple(f"{result['groups'][kind, value][0]:.3f}" for result in results.values())
        for kind, value in groups
    ]
    details += "\n\nFound on scenes, by group\n\n" + markdown_table(columns, shares)
    title = (
        f"Faces found and framed: {arguments.heads} rendered heads, {len(rendered)} scenes, {len(photos)} photographs"
    )
    report("faces_found", title, figures, TARGETS, details, write=not arguments.trial)


if __name__ == "__main__":
    main()
