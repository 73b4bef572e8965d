"""What a camera, its owner and a file format do to a picture: blur, low resolution, noise, colour casts, grey, JPEG."""

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Damage:
    """One picture's damage; the defaults do nothing.

    Attributes:
        blur: deviation of defocus or length of motion, shares of the picture's side; blur_kind: "none", "defocus", "motion".
        blur_angle: of the motion, degrees. shrink: the picture is scaled down to this share of its side and up again.
        noise: deviation of the sensor's noise, 0..1. gamma, contrast: 1 for none. warmth: -1 (blue) to 1 (orange).
        tint: -1 (green) to 1 (magenta). grey: no colour. jpeg: quality, 0 for none. seed: of the noise.
    """

    blur_kind: str = "none"
    blur: float = 0.0
    blur_angle: float = 0.0
    shrink: float = 1.0
    noise: float = 0.0
    gamma: float = 1.0
    contrast: float = 1.0
    warmth: float = 0.0
    tint: float = 0.0
    grey: bool = False
    jpeg: int = 0
    seed: int = 0


def sample_damage(rng: np.random.Generator) -> Damage:
    """Draw the damage of one picture; about a fifth of the pictures have next to none."""
    u = rng.uniform(size=18)
    kind = "defocus" if u[0] < 0.22 else "motion" if u[0] < 0.32 else "none"
    return Damage(
        blur_kind=kind,
        blur=0.0 if kind == "none" else float(0.003 + 0.009 * u[1] if kind == "defocus" else 0.01 + 0.035 * u[1]),
        blur_angle=float(180 * u[2]),
        shrink=float(0.28 + 0.6 * u[4]) if u[3] < 0.22 else 1.0,
        noise=float(0.004 + 0.035 * u[6] ** 2) if u[5] < 0.7 else 0.0,
        gamma=float(np.exp(0.18 * (2 * u[7] - 1))),
        contrast=float(1 + 0.2 * (2 * u[8] - 1)),
        warmth=float(np.clip(0.5 * (2 * u[9] - 1) * (1 if u[10] < 0.6 else 0.3), -1, 1)),
        tint=float(0.3 * (2 * u[11] - 1)),
        grey=bool(u[12] < 0.08),
        jpeg=int(25 + 70 * u[14]) if u[13] < 0.65 else 0,
        seed=int(rng.integers(2**31)),
    )


def damaged(image_HW3: np.ndarray, damage: Damage) -> np.ndarray:
    """An sRGB picture, float32 0..1, as the camera gives it, uint8 (H, W, 3)."""
    height, width = image_HW3.shape[:2]
    image = image_HW3
    if damage.blur_kind == "defocus" and damage.blur:
        image = cv2.GaussianBlur(image, (0, 0), max(0.2, damage.blur * width))
    elif damage.blur_kind == "motion" and damage.blur:
        length = max(3, int(damage.blur * width) | 1)
        kernel = np.zeros((length, length), np.float32)
        middle, way = length // 2, np.deg2rad(damage.blur_angle)
        for step in np.linspace(-middle, middle, 4 * length):
            kernel[int(round(middle + step * np.sin(way))), int(round(middle + step * np.cos(way)))] += 1
        image = cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)
    if damage.shrink < 1:
        small = (max(8, int(width * damage.shrink)), max(8, int(height * damage.shrink)))
        image = cv2.resize(
            cv2.resize(image, small, interpolation=cv2.INTER_AREA), (width, height), interpolation=cv2.INTER_LINEAR
        )
    gains = np.array(
        [
            1 + 0.16 * damage.warmth + 0.05 * damage.tint,
            1 - 0.08 * damage.tint,
            1 - 0.2 * damage.warmth + 0.05 * damage.tint,
        ]
    )
    image = np.clip(image * gains.astype(np.float32), 0, 1)
    if damage.gamma != 1 or damage.contrast != 1:
        image = (np.power(image, np.float32(damage.gamma)) - 0.45) * np.float32(damage.contrast) + np.float32(0.45)
    if damage.grey:
        image = np.repeat((image @ np.array([0.299, 0.587, 0.114], np.float32))[..., None], 3, axis=2)
    if damage.noise:
        rng = np.random.Generator(np.random.Philox(damage.seed))
        noise = rng.standard_normal((height, width, 1 if damage.grey else 3), dtype=np.float32)
        image = image + noise * np.float32(damage.noise)
    pixels = (np.clip(image, 0, 1) * 255 + np.float32(0.5)).astype(np.uint8)
    if damage.jpeg:
        _, data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, damage.jpeg])
        pixels = np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])
    return pixels
