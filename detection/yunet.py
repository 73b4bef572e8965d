"""The face detector YuNet (Wu, Peng and Yu, Machine Intelligence Research 20, 2023), as OpenCV runs it.

Its weights are one ONNX file of 230 kB under the MIT licence. It is not part of this package: the user names a file or a repo on
the Hub.
"""

import re
from pathlib import Path
from textwrap import shorten

import cv2
import numpy as np
from PIL import Image

from aullava.detection.crop import FaceBox, box_within, crop_face, largest_first
from aullava.detection.search import PerThread, checked_min_face, search_scale, smallest_face

# YuNet learned the boxes of WIDER FACE, which hold forehead, chin and cheeks and nothing beyond. An eighth of the height more
# above and below puts the chin at nine tenths of the crop, as in drawn faces. With the proportions of adults (187 mm from
# hairline to chin, pupils 63 mm apart and 0.4 of the way down) the eyes come to 0.42 of its height, 0.27 of its width apart.
# Derived from those figures and not measured: no weights could be had here.
YUNET_MARGIN = 0.125
YUNET_FILE = "face_detection_yunet_2023mar.onnx"
YUNET_NAMES = (
    "yunet:FILE.onnx, yunet:ORG/NAME or yunet:ORG/NAME/FILE.onnx (ORG/NAME: such as opencv/face_detection_yunet)"
)

# Its authors give 10 to 300 pixels as the faces it finds: of 480, that is from a fiftieth to six tenths of the longer side.
_SIDE = 480
_FINDABLE = 10


class YuNetDetector:
    """Finds turned and partly hidden faces as well.

    Args:
        file: the weights, with the inputs and outputs of `YUNET_FILE`.
        margin: share of the box's longer side added on each side of a crop.
        min_score: lower scores are not faces. 0.6 as in OpenCV's model zoo; the library's default of 0.9 keeps only the surest.
        min_face: as in detection/detector.py; None for a fiftieth of the image's longer side.

    Raises:
        ValueError: OpenCV cannot run the file, or `min_face` is out of range.
    """

    def __init__(
        self, file: str | Path, margin: float = YUNET_MARGIN, min_score: float = 0.6, min_face: float | None = None
    ):
        self._nets = PerThread(lambda: cv2.FaceDetectorYN.create(str(file), "", (32, 32), score_threshold=min_score))
        self.margin = margin
        self.min_face = checked_min_face(min_face)
        try:
            self.detect(np.zeros((32, 32, 3), dtype=np.uint8))
        except cv2.error as error:
            reason = shorten(str(error), width=300)
            raise ValueError(f"{file} is no YuNet that OpenCV {cv2.__version__} can run: {reason}") from error

    def detect(self, image_HWC: np.ndarray) -> list[FaceBox]:
        height, width = image_HWC.shape[:2]
        smallest = smallest_face(self.min_face, height, width)
        scale = search_scale(height, width, _SIDE, smallest, _FINDABLE)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small_HWC = cv2.resize(image_HWC, size, interpolation=cv2.INTER_AREA)
        net = self._nets.get()
        net.setInputSize(size)
        _, found_NF = net.detect(cv2.cvtColor(small_HWC, cv2.COLOR_RGB2BGR))  # x, y, w, h, ten of landmarks, score
        if found_NF is None:
            return []
        to_picture = np.tile([width / size[0], height / size[1]], 2)
        boxes = [box_within(found[:4] * to_picture, width, height, float(found[14])) for found in found_NF]
        return largest_first(box for box in boxes if min(box.w, box.h) >= 1 and max(box.w, box.h) >= smallest)

    def crop(self, image: Image.Image, box: FaceBox) -> Image.Image:
        return crop_face(image, box, self.margin)


def find_weights(name: str) -> str:
    """The path of the weights that `yunet:NAME` names. From the Hub they are downloaded once, into its cache.

    Args:
        name: FILE.onnx, ORG/NAME or ORG/NAME/FILE.onnx. A file that exists is preferred to a name on the Hub.

    Raises:
        ValueError: there is neither such a file nor such a repository, or the Hub cannot be reached.
    """
    if Path(name).is_file():
        return name
    parts = re.fullmatch(r"([\w.-]+/[\w.-]+)(?:/(.+\.onnx))?", name)
    if not parts or parts[1].endswith(".onnx"):
        raise ValueError(
            f"no YuNet weights at {name!r}: expected {YUNET_NAMES}. Where a checkpoint names only the file, say with --faces where "
            "it lies here"
        )
    repo, file = parts[1], parts[2] or YUNET_FILE
    from huggingface_hub import hf_hub_download  # here, as no other detector needs it and its import is slow

    try:
        return hf_hub_download(repo, file)
    except (OSError, ValueError) as error:
        reason = shorten(str(error), width=300)
        raise ValueError(
            f"YuNet's {file} cannot be had from the Hub's {repo}, nor from its cache: {reason}"
        ) from error
