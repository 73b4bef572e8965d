"""From a rough box to a face's landmarks, pose, gaze and one square box, by a small network that ships with the
package.

    [found] = face_geometry(image_HWC, [box])
    found.landmarks_68_2, found.yaw, found.score, found.box

The network (`geometry.safetensors`, 0.7 million parameters) learned from rendered heads alone (`training.geometry`);
how well it does is measured by benchmarks/faces_found.py.

Conventions
    landmarks   iBUG 300-W order, pixels of the image: jaw 0-16 from the subject's right ear, brows 17-26, nose 27-35,
                eyes 36-47, mouth 48-67. Where something hides a landmark it is where it would be seen. The image's
                upper left corner is 0, 0, the middle of its first pixel 0.5, 0.5.
    box         the landmarks' bounding box made square about its middle: from the brows to the chin, ears not
                included. It does not depend on who found the face, and may reach past the image's border.
    pose        degrees. yaw: positive when the person turns to their own left; pitch: positive when they look down;
                roll: positive when the head leans to their own left. Applied in the order roll, pitch, yaw.
    gaze        degrees by which the eyes turn in the head, to the subject's left and up.
    score       0 to 1, higher is surer that the box holds a face of about its size.
    passes      the first sees the rough box, later ones the box found before, turned upright.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from aullava.detection.crop import FaceBox

WEIGHTS = Path(__file__).with_name("geometry.safetensors")
SIDE = 64  # of the crop that the network sees, in pixels
GROWTH = 1.45  # its side over the box's
PASSES = 2
# Landmark -> the one in its place in a mirrored face.
MIRRORED = np.array(
    [
        *(16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
        *(26, 25, 24, 23, 22, 21, 20, 19, 18, 17),
        *(27, 28, 29, 30, 35, 34, 33, 32, 31),
        *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
        *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65),
    ]
)


@dataclass(frozen=True, eq=False)
class FaceGeometry:
    """What the network says about one box; conventions above. All of it is meaningless where `score` is low."""

    landmarks_68_2: np.ndarray
    yaw: float
    pitch: float
    roll: float
    gaze_left: float
    gaze_up: float
    score: float

    @property
    def square(self) -> tuple[float, float, float]:
        """x and y of the box's middle and its side, in pixels."""
        low, high = self.landmarks_68_2.min(0), self.landmarks_68_2.max(0)
        x, y = (low + high) / 2
        return float(x), float(y), float(max(high - low))

    @property
    def box(self) -> FaceBox:
        x, y, side = self.square
        side_px = max(1, round(side))
        return FaceBox(round(x - side / 2), round(y - side / 2), side_px, side_px, self.score)

    def openface(self, landmarks: bool = False) -> dict[str, float]:
        """The columns that OpenFace has for this: pose_Rx to pose_Rz, gaze_0_x to gaze_angle_y, with `landmarks` x_0
        to y_67.

        Pose in radians with R = Rx Ry Rz in axes to the image's right, down and away from the camera (OpenFace's wiki,
        Output Format). Gaze as directions in these axes; both eyes have the same, since the network gives one.
        gaze_angle_x and _y are its angles from straight into the camera, positive to the image's right and down.
        OpenFace's own come out of a camera model that knows where in the picture a face is; these are as if it were in
        the middle.
        """
        turned = rotation(np.array([self.yaw, self.pitch, self.roll])) @ np.diag([1.0, -1.0, -1.0])
        angles = {
            "pose_Rx": math.atan2(-turned[1, 2], turned[2, 2]),
            "pose_Ry": math.asin(float(np.clip(turned[0, 2], -1, 1))),
            "pose_Rz": math.atan2(-turned[0, 1], turned[0, 0]),
        }
        left, up = math.radians(self.gaze_left), math.radians(self.gaze_up)
        in_head = np.array([math.sin(left) * math.cos(up), math.sin(up), math.cos(left) * math.cos(up)])
        seen = rotation(np.array([self.yaw, self.pitch, self.roll])) @ in_head
        gaze = {f"gaze_{eye}_{axis}": float(v) for eye in (0, 1) for axis, v in zip("xyz", seen, strict=True)}
        gaze |= {"gaze_angle_x": math.atan2(seen[0], -seen[2]), "gaze_angle_y": math.atan2(seen[1], -seen[2])}
        values = angles | gaze
        if landmarks:
            for place, axis in enumerate("xy"):
                values |= {f"{axis}_{n}": float(v) for n, v in enumerate(self.landmarks_68_2[:, place])}
        return values


