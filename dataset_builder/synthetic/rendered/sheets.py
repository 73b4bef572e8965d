"""Pictures of many rendered faces: labelled contact sheets to look at, PNG files with their table of truth, the table of levels."""

import csv
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from aullava.common.files import replace_file
from aullava.dataset_builder.synthetic.rendered.actions import ACTIONS, PARTS
from aullava.dataset_builder.synthetic.rendered.assets import Library
from aullava.dataset_builder.synthetic.rendered.camera import Camera
from aullava.dataset_builder.synthetic.rendered.identity import Identity, sample_identity
from aullava.dataset_builder.synthetic.rendered.movements import level_table
from aullava.dataset_builder.synthetic.rendered.samples import (
    FaceDescription,
    RenderedFace,
    make_face,
    random_stream,
    sample_face,
)
from aullava.dataset_builder.synthetic.rendered.scene import Scene, sample_scene

DOSES = (0.2, 0.4, 0.6, 0.8, 1.0)  # the middles of levels 1 to 4, and the strongest that a face shows
# (tone, age, sex) of the three people of the level sheets.
_THREE = ((3, 28, "female"), (9, 38, "male"), (6, 66, "female"))
_CLOSE = Scene(camera=Camera(fill=0.88))  # as close as faces of the stream
_UPPER = ("AU1", "AU2", "AU4", "AU5", "AU6", "AU7", "AU9", "AU43", "AU61", "AU62", "AU63", "AU64")
_TOGETHER = {
    "6+12": ("AU6", "AU12"),
    "6+12+25": ("AU6", "AU12", "AU25"),
    "6+12+25+26": ("AU6", "AU12", "AU25", "AU26"),
    "12+25": ("AU12", "AU25"),
    "1+2": ("AU1", "AU2"),
    "1+4": ("AU1", "AU4"),
    "1+2+4": ("AU1", "AU2", "AU4"),
    "1+2+5+25+26": ("AU1", "AU2", "AU5", "AU25", "AU26"),
    "1+2+5+27": ("AU1", "AU2", "AU5", "AU25", "AU27"),
    "1+4+15+17": ("AU1", "AU4", "AU15", "AU17"),
    "4+5+7+23": ("AU4", "AU5", "AU7", "AU23"),
    "4+7+24": ("AU4", "AU7", "AU24"),
    "9+17": ("AU9", "AU17"),
    "9+10+25": ("AU9", "AU10", "AU25"),
    "10+25": ("AU10", "AU25"),
    "12+15": ("AU12", "AU15"),
    "12+17": ("AU12", "AU17"),
    "15+17": ("AU15", "AU17"),
    "20+25": ("AU20", "AU25"),
    "22+25": ("AU22", "AU25"),
    "25+26": ("AU25", "AU26"),
    "16+25": ("AU16", "AU25"),
    "26+28": ("AU26", "AU28"),
    "17+23": ("AU17", "AU23"),
    "17+24": ("AU17", "AU24"),
    "L12": ("AU12L",),
    "R14": ("AU14R",),
    "L10": ("AU10L",),
    "L2": ("AU2L",),
    "R43": ("AU43R",),
    "R6+12": ("AU6R", "AU12R"),
    "L15": ("AU15L",),
}


def sheet_identity(tone: int, age: float, sex: str, plain: bool = True) -> Identity:
    """A fixed person, for sheets; `plain`: with nothing before the face, so that every unit can be seen."""
    person = sample_identity(random_stream(tone, int(age), sex == "male", 22), tone=tone, age=age, sex=sex)
    if not plain:
        return person
    hair = "short" if sex == "male" else "tied"
    bare = replace(person.look, hair=hair, hair_pick=0.0, fringe=0.0, beard="none")
    bare = replace(bare, glasses="none", headwear="none", lip_paint=0.0)
    return replace(person, look=bare)


def level_sheet(codes: Iterable[str], size: int = 112, library: Library | None = None) -> np.ndarray:
    """Each unit alone, one a row, at five strengths on three people: uint8 RGB."""
    people = [sheet_identity(*person) for person in _THREE]
    tiles = []
    for code in codes:
        parts = PARTS[code][:1] if code == "AD30" else PARTS[code]
        for who in people:
            for dose in DOSES:
                tiles.append(_tile(who, dict.fromkeys(parts, dose), f"{code} {dose:g}", size, library))
    return _grid(tiles, len(people) * len(DOSES))


def unit_sheet(person: tuple[int, float, str], size: int = 160, library: Library | None = None) -> np.ndarray:
    """Neutral, then every unit at full strength on one person."""
    who = sheet_identity(*person)
    tiles = [_tile(who, {}, "neutral", size, library)]
    for code, parts in PARTS.items():
        tiles.append(_tile(who, dict.fromkeys(parts[:1] if code == "AD30" else parts, 1.0), code, size, library))
    return _grid(tiles, 8)


