"""Rendered heads kept on disk: what the geometry network, the finder and the vision tower learn from, many times over.

    python -m aullava.dataset_builder.synthetic.rendered.store outputs/geometry/near --faces 40000 --assets ASSETS
    python -m aullava.dataset_builder.synthetic.rendered.store outputs/geometry/far --faces 6000 --first 500000 --zoom 0.25 0.6

Conventions
    file        SPLIT_FIRST.npz holds faces FIRST, FIRST + 1, ... of a split (`rendered.samples`): `im` uint8 (N, side,
                side, 3); `lm` float32 (N, 68, 2), landmarks in pixels; `pg` float32 (N, 5), yaw, pitch, roll, gaze to
                the left, gaze up in degrees; `ac` float32 (N, 51), strengths of `rendered.actions.ACTIONS` as they are
                labelled. Other arrays are left alone.
    zoom        a picture's face is so many times as large as the stream makes it. Near heads fill their picture.
    damage      none: whoever trains on the pictures damages them, differently each time.
    assets      every five faces, the first three wear them, where there are any; the others are procedural.
    resume      a file that is there is not rendered again. A file is whole or not there.
"""

import argparse
import dataclasses
from pathlib import Path

import cv2
import numpy as np

from aullava.common.files import replace_file
from aullava.dataset_builder.synthetic.numbering import SPLITS
from aullava.dataset_builder.synthetic.rendered.actions import ACTIONS
from aullava.dataset_builder.synthetic.rendered.assets import Library, load_library
from aullava.dataset_builder.synthetic.rendered.damage import Damage
from aullava.dataset_builder.synthetic.rendered.samples import describe_face, random_stream

NEAR = (1.1, 1.1)
_ZOOM = 20  # a stream beside those of the faces


@dataclasses.dataclass(frozen=True, eq=False)
class Heads:
    """Rendered heads in memory, as in a file."""

    images_NHWC: np.ndarray
    landmarks_N68_2: np.ndarray
    angles_N5: np.ndarray
    strengths_NA: np.ndarray

    def __len__(self) -> int:
        return len(self.images_NHWC)

    def save(self, path: Path) -> None:
        with open(path, "wb") as file:
            np.savez(file, im=self.images_NHWC, lm=self.landmarks_N68_2, pg=self.angles_N5, ac=self.strengths_NA)


def render_heads(
    split: str, first: int, count: int, side: int, zoom: tuple[float, float] = NEAR, library: Library | None = None
) -> Heads:
    """Render `count` heads of a split from number `first` on, `side` pixels wide and high.

    Args:
        zoom: lowest and highest, see above; drawn anew for each face, log-uniformly.
    """
    images, landmarks, angles, strengths = [], [], [], []
    for index in range(first, first + count):
        described = describe_face(split, index)
        draw = random_stream(SPLITS.index(split), index, _ZOOM)
        camera = described.scene.camera
        times = float(np.exp(draw.uniform(*np.log(zoom))))
        # Small faces lie anywhere in their picture, large ones in its middle.
        room = max(0.0, 0.5 - 0.42 * camera.fill * times)
        shift_x, shift_y = draw.uniform(-room, room, 2)
        camera = dataclasses.replace(
            camera, fill=camera.fill * times, shift_x=camera.shift_x + shift_x, shift_y=camera.shift_y + shift_y
        )
        scene = dataclasses.replace(described.scene, damage=Damage(), camera=camera)
        described = dataclasses.replace(described, scene=scene)
        face = described.render(side, library if index % 5 < 3 else None)
        images.append(face.image_HWC)
        landmarks.append(face.landmarks_68_2)
        angles.append((*face.pose, *face.gaze))
        strengths.append([face.actions[action] for action in ACTIONS])
    return Heads(np.stack(images), np.float32(landmarks), np.float32(angles), np.float32(strengths))


def load_heads(folder: Path, split: str, most: int | None = None) -> Heads:
    """All heads of a split in a folder, or the first `most` of them.

    Raises:
        FileNotFoundError: there is no file of the split.
    """
    files = sorted(Path(folder).glob(f"{split}_*.npz"))
    if not files:
        raise FileNotFoundError(f"{folder} holds no {split}_*.npz: render some first, see the top of store.py")
    parts, count = [], 0
    for file in files:
        if most is not None and count >= most:
            break
        with np.load(file) as arrays:
            parts.append(tuple(arrays[name] for name in ("im", "lm", "pg", "ac")))
        count += len(parts[-1][0])
    return Heads(*(np.concatenate(part)[:most] for part in zip(*parts, strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--faces", type=int, default=40_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first face in its split")
    parser.add_argument("--split", choices=SPLITS, default="train")
    parser.add_argument("--side", type=int, default=112, help="of the pictures, in pixels")
    parser.add_argument("--zoom", type=float, nargs=2, default=NEAR, metavar=("LOWEST", "HIGHEST"))
    parser.add_argument("--assets", help="folder of MakeHuman's assets")
    parser.add_argument("--per-file", type=int, default=2000)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    library = load_library(arguments.assets) if arguments.assets else None
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for first in range(arguments.first, arguments.first + arguments.faces, arguments.per_file):
        file = arguments.folder / f"{arguments.split}_{first:07d}.npz"
        count = min(arguments.per_file, arguments.first + arguments.faces - first)
        if not file.exists():
            heads = render_heads(arguments.split, first, count, arguments.side, tuple(arguments.zoom), library)
            replace_file(file, heads.save)
        print(file.name, flush=True)


if __name__ == "__main__":
    main()
