"""A sheet that a face is painted on: pose projection, smooth filled shapes, and the relief that the light falls on.

Face units: x to the image's right (the subject's left), y down, the eye line at y = 0, the cheekbones at |x| = 1;
the chin lies near y = 1.4 and the top of the skull near y = -1.25. Colours are RGB, 0 to 255.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from aullava.dataset_builder.synthetic.drawn.scene import Scene

SUPERSAMPLING = 2
FIXED_POINT_BITS = 4  # polygon corners are given to OpenCV in sixteenths of a pixel
UNITS_PER_IMAGE = 2.72  # the image's side in face units at scale 1
CENTRE_Y = 0.19  # the face unit y that lies on the image's centre


@lru_cache(maxsize=64)
def _spline_matrix(count: int, closed: bool, steps: int) -> np.ndarray:
    """The matrix (dense, count) of a Catmull-Rom spline through `count` points, `steps` samples a span."""
    spans = count if closed else count - 1
    rows = []
    for position in np.arange(spans * steps + (not closed)) / steps:
        span = min(int(position), spans - 1)
        u = position - span
        weights = (-u + 2 * u**2 - u**3, 2 - 5 * u**2 + 3 * u**3, u + 4 * u**2 - 3 * u**3, -(u**2) + u**3)
        row = np.zeros(count)
        for offset, weight in zip((-1, 0, 1, 2), weights, strict=True):
            index = span + offset
            row[index % count if closed else min(max(index, 0), count - 1)] += weight / 2
        rows.append(row)
    return np.array(rows)


def smooth(points_N2, closed: bool = False, steps: int = 5) -> np.ndarray:
    """A smooth curve (M, 2) through the points (N, 2), or many curves through points (..., N, 2)."""
    points_N2 = np.asarray(points_N2, dtype=np.float64)
    return _spline_matrix(points_N2.shape[-2], closed, steps) @ points_N2


@lru_cache(maxsize=64)
def taper(count: int, power: float = 0.7) -> np.ndarray:
    """Relative width (count,) of a stroke that thins out to both ends."""
    return np.sin(np.linspace(0.0, np.pi, count)) ** power


@lru_cache(maxsize=32)
def _differences(count: int) -> np.ndarray:
    """The matrix (count, count) of central differences, one-sided at the ends."""
    rows = np.zeros((count, count))
    for i in range(count):
        rows[i, max(i - 1, 0)] -= 1.0
        rows[i, min(i + 1, count - 1)] += 1.0
    return rows


def ribbon(curve_N2: np.ndarray, width: float | np.ndarray, power: float = 0.7) -> np.ndarray:
    """The outline (2N, 2) of a stroke along a curve, or the outlines (..., 2N, 2) of many curves (..., N, 2).

    Args:
        width: face units; a number tapers to both ends, an array (..., N) gives the width at each point.
        power: how bluntly a tapered stroke ends; smaller is blunter.
    """
    count = curve_N2.shape[-2]
    tangent = _differences(count) @ curve_N2
    half = 0.5 * (width if isinstance(width, np.ndarray) else width * taper(count, power))
    half = half / (np.hypot(tangent[..., 0], tangent[..., 1]) + 1e-9)
    offset = tangent[..., ::-1] * (half[..., None] * _LEFT_NORMAL)
    return np.concatenate([curve_N2 + offset, (curve_N2 - offset)[..., ::-1, :]], axis=-2)


_LEFT_NORMAL = np.array([-1.0, 1.0])


def ellipse(x: float, y: float, rx: float, ry: float, angle: float = 0.0, count: int = 20) -> np.ndarray:
    """The outline (count, 2) of an ellipse; `angle` in radians turns it clockwise on the image."""
    c, s = math.cos(angle), math.sin(angle)
    return _circle(count) @ np.array([[c * rx, s * rx], [-s * ry, c * ry]]) + (x, y)


@lru_cache(maxsize=8)
def _circle(count: int) -> np.ndarray:
    turn = np.arange(count) * (2 * np.pi / count)
    return np.stack([np.cos(turn), np.sin(turn)], 1)


@dataclass(frozen=True)
class Painting:
    """What the light falls on, all at twice the final size.

    Attributes:
        albedo_HWC: uint8 RGB, the colour before light.
        person_HW: uint8, 255 where the person covers the background.
        depth_HW: uint8, depth of the creases, 255 the deepest.
    """

    albedo_HWC: np.ndarray
    person_HW: np.ndarray
    depth_HW: np.ndarray


class Canvas:
    """A list of shapes in face units, projected all at once and then painted in order.

    One projection of all points of a face is several times faster than one a shape.

    Attributes:
        size, side: the image's side in pixels, finished and supersampled.
        unit: supersampled pixels of a face unit.
        bumps: rows (x, y, sx, sy, height, tone, red, lift) of the Gaussian relief, in face units.
    """

    def __init__(self, size: int, scene: Scene):
        self.size = size
        self.side = size * SUPERSAMPLING
        self.unit = self.side / UNITS_PER_IMAGE * scene.scale
        self.bumps: list[tuple[float, ...]] = []
        self._outlines: list[np.ndarray] = []
        self._lifts: list[float] = []
        self._steps: list[tuple] = []  # (what, index of the outline or several, colour, more)
        self._creases: dict[tuple[int, bool], list[tuple]] = {}  # by number of points: outlined many at a time
        self._grooves: list[tuple[float, int]] = []
        self._centre = (self.side * (0.5 + scene.shift_x), self.side * (0.5 + scene.shift_y) - CENTRE_Y * self.unit)
        self._yaw = (np.cos(scene.yaw), np.sin(scene.yaw))
        self._pitch = (np.cos(scene.pitch), np.sin(scene.pitch))
        self._roll = (np.cos(scene.roll), np.sin(scene.roll))

    def project(self, points_N2: np.ndarray, lift: float | np.ndarray = 0.0) -> np.ndarray:
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

    def fixed(self, points_N2: np.ndarray, lift: float | np.ndarray = 0.0) -> np.ndarray:
        """The projected points (N, 2) as int32 in OpenCV's fixed point (pixel centres at whole numbers)."""
        return np.round((self.project(points_N2, lift) - 0.5) * (1 << FIXED_POINT_BITS)).astype(np.int32)

    def _outline(self, points_N2: np.ndarray, lift: float) -> int:
        self._outlines.append(points_N2)
        self._lifts.append(lift)
        return len(self._outlines) - 1

    def fill(self, points_N2: np.ndarray, colour, lift: float = 0.0, person: bool = False) -> None:
        """Fill a closed outline; with `person` the shape also hides the background."""
        self._steps.append(("fill", self._outline(points_N2, lift), colour, person))

    def lines(self, curves: Sequence[np.ndarray], colour, width: float, lift: float = 0.0) -> None:
        """Draw open curves of one colour; `width` in face units, at least one supersampled pixel."""
        thickness = max(1, round(width * self.unit))
        self._steps.append(("lines", [self._outline(curve, lift) for curve in curves], colour, thickness))

    def clipped(self, outline_N2: np.ndarray, paint: Callable[[], None], lift: float = 0.0) -> None:
        """Keep what `paint` paints only inside the outline."""
        index = self._outline(outline_N2, lift)
        self._steps.append(("clip", index, None, None))
        paint()
        self._steps.append(("unclip", index, None, None))

    def groove(self, points_N2, depth: float, width: float = 0.035, lift: float = 0.0, curve: bool = True) -> None:
        """A crease along the points: dark in its bottom and lit on the side that faces the light. `depth` 0..1."""
        if depth > 0.02:
            self._creases.setdefault((len(points_N2), curve), []).append((points_N2, depth, width, lift))

    def pit(self, outline_N2: np.ndarray, depth: float, lift: float = 0.0) -> None:
        """A hole of this outline, as `groove`."""
        self._grooves.append((min(depth, 1.0) * 255.0, self._outline(outline_N2, lift)))

    def bump(self, x, y, sx, sy, height=0.0, tone=0.0, red=0.0, lift=0.0) -> None:
        """A soft hill (`height`, face units), a soft darkening (`tone` < 0) or lightening, and a soft blush (`red`)."""
        if height or tone or red:
            self.bumps.append((x, y, sx, sy, height, tone, red, lift))

    def _outline_creases(self) -> None:
        for (count, curve), creases in self._creases.items():
            points_GN2, depths, widths, lifts = zip(*creases, strict=True)
            lines_GN2 = np.array(points_GN2)
            if curve:
                lines_GN2 = _spline_matrix(count, False, 4) @ lines_GN2
            outlines_GN2 = ribbon(lines_GN2, np.outer(widths, taper(lines_GN2.shape[1])))
            for outline_N2, depth, lift in zip(outlines_GN2, depths, lifts, strict=True):
                self.pit(outline_N2, depth, lift)
        self._creases = {}

    def render(self) -> Painting:
        """Project every shape and paint them in the order they were given; creases from the shallowest to the deepest."""
        self._outline_creases()
        lengths = [len(outline) for outline in self._outlines]
        fixed = self.fixed(np.concatenate(self._outlines), np.repeat(self._lifts, lengths))
        ends = np.cumsum(lengths).tolist()
        polygons = [fixed[end - length : end] for end, length in zip(ends, lengths, strict=True)]
        albedo_HWC = np.zeros((self.side, self.side, 3), np.uint8)
        person_HW = np.zeros((self.side, self.side), np.uint8)
        below_HWC = albedo_HWC
        for what, which, colour, more in self._steps:
            if what == "fill":
                cv2.fillPoly(albedo_HWC, [polygons[which]], colour, cv2.LINE_AA, FIXED_POINT_BITS)
                if more:
                    cv2.fillPoly(person_HW, [polygons[which]], 255, cv2.LINE_AA, FIXED_POINT_BITS)
            elif what == "lines":
                curves = [polygons[index] for index in which]
                cv2.polylines(albedo_HWC, curves, False, colour, more, cv2.LINE_AA, FIXED_POINT_BITS)
            elif what == "clip":
                below_HWC, albedo_HWC = albedo_HWC, albedo_HWC.copy()
            else:
                _keep_inside(below_HWC, albedo_HWC, polygons[which])
                albedo_HWC = below_HWC
        depth_HW = np.zeros((self.side, self.side), np.uint8)
        for depth, index in sorted(self._grooves):
            cv2.fillPoly(depth_HW, [polygons[index]], depth, cv2.LINE_AA, FIXED_POINT_BITS)
        return Painting(albedo_HWC, person_HW, depth_HW)


def _keep_inside(below_HWC: np.ndarray, above_HWC: np.ndarray, polygon: np.ndarray) -> None:
    """Copy the upper layer into the lower one inside the polygon."""
    x, y, w, h = cv2.boundingRect(polygon >> FIXED_POINT_BITS)
    x, y, right, bottom = max(x - 1, 0), max(y - 1, 0), x + w + 2, y + h + 2
    below_hwC, above_hwC = below_HWC[y:bottom, x:right], above_HWC[y:bottom, x:right]
    if below_hwC.size:
        inside_hw = np.zeros(below_hwC.shape[:2], np.uint8)
        corner = np.array([x << FIXED_POINT_BITS, y << FIXED_POINT_BITS], np.int32)
        cv2.fillPoly(inside_hw, [polygon - corner], 255, cv2.LINE_8, FIXED_POINT_BITS)
        cv2.copyTo(above_hwC, inside_hw, below_hwC)