def pair_sheet(person: tuple[int, float, str], size: int = 160, library: Library | None = None) -> np.ndarray:
    """Units that go together, and units of one side, at strength 0.9."""
    who = sheet_identity(*person)
    tiles = []
    for name, codes in _TOGETHER.items():
        parts = [part for code in codes for part in PARTS.get(code, (code,))]
        tiles.append(_tile(who, dict.fromkeys(parts, 0.9), name, size, library))
    return _grid(tiles, 8)


def people_sheet(size: int = 160, library: Library | None = None) -> np.ndarray:
    """Ages in columns, tones in rows."""
    ages = (13, 20, 30, 40, 50, 60, 70, 82)
    tiles = [
        _tile(sheet_identity(tone, age, sex, plain=False), {}, f"tone {tone}, {age}, {sex}", size, library)
        for tone, first in ((1, 0), (3, 1), (5, 0), (7, 1), (9, 0), (10, 1))
        for age, sex in ((age, ("female", "male")[(first + number) % 2]) for number, age in enumerate(ages))
    ]
    return _grid(tiles, len(ages))


def pose_sheet(person: tuple[int, float, str], size: int = 160, library: Library | None = None) -> np.ndarray:
    """Yaw in columns, pitch in rows, and a last row of roll, on a smile."""
    who, smile = sheet_identity(*person), dict.fromkeys((*PARTS["AU6"], *PARTS["AU12"], "AU25"), 0.7)
    turns = [(yaw, pitch, 0.0) for pitch in (-25, -12, 0, 12, 25) for yaw in (-45, -30, -15, 0, 15, 30, 45)]
    turns += [(0.0, 0.0, roll) for roll in (-20, -12, -6, 0, 6, 12, 20)]
    tiles = []
    for yaw, pitch, roll in turns:
        scene = Scene()
        scene = replace(scene, camera=replace(scene.camera, yaw=float(yaw), pitch=float(pitch), roll=float(roll)))
        face = make_face(who, smile, scene).render(size, library)
        tiles.append(_labelled(face.image_HWC, f"{yaw:g} {pitch:g} {roll:g}"))
    return _grid(tiles, 7)