def face_geometry(image_HWC: np.ndarray, boxes: Sequence[FaceBox], passes: int = PASSES) -> list[FaceGeometry]:
    """Look into each box, in its order.

    Args:
        image_HWC: uint8 RGB.
        boxes: rough boxes, about from the brows to the chin: up to a quarter too large or small, or beside the face.
            Boxes of OpenCV's cascade are to be brought to this size first, see `square_of_haar`.
        passes: 1 or more; see above.

    Raises:
        ValueError: a box is empty, or passes is below 1.
    """
    if passes < 1 or any(min(box.w, box.h) < 1 for box in boxes):
        raise ValueError(
            f"passes is {passes} and the boxes are {list(boxes)}: expected 1 or more, and boxes with pixels"
        )
    found = [(box.x + box.w / 2, box.y + box.h / 2, math.sqrt(box.w * box.h), 0.0) for box in boxes]
    geometry: list[FaceGeometry] = []
    for _ in range(passes if boxes else 0):
        maps = [crop_map(x, y, side * GROWTH, turn) for x, y, side, turn in found]
        outputs = _run(np.stack([cut(image_HWC, matrix) for matrix in maps]))
        geometry = [
            _read(output, matrix, turn) for output, matrix, (*_, turn) in zip(outputs, maps, found, strict=True)
        ]
        # A box that ran away, as boxes without a face do, is looked at no larger or smaller than half.
        found = [
            (*seen.square[:2], min(max(seen.square[2], side / 2), side * 2), float(np.clip(seen.roll, -60, 60)))
            for seen, (_, _, side, _) in zip(geometry, found, strict=True)
        ]
    return geometry


def square_of_haar(box: FaceBox) -> FaceBox:
    """About the box of the landmarks, from a box of OpenCV's frontal cascade: medians of 312 rendered faces."""
    side = 0.85 * box.w
    x, y = box.x + box.w / 2, box.y + box.h / 2 + 0.153 * box.h
    return FaceBox(round(x - side / 2), round(y - side / 2), max(1, round(side)), max(1, round(side)), box.score)


def crop_map(x: float, y: float, side: float, roll: float) -> np.ndarray:
    """The map (2, 3) from the image to a crop of `SIDE` pixels.

    Args:
        x, y, side: middle and side of the square that is cut out, in pixels of the image.
        roll: degrees; a head of this roll is upright in the crop.
    """
    cos, sin = math.cos(math.radians(roll)) * SIDE / side, math.sin(math.radians(roll)) * SIDE / side
    # The crown of a head that leans to its own left lies to the image's right of its chin.
    linear = np.array([[cos, sin], [-sin, cos]])
    return np.hstack([linear, (SIDE / 2 - linear @ (x, y))[:, None]])


def cut(image_HWC: np.ndarray, matrix_23: np.ndarray, border: int = cv2.BORDER_REPLICATE) -> np.ndarray:
    """The crop (SIDE, SIDE, 3) that a map makes of an image, averaged where it shrinks."""
    corners = np.array([[0, 0, SIDE, SIDE], [0, SIDE, 0, SIDE]], float)
    inverse = cv2.invertAffineTransform(matrix_23)
    spread = inverse[:, :2] @ corners + inverse[:, 2:]
    height, width = image_HWC.shape[:2]
    left, top = np.clip(np.floor(spread.min(1)).astype(int) - 2, 0, (width - 1, height - 1))
    right, bottom = np.clip(np.ceil(spread.max(1)).astype(int) + 2, (left + 1, top + 1), (width, height))
    part = image_HWC[top:bottom, left:right]
    shrink = math.hypot(*inverse[:, 0])
    moved = matrix_23.copy()
    moved[:, 2] += matrix_23[:, :2] @ (left, top)
    if shrink > 1.5:
        size = max(1, round(part.shape[1] / shrink)), max(1, round(part.shape[0] / shrink))
        moved[:, :2] /= np.array([size[0] / part.shape[1], size[1] / part.shape[0]])
        part = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    moved[:, 2] += (
        moved[:, :2] @ (0.5, 0.5) - 0.5
    )  # OpenCV counts from the middle of the first pixel, we from its corner
    return cv2.warpAffine(part, moved, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=border)


