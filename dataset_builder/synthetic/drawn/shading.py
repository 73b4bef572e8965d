"""Light on the painted face: the relief's slopes, a soft shadow side, shine, background, lens and grain."""

from functools import lru_cache

import cv2
import numpy as np

from aullava.dataset_builder.synthetic.drawn.canvas import UNITS_PER_IMAGE, Canvas
from aullava.dataset_builder.synthetic.drawn.scene import Scene

AMBIENT, DIFFUSE = 0.45, 0.66
GROOVE_HEIGHT = 0.03  # face units of the deepest crease
GROOVE_DARKENING = (0.46, 0.60, 0.64)  # RGB: light that leaves a crease is reddened by the skin
SHADOW_WARMTH = (0.0, 0.05, 0.07)  # RGB: how much faster the channels fall into shadow


def light(canvas: Canvas, scene: Scene) -> np.ndarray:
    """The finished image, uint8 RGB (size, size, 3)."""
    size = canvas.size
    painting = canvas.render()
    relief_HW = cv2.resize(painting.depth_HW, (size, size), interpolation=cv2.INTER_AREA)
    relief_HW = cv2.GaussianBlur(relief_HW, (0, 0), 0.6 * size / 96).astype(np.float32) / 255.0
    slope_x_HW, slope_y_HW, tone_HW, red_HW = _bumps(canvas)
    pixel = UNITS_PER_IMAGE / (size * scene.scale)  # face units a pixel
    slope_x_HW -= cv2.Sobel(relief_HW, cv2.CV_32F, 1, 0, scale=GROOVE_HEIGHT / (8 * pixel))
    slope_y_HW -= cv2.Sobel(relief_HW, cv2.CV_32F, 0, 1, scale=GROOVE_HEIGHT / (8 * pixel))
    lambert_HW, shine_HW = _light_on(slope_x_HW, slope_y_HW, canvas, scene)
    lambert_HW *= DIFFUSE
    tone_HW += 1.0
    # The person was painted over black, so edges are already weighted by their coverage: "over" is one addition.
    person_HW = cv2.resize(painting.person_HW, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32)
    person_HW *= 1.0 / 255.0
    shine_HW *= person_HW
    behind_HW = 1.0 - person_HW
    albedo_HWC = cv2.resize(painting.albedo_HWC, (size, size), interpolation=cv2.INTER_AREA)
    # Four corner colours blended over the image.
    background_CHW = (np.array(scene.background, np.float32).T @ _corner_weights(size)).reshape(3, size, size)
    planes = []
    for channel, albedo_HW in enumerate(cv2.split(albedo_HWC)):
        warm = SHADOW_WARMTH[channel]
        lit_HW = lambert_HW * np.float32(scene.light_colour[channel] * (1 + warm))
        lit_HW += np.float32((AMBIENT - warm) * scene.ambient_colour[channel])
        lit_HW *= tone_HW
        lit_HW *= 1.0 - np.float32(GROOVE_DARKENING[channel]) * relief_HW
        if channel:
            lit_HW *= 1.0 - red_HW
        lit_HW *= albedo_HW
        lit_HW += shine_HW
        lit_HW += behind_HW * background_CHW[channel]
        planes.append(lit_HW)
    return _lens(cv2.merge(planes), scene, size)


def _bumps(canvas: Canvas) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Slopes of the Gaussian relief along x and y, and its tone and red, each float32 (size, size)."""
    table = np.array(canvas.bumps)
    unit = canvas.unit * canvas.size / canvas.side
    centre = canvas.project(table[:, :2], table[:, 7]) / canvas.unit
    axis = (np.arange(canvas.size) + 0.5) / unit
    table = table.astype(np.float32)
    # In units of each bump's own width, so that a Gaussian's slope is -u exp(-u * u / 2) / width.
    u_KN = ((axis[None] - centre[:, :1]) / table[:, 2:3]).astype(np.float32)
    v_KN = ((axis[None] - centre[:, 1:2]) / table[:, 3:4]).astype(np.float32)
    gx_KN, gy_KN = np.exp(-0.5 * u_KN * u_KN), np.exp(-0.5 * v_KN * v_KN)
    height, tone, red = table[:, 4:5], table[:, 5:6], table[:, 6:7]
    # Each map is a sum of outer products, so one small matrix product.
    slope_x_HW = gy_KN.T @ (gx_KN * u_KN * (-height / table[:, 2:3]))
    slope_y_HW = (gy_KN * v_KN * (-height / table[:, 3:4])).T @ gx_KN
    return slope_x_HW, slope_y_HW, gy_KN.T @ (gx_KN * tone), gy_KN.T @ (gx_KN * red)


def _light_on(slope_x_HW, slope_y_HW, canvas: Canvas, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Lambert's diffuse term and a broad shine of the relief on the head's dome."""
    size = canvas.size
    unit = canvas.unit * size / canvas.side
    centre = canvas.project(np.array([[0.0, 0.15]]))[0] * size / canvas.side
    # The dome's normal grows along the image; the clip keeps hair and neck from turning black.
    x = (np.arange(size, dtype=np.float32) + 0.5 - np.float32(centre[0])) / np.float32(unit * 1.25)
    y = (np.arange(size, dtype=np.float32) + 0.5 - np.float32(centre[1])) / np.float32(unit * 1.95)
    nx_HW = np.clip(x, -0.85, 0.85)[None] - slope_x_HW
    ny_HW = np.clip(y, -0.8, 0.8)[:, None] - slope_y_HW
    length_HW = 1.0 / np.sqrt(nx_HW * nx_HW + ny_HW * ny_HW + 1.0)
    lx, ly, lz = np.array(scene.light, np.float32) / np.float32(np.linalg.norm(scene.light))
    cosine_HW = (nx_HW * lx + ny_HW * ly + lz) * length_HW
    np.maximum(cosine_HW, 0.0, out=cosine_HW)
    hx, hy, hz = np.array([lx, ly, lz + 1], np.float32) / np.float32(np.linalg.norm([lx, ly, lz + 1]))
    shine_HW = np.maximum((nx_HW * hx + ny_HW * hy + hz) * length_HW, 0.0)
    shine_HW *= shine_HW
    shine_HW *= shine_HW
    shine_HW *= shine_HW
    shine_HW *= shine_HW
    shine_HW *= 16.0
    return cosine_HW, shine_HW


@lru_cache(maxsize=4)
def _corner_weights(size: int) -> np.ndarray:
    """Bilinear weights (4, size * size) of the top left, top right, bottom left and bottom right corners."""
    t = np.linspace(0.0, 1.0, size, dtype=np.float32)
    sides = np.stack([1 - t, t])
    return np.einsum("ay,bx->abyx", sides, sides).reshape(4, size * size)


def _lens(image_HWC: np.ndarray, scene: Scene, size: int) -> np.ndarray:
    """Blur, grain, and the rounding to uint8."""
    sigma = scene.blur * size / 96
    if sigma > 0.15:
        image_HWC = cv2.GaussianBlur(image_HWC, (0, 0), sigma)
    if scene.noise > 0:
        rng = np.random.Generator(np.random.PCG64(scene.noise_seed))
        grain_HW = rng.standard_normal((size, size), dtype=np.float32)
        grain_HW *= np.float32(scene.noise)
        image_HWC += cv2.merge((grain_HW, grain_HW, grain_HW))
    return cv2.add(image_HWC, (0.0, 0.0, 0.0, 0.0), dtype=cv2.CV_8U)  # rounds and clips