def scene_sheet(person: tuple[int, float, str], size: int = 160, library: Library | None = None) -> np.ndarray:
    """One person and expression in many scenes: light, background, occluders and damage."""
    who, smile = sheet_identity(*person), dict.fromkeys((*PARTS["AU6"], *PARTS["AU12"], "AU25"), 0.7)
    tiles = []
    for number in range(40):
        scene = sample_scene(random_stream(number, 23))
        face = make_face(who, smile, scene).render(size, library)
        tiles.append(_labelled(face.image_HWC, " ".join(scene.groups().values())[: size // 6]))
    return _grid(tiles, 8)


def truth_sheet(count: int = 16, size: int = 192, library: Library | None = None) -> np.ndarray:
    """Random faces with their box and landmarks, and beside each the mask of its strongest action in red."""
    tiles = []
    for index in range(count):
        face = sample_face("train", index, size=size, library=library)
        marked, masked = face.image_HWC.copy(), face.image_HWC.copy()
        for x, y in face.landmarks_68_2:
            cv2.circle(marked, (round(float(x)), round(float(y))), 1, (80, 255, 80), -1)
        x, y, w, h = (round(side) for side in face.box)
        cv2.rectangle(marked, (x, y), (x + w, y + h), (255, 220, 60), 1)
        action = max(face.actions, key=face.actions.get)
        masked[face.masks()[action]] = masked[face.masks()[action]] // 2 + np.array([127, 0, 0], np.uint8)
        yaw, pitch, roll = face.pose
        tiles += [
            _labelled(marked, f"yaw {yaw:.0f} pitch {pitch:.0f} roll {roll:.0f}"),
            _labelled(masked, f"{action} {face.actions[action]:.2f}"),
        ]
    return _grid(tiles, 8)


def random_sheet(count: int = 48, seed: int = 0, size: int = 160, library: Library | None = None) -> np.ndarray:
    """Faces of training identities with their actions of strength 0.3 or more, in tenths."""
    tiles = []
    for index in range(count):
        face = sample_face("train", index, seed=seed, size=size, library=library)
        tiles.append(_labelled(face.image_HWC, *_shown(face, 3)))
    return _grid(tiles, 8)


def write_sheets(out_dir: str | os.PathLike, size: int = 128, library: Library | None = None) -> list[Path]:
    """Write the contact sheets as PNG and levels.csv, and return their paths; `size` is the side of a tile in pixels."""
    out = Path(out_dir)
    lower = [code for code in PARTS if code not in _UPPER]
    sheets = {
        "levels_upper.png": lambda: level_sheet(_UPPER, size, library),
        "levels_lower_1.png": lambda: level_sheet(lower[: len(lower) // 2], size, library),
        "levels_lower_2.png": lambda: level_sheet(lower[len(lower) // 2 :], size, library),
        **{f"units_{n}.png": lambda who=who: unit_sheet(who, size, library) for n, who in enumerate(_THREE, 1)},
        "together.png": lambda: pair_sheet(_THREE[0], size, library),
        "people.png": lambda: people_sheet(size, library),
        "poses.png": lambda: pose_sheet(_THREE[1], size, library),
        "scenes.png": lambda: scene_sheet(_THREE[2], size, library),
        "truth.png": lambda: truth_sheet(size=size, library=library),
        "random.png": lambda: random_sheet(size=size, library=library),
    }
    paths = [_write_png(out / name, sheet()) for name, sheet in sheets.items()]
    header = ["unit", "where", "key_vertices", "way_at_1", *(f"level_{level}_from" for level in range(1, 6))]
    rows = [[code, place, keys, full, *begins] for code, place, keys, full, begins in level_table()]
    return [*paths, _write_csv(out / "levels.csv", [header, *rows])]


def write_faces(
    out_dir: str | os.PathLike,
    count: int = 24,
    seed: int = 0,
    split: str = "test",
    size: int = 224,
    library: Library | None = None,
) -> Path:
    """Write `count` faces as PNG files and `labels.csv`, one row a face in the order of the files; return the table's path.

    The table has file, subject, one column a group, box_x, box_y, box_w, box_h, yaw, pitch, roll, gaze_left, gaze_up, sides,
    one column an action with its strength 0..1, and x00, y00 to x67, y67 of the landmarks in pixels.

    Raises:
        FileExistsError: the folder holds something, which would lie among the faces without a label.
        ValueError: an asset is broken.
    """
    out = Path(out_dir)
    out.mkdir(parents=True, exist_ok=True)
    if found := sorted(path.name for path in out.iterdir()):
        raise FileExistsError(f"{out} holds {', '.join(found[:3])}: name a new or an empty folder")
    rows: list[list] = []
    for index in range(count):
        face = sample_face(split, index, seed=seed, size=size, library=library)
        name = f"{split}-{seed}-{index:06d}.png"
        _write_png(out / name, face.image_HWC)
        points = [f"{value:.2f}" for value in face.landmarks_68_2.ravel()]
        where = [f"{value:.1f}" for value in (*face.box, *face.pose, *face.gaze)]
        strengths = [f"{face.actions[action]:g}" for action in ACTIONS]
        if not rows:
            columns = [f"{axis}{number:02d}" for number in range(len(points) // 2) for axis in "xy"]
            turns = ["box_x", "box_y", "box_w", "box_h", "yaw", "pitch", "roll", "gaze_left", "gaze_up", "sides"]
            rows = [["file", "subject", *face.groups, *turns, *ACTIONS, *columns]]
        rows.append([name, face.subject, *face.groups.values(), *where, face.sides, *strengths, *points])
    return _write_csv(out / "labels.csv", rows)


def _tile(who: Identity, actions: dict[str, float], text: str, size: int, library: Library | None) -> np.ndarray:
    face: FaceDescription = make_face(who, actions, _CLOSE)
    return _labelled(face.render(size, library).image_HWC, text)


def _shown(face: RenderedFace, lines: int) -> list[str]:
    """What a tile says: units of strength 0.3 or more in tenths, a side only where the other side shows less than half."""
    words = []
    for code, parts in PARTS.items():
        strongest = max(parts, key=face.actions.get)
        strength = face.actions[strongest]
        if strength < 0.3:
            continue
        alike = min(face.actions[part] for part in parts) >= strength / 2
        words.append(f"{(code if alike else strongest).removeprefix('AU')}:{10 * strength:.0f}")
    return [" ".join(words[i : i + 4]) for i in range(0, 4 * lines, 4)]


def _write_png(path: Path, image_HWC: np.ndarray) -> Path:
    replace_file(path, lambda temporary: Image.fromarray(image_HWC).save(temporary, format="PNG"))
    return path


def _write_csv(path: Path, rows: list[list]) -> Path:
    def write(temporary: Path) -> None:
        with open(temporary, "w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)

    replace_file(path, write)
    return path


def _labelled(image_HWC: np.ndarray, *lines: str) -> np.ndarray:
    """The image with a strip of text below it, one row a line."""
    side = image_HWC.shape[1]
    row = max(11, side // 11)
    strip_HWC = np.full((row * len(lines) + 4, side, 3), 24, np.uint8)
    for number, line in enumerate(lines):
        at = (4, int((number + 0.85) * row))
        cv2.putText(strip_HWC, line, at, cv2.FONT_HERSHEY_SIMPLEX, row / 38, (250, 236, 190), 1, cv2.LINE_AA)
    return np.vstack([image_HWC, strip_HWC])


def _grid(tiles: list[np.ndarray], columns: int) -> np.ndarray:
    """Tiles of one size in rows, the last row filled up with grey."""
    tiles = tiles + [np.full_like(tiles[0], 90)] * (-len(tiles) % columns)
    return np.vstack([np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)])
