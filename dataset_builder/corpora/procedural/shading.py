"""Light on the painted face: the relief's slopes, a soft shadow side, shine, background, lens and grain."""

import cv2
import numpy as np

from aullava.dataset_builder.corpora.procedural.canvas import FIXED_POINT_BITS, UNITS_PER_IMAGE, Canvas
from aullava.dataset_builder.corpora.procedural.scene import Scene

AMBIENT = 0.50
GROOVE_HEIGHT = 0.055  # face units of the deepest crease
GROOVE_DARKENING = 0.50


def light(canvas: Canvas, scene: Scene) -> np.ndarray:
    """The finished image, uint8 RGB (size, size, 3)."""
    size = canvas.size
    relief_HW = _grooves(canvas)
    slope_x_HW, slope_y_HW, tone_HW, red_HW = _bumps(canvas)
    pixel = UNITS_PER_IMAGE / (size * scene.scale)  # face units a pixel
    slope_x_HW -= cv2.Sobel(relief_HW, cv2.CV_32F, 1, 0, scale=GROOVE_HEIGHT / (8 * pixel))
    slope_y_HW -= cv2.Sobel(relief_HW, cv2.CV_32F, 0, 1, scale=GROOVE_HEIGHT / (8 * pixel))
    lambert_HW, shine_HW = _light_on(slope_x_HW, slope_y_HW, canvas, scene)
    tone_HW += 1.0
    tone_HW *= 1.0 - GROOVE_DARKENING * relief_HW
    lambert_HW *= tone_HW
    tone_HW *= AMBIENT
    albedo_HWC = cv2.resize(canvas.albedo_HWC, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32)
    image_HWC = np.empty_like(albedo_HWC)
    for channel in range(3):
        lit_HW = lambert_HW * scene.light_colour[channel] + tone_HW * scene.ambient_colour[channel]
        if channel:
            lit_HW *= 1.0 - red_HW
        image_HWC[..., channel] = albedo_HWC[..., channel] * lit_HW + shine_HW
    person_HW = cv2.resize(canvas.person_HW, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255.0
    background_HWC = _background(scene, size)
    image_HWC -= background_HWC
    image_HWC *= person_HW[..., None]
    image_HWC += background_HWC
    return _lens(image_HWC, scene, size)


def _grooves(canvas: Canvas) -> np.ndarray:
    """Depth of the creases, float32 0..1, (size, size); the deepest is drawn last."""
    depth_HW = np.zeros((canvas.side, canvas.side), np.uint8)
    for depth, polygon in sorted(canvas.grooves, key=lambda groove: groove[0]):
        cv2.fillPoly(depth_HW, [polygon], depth, cv2.LINE_AA, FIXED_POINT_BITS)
    small_HW = cv2.resize(depth_HW, (canvas.size, canvas.size), interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(small_HW, (0, 0), 0.55 * canvas.size / 96).astype(np.float32) / 255.0


def _bumps(canvas: Canvas) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Slopes of the Gaussian relief along x and y, and its tone and red, each float32 (size, size)."""
    table = np.array(canvas.bumps)
    pixels = canvas.project(table[:, :2], table[:, 7])
    unit = canvas.unit * canvas.size / canvas.side
    centre = pixels * (canvas.size / canvas.side) / unit
    axis = (np.arange(canvas.size) + 0.5) / unit
    dx_KN = axis[None] - centre[:, :1]
    dy_KN = axis[None] - centre[:, 1:2]
    gx_KN = np.exp(-0.5 * (dx_KN / table[:, 2:3]) ** 2)
    gy_KN = np.exp(-0.5 * (dy_KN / table[:, 3:4]) ** 2)
    height = table[:, 4:5]
    # numpy's einsum-free form: each map is a sum of outer products, so one small matrix product.
    slope_x = gy_KN.T @ (height * gx_KN * -dx_KN / table[:, 2:3] ** 2)
    slope_y = (height * gy_KN * -dy_KN / table[:, 3:4] ** 2).T @ gx_KN
    tone = gy_KN.T @ (table[:, 5:6] * gx_KN)
    red = gy_KN.T @ (table[:, 6:7] * gx_KN)
    return tuple(m.astype(np.float32) for m in (slope_x, slope_y, tone, red))


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
    return cosine_HW * (0.66 / 0.85), shine_HW


def _background(scene: Scene, size: int) -> np.ndarray:
    corners = np.array(scene.background, np.float32).reshape(2, 2, 3)
    t = np.linspace(0.0, 1.0, size, dtype=np.float32)
    top = corners[0, 0] + (corners[0, 1] - corners[0, 0]) * t[:, None]
    bottom = corners[1, 0] + (corners[1, 1] - corners[1, 0]) * t[:, None]
    return top[None] + (bottom - top)[None] * t[:, None, None]


def _lens(image_HWC: np.ndarray, scene: Scene, size: int) -> np.ndarray:
    sigma = scene.blur * size / 96
    if sigma > 0.15:
        image_HWC = cv2.GaussianBlur(image_HWC, (0, 0), sigma)
    if scene.noise > 0:
        rng = np.random.Generator(np.random.PCG64(scene.noise_seed))
        image_HWC = image_HWC + (scene.noise * rng.standard_normal((size, size), dtype=np.float32))[..., None]
    return np.clip(image_HWC + 0.5, 0, 255).astype(np.uint8)