def standardised(images_NHWC: np.ndarray) -> np.ndarray:
    """Pictures uint8 (N, H, W, 3) as the networks take them: float32 (N, 3, H, W), mean 0 and deviation 1 each."""
    pixels = images_NHWC.astype(np.float32)
    mean, deviation = pixels.mean((1, 2, 3), keepdims=True), pixels.std((1, 2, 3), keepdims=True)
    return np.moveaxis((pixels - mean) / (deviation + 4.0), 3, 1)  # a flat picture stays near 0


def rotation(angles_3: np.ndarray) -> np.ndarray:
    """Yaw, pitch, roll in degrees (..., 3) -> matrices (..., 3, 3) from head axes (to the subject's left, up, out of
    the face) to the camera's (to the image's right, down, away)."""
    (cy, cp, cr), (sy, sp, sr) = (np.moveaxis(f(np.deg2rad(angles_3)), -1, 0) for f in (np.cos, np.sin))
    one, zero = np.ones_like(cy), np.zeros_like(cy)
    about_y = np.stack([cy, zero, sy, zero, one, zero, -sy, zero, cy], -1)
    about_x = np.stack([one, zero, zero, zero, cp, -sp, zero, sp, cp], -1)
    about_z = np.stack([cr, sr, zero, -sr, cr, zero, zero, zero, one], -1)
    turned = [part.reshape(*cy.shape, 3, 3) for part in (about_y, about_x, about_z)]
    return np.diag([1.0, -1.0, -1.0]) @ turned[0] @ turned[1] @ turned[2]


def angles_of(rotation_33: np.ndarray) -> np.ndarray:
    """Yaw, pitch, roll in degrees (..., 3) of matrices as `rotation` makes them."""
    turned = np.diag([1.0, -1.0, -1.0]) @ rotation_33
    yaw = np.arctan2(turned[..., 0, 2], turned[..., 2, 2])
    pitch = -np.arcsin(np.clip(turned[..., 1, 2], -1, 1))
    roll = np.arctan2(turned[..., 1, 0], turned[..., 1, 1])
    return np.rad2deg(np.stack([yaw, pitch, -roll], -1))


def turned_pose(angles_3: np.ndarray, degrees: float) -> np.ndarray:
    """The pose after the picture is turned so that a head's roll grows by `degrees`."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return angles_of(np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ rotation(angles_3))


@functools.cache
def _network():
    import torch
    from safetensors.torch import load_file

    from aullava.detection.networks import GeometryNetwork, folded

    network = GeometryNetwork()
    network.load_state_dict({name: value.to(torch.float32) for name, value in load_file(WEIGHTS).items()})
    return folded(network)


def _run(crops_NHWC: np.ndarray) -> np.ndarray:
    """The network's outputs (N, 142)."""
    import torch

    with torch.inference_mode():
        pixels = torch.from_numpy(standardised(crops_NHWC)).contiguous(memory_format=torch.channels_last)
        return _network()(pixels).numpy()


def _read(output_142: np.ndarray, matrix_23: np.ndarray, turn: float) -> FaceGeometry:
    in_crop = (output_142[:136].reshape(68, 2).astype(float) + 0.5) * SIDE
    inverse = cv2.invertAffineTransform(matrix_23)
    yaw, pitch, roll = turned_pose(np.rad2deg(output_142[136:139].astype(float)), turn)
    left, up = np.rad2deg(output_142[139:141].astype(float))
    score = 1 / (1 + math.exp(-float(np.clip(output_142[141], -30, 30))))
    landmarks = in_crop @ inverse[:, :2].T + inverse[:, 2]
    return FaceGeometry(landmarks, float(yaw), float(pitch), float(roll), float(left), float(up), score)
