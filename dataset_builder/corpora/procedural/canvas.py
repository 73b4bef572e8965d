"""A sheet that a face is painted on: pose projection, smooth filled shapes, and the relief that the light falls on.

Face units: x to the image's right (the subject's left), y down, the eye line at y = 0, the cheekbones at |x| = 1;
the chin lies near y = 1.4 and the top of the skull near y = -1.25. Colours are RGB, 0 to 255.
"""

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np

from aullava.dataset_builder.corpora.procedural.scene import Scene

SUPERSAMPLING = 2
FIXED_POINT_BITS = 4  # polygon corners are given to OpenCV in sixteenths of a pixel
UNITS_PER_IMAGE = 2.86  # the image's side in face units at scale 1
CENTRE_Y = 0.12  # the face unit y that lies on the image's centre


@lru_cache(maxsize=64)
def _spline_matrix(count: int, closed: bool, steps: int) -> np.ndarray:
    """The matrix (dense, count) of a Catmull-Rom spline through `count` points, `steps` samples a span."""
    spans = count if closed else count - 1
    rows = []
    for position in np.arange(spans * steps + (not closed)) / steps:
        span = min(int(position), spans - 1)
        u = position - span
        weights = (
            0.5 * np.array([-u + 2 * u**2 - u**3, 2 - 5 * u**2 + 3 * u**3, u + 4 * u**2 - 3 * u**3, -(u**2) + u**3]) * 1.0
        )
        row = np.zeros(count)
        for offset, weight in zip((-1, 0, 1, 2), weights, strict=True):
            index = span + offset
            row[index % count if closed else min(max(index, 0), count - 1)] += weight
        rows.append(row)
    return np.array(rows)


def smooth(points_N2, closed: bool = False, steps: int = 5) -> np.ndarray:
    """A smooth curve (M, 2) through the points (N, 2)."""
    points_N2 = np.asarray(points_N2, dtype=np.float64)
    return _spline_matrix(len(points_N2), closed, steps) @ points_N2


@lru_cache(maxsize=64)
def _taper_profile(count: int, power: float) -> np.ndarray:
    return np.sin(np.linspace(0.0, np.pi, count)) ** power


def ribbon(curve_N2: np.ndarray, width: float | np.ndarray, power: float = 0.7) -> np.ndarray:
    """The outline (2N, 2) of a stroke along a curve: a number tapers to both ends, an array gives the width at each point."""
    tangent = np.empty_like(curve_N2)
    tangent[1:-1] = curve_N2[2:] - curve_N2[:-2]
    tangent[0] = curve_N2[1] - curve_N2[0]
    tangent[-1] = curve_N2[-1] - curve_N2[-2]
    tangent /= np.sqrt((tangent * tangent).sum(1, keepdims=True)) + 1e-9
    half = 0.5 * (width if isinstance(width, np.ndarray) else width * _taper_profile(len(curve_N2), power))
    offset = np.stack([-tangent[:, 1] * half, tangent[:, 0] * half], 1)
    return np.concatenate([curve_N2 + offset, (curve_N2 - offset)[::-1]])


def ellipse(x: float, y: float, rx: float, ry: float, angle: float = 0.0, count: int = 20) -> np.ndarray:
    """The outline (count, 2) of an ellipse; `angle` in radians turns it clockwise on the image."""
    turn = _circle(count)
    u, v = turn[:, 0] * rx, turn[:, 1] * ry
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([x + c * u - s * v, y + s * u + c * v], 1)


@lru_cache(maxsize=8)
def _circle(count: int) -> np.ndarray:
    turn = np.arange(count) * (2 * np.pi / count)
    return np.stack([np.cos(turn), np.sin(turn)], 1)


