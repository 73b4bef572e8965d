"""A pinhole camera and the pose of the head before it.

Conventions
    head      metres, x to the person's left, y up, z out of the face (see `mesh`).
    camera    metres, x to the image's right, y down, z away from the camera. A head that faces the camera has its own left
              on the image's right.
    yaw       degrees, positive when the person turns to their own left; pitch, positive when they look down; roll, positive
              when the head leans to the person's own left. Applied in the order roll, pitch, yaw about the neck's top.
"""

from dataclasses import dataclass

import numpy as np

_PIVOT = np.array([0.0, -0.05, -0.07])  # metres; the head turns about this point
_CENTRE = np.array([0.0, -0.025, 0.0])  # metres; the middle of the face, which the picture is framed on
_FACE_HEIGHT = 0.2  # metres, hairline to chin


@dataclass(frozen=True)
class Camera:
    """Where the head is and how it is seen.

    Attributes:
        yaw, pitch, roll: of the head, degrees.
        distance: from the camera to the face, metres; a short one swells what is near.
        fill: height of a face of 0.2 m as a share of the picture's height.
        shift_x, shift_y: of the face's middle from the picture's, in picture sides, to the right and down.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    distance: float = 0.9
    fill: float = 0.62
    shift_x: float = 0.0
    shift_y: float = 0.0

    @property
    def rotation_33(self) -> np.ndarray:
        """From head axes to camera axes, for column vectors."""
        yaw, pitch, roll = np.deg2rad([self.yaw, self.pitch, self.roll])
        about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
        about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
        about_z = np.array([[np.cos(roll), np.sin(roll), 0], [-np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
        return np.diag([1.0, -1.0, -1.0]) @ about_y @ about_x @ about_z

    def place(self, points_N3: np.ndarray) -> np.ndarray:
        """Points of the head in camera axes, float32 (N, 3), metres."""
        rotation = self.rotation_33
        centre = rotation @ (_CENTRE - _PIVOT)
        offset = np.array([0.0, 0.0, self.distance]) - centre
        return ((points_N3 - _PIVOT) @ rotation.T + offset).astype(np.float32)

    def project(self, placed_N3: np.ndarray, size: int) -> np.ndarray:
        """Points in camera axes as float32 (N, 3): x and y in pixels of a picture of side `size`, z in metres."""
        focal = self.fill * size * self.distance / _FACE_HEIGHT
        depth = np.maximum(placed_N3[:, 2], 1e-3)
        x = placed_N3[:, 0] / depth * focal + size * (0.5 + self.shift_x)
        y = placed_N3[:, 1] / depth * focal + size * (0.5 + self.shift_y)
        return np.stack([x, y, placed_N3[:, 2]], axis=1).astype(np.float32)
