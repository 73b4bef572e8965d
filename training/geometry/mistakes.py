"""What a finder takes for faces in pictures that hold none there: crops for the geometry network to learn from.

    python -m aullava.training.geometry.mistakes FINDER.safetensors MISTAKES.npz --heads outputs/geometry/near

The file holds `im`, uint8 (N, 64, 64, 3): crops about each proposal that no true box overlaps, as `detection.geometry`
would cut them.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch

from aullava.common.files import replace_file
from aullava.dataset_builder.synthetic.rendered.store import load_heads
from aullava.detection.crop import FaceBox
from aullava.detection.finder import load_finder, propose
from aullava.detection.geometry import GROWTH, SIDE, crop_map, cut
from aullava.training.geometry.crops import NO_FACE_TO, iou_of_squares
from aullava.training.geometry.scenes import Scenes


def mistakes(scenes: Scenes, count: int, network) -> np.ndarray:
    """Crops about the false proposals in `count` pictures, every third with faces, the others without."""
    crops = []
    for index in range(count):
        image, squares = scenes.scene(index) if index % 3 == 0 else scenes.clutter(index)
        for box in propose(image, 1.0, network):
            square = _square(box)
            if all(iou_of_squares(square, true) < NO_FACE_TO for true in squares):
                crops.append(cut(image, crop_map(square[0], square[1], square[2] * GROWTH, 0.0)))
    return np.stack(crops) if crops else np.zeros((0, SIDE, SIDE, 3), np.uint8)


def _square(box: FaceBox) -> tuple[float, float, float]:
    return box.x + box.w / 2, box.y + box.h / 2, float(box.w)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("finder", type=Path, help="weights of the finder")
    parser.add_argument("out", type=Path)
    parser.add_argument("--heads", type=Path, nargs="+", required=True, help="folders of rendered heads")
    parser.add_argument("--most-heads", type=int, default=4000, help="of each folder")
    parser.add_argument("--scenes", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=100)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    heads = [load_heads(folder, "train", arguments.most_heads) for folder in arguments.heads]
    crops = mistakes(Scenes(heads, arguments.scenes, arguments.seed), arguments.scenes, load_finder(arguments.finder))

    def save(path: Path) -> None:
        with open(path, "wb") as file:
            np.savez(file, im=crops)

    replace_file(arguments.out, save)
    print(f"{len(crops)} mistakes in {arguments.scenes} pictures, written to {arguments.out}")


if __name__ == "__main__":
    main()