class Canvas:
    """Paint of one face at twice its size, and the relief below the paint.

    Attributes:
        albedo_HWC: uint8, the colour before light, (2 size, 2 size, 3).
        person_HW: uint8, 255 where the person covers the background.
        bumps: rows (x px, y px, sx px, sy px, height, tone, red) of the Gaussian relief, px at the final size.
        grooves: (depth 0..255, polygon in fixed point) of the creases.
    """

    def __init__(self, size: int, scene: Scene):
        self.size = size
        self.side = size * SUPERSAMPLING
        self.unit = self.side / UNITS_PER_IMAGE * scene.scale
        self.albedo_HWC = np.zeros((self.side, self.side, 3), np.uint8)
        self.person_HW = np.zeros((self.side, self.side), np.uint8)
        self.bumps: list[tuple[float, ...]] = []
        self.grooves: list[tuple[float, np.ndarray]] = []
        self._centre = (self.side * (0.5 + scene.shift_x), self.side * (0.5 + scene.shift_y) - CENTRE_Y * self.unit)
        self._yaw = (np.cos(scene.yaw), np.sin(scene.yaw))
        self._pitch = (np.cos(scene.pitch), np.sin(scene.pitch))
        self._roll = (np.cos(scene.roll), np.sin(scene.roll))

    def project(self, points_N2: np.ndarray, lift: float = 0.0) -> np.ndarray:
        """Supersampled pixel coordinates (N, 2) of face-unit points; `lift` raises them off the head's dome, in face units."""
        x, y = points_N2[:, 0], points_N2[:, 1]
        dome = 1.0 - (x * 0.9) ** 2 - ((y - 0.1) * 0.62) ** 2
        z = 0.85 * np.sqrt(np.maximum(dome, 0.0)) + lift
        px = x * self._yaw[0] + z * self._yaw[1]
        z = z * self._yaw[0] - x * self._yaw[1]
        py = (y - 0.3) * self._pitch[0] + (z - 0.4) * self._pitch[1] + 0.3
        cos, sin = self._roll
        out = np.empty((len(x), 2))
        out[:, 0] = self._centre[0] + self.unit * (cos * px - sin * py)
        out[:, 1] = self._centre[1] + self.unit * (sin * px + cos * py)
        return out

    def fixed(self, points_N2: np.ndarray, lift: float = 0.0) -> np.ndarray:
        """The projected points (N, 2) as int32 in OpenCV's fixed point (pixel centres at whole numbers)."""
        return np.round((self.project(points_N2, lift) - 0.5) * (1 << FIXED_POINT_BITS)).astype(np.int32)

    def fill(self, points_N2: np.ndarray, colour, lift: float = 0.0, person: bool = False) -> None:
        """Fill a closed outline; with `person` the shape also hides the background."""
        polygon = self.fixed(points_N2, lift)
        cv2.fillPoly(self.albedo_HWC, [polygon], colour, cv2.LINE_AA, FIXED_POINT_BITS)
        if person:
            cv2.fillPoly(self.person_HW, [polygon], 255, cv2.LINE_AA, FIXED_POINT_BITS)

    def lines(self, curves: list[np.ndarray], colour, width: float, lift: float = 0.0) -> None:
        """Draw open curves of one colour; `width` in face units, at least one supersampled pixel."""
        thickness = max(1, round(width * self.unit))
        polygons = [self.fixed(curve, lift) for curve in curves]
        cv2.polylines(self.albedo_HWC, polygons, False, colour, thickness, cv2.LINE_AA, FIXED_POINT_BITS)

    def clipped(self, outline_N2: np.ndarray, paint: Callable[[], None], lift: float = 0.0) -> None:
        """Run `paint` and keep only what it paints inside the outline."""
        before = self.albedo_HWC
        self.albedo_HWC = before.copy()
        paint()
        inside_HW = np.zeros((self.side, self.side), np.uint8)
        polygon = self.fixed(outline_N2, lift)
        cv2.fillPoly(inside_HW, [polygon], 255, cv2.LINE_8, FIXED_POINT_BITS)
        x, y, w, h = cv2.boundingRect(polygon >> FIXED_POINT_BITS)
        rows, columns = slice(max(y - 1, 0), max(y + h + 2, 0)), slice(max(x - 1, 0), max(x + w + 2, 0))
        where = inside_HW[rows, columns, None] > 0
        np.copyto(before[rows, columns], self.albedo_HWC[rows, columns], where=where)
        self.albedo_HWC = before

    def groove(self, points_N2, depth: float, width: float = 0.035, lift: float = 0.0, curve: bool = True) -> None:
        """A crease along the points: dark in its bottom and lit on the side that faces the light. `depth` 0..1."""
        if depth <= 0.02:
            return
        line = smooth(points_N2, steps=4) if curve else np.asarray(points_N2)
        self.grooves.append((min(depth, 1.0) * 255.0, self.fixed(ribbon(line, width), lift)))

    def bump(self, x, y, sx, sy, height=0.0, tone=0.0, red=0.0, lift=0.0) -> None:
        """A soft hill (`height`, face units), a soft darkening (`tone` < 0) or lightening, and a soft blush (`red`)."""
        self.bumps.append((x, y, sx, sy, height, tone, red, lift))
