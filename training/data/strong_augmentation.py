"""What happens to small training pictures: light, colour, sharpness, noise, compression, things in front of them.

Stronger and cheaper than `synthetic.rendered.damage`: photographs of all kinds, not what a camera probably did.
"""

import cv2
import numpy as np


def damage_picture(image_HWC: np.ndarray, rng: np.random.Generator, covers: bool = True) -> np.ndarray:
    """A damaged copy of a uint8 RGB picture.

    Args:
        covers: whether rectangles may hide parts of it.
    """
    height, width = image_HWC.shape[:2]
    side = min(height, width)
    image = image_HWC
    if rng.random() < 0.35:  # few pixels: down and up again
        small = max(20.0, side * rng.uniform(0.25, 0.8)) / side
        down = cv2.resize(image, None, fx=small, fy=small, interpolation=cv2.INTER_AREA)
        image = cv2.resize(
            down, (width, height), interpolation=(cv2.INTER_LINEAR, cv2.INTER_CUBIC)[int(rng.integers(2))]
        )
    kind = rng.random()
    if kind < 0.15:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 1.4)))
    elif kind < 0.22:
        length = int(rng.integers(2, 6))
        image = cv2.blur(image, (length, 1) if rng.random() < 0.5 else (1, length))
    elif kind < 0.32:
        image = cv2.addWeighted(image, 1.7, cv2.GaussianBlur(image, (0, 0), 1.2), -0.7, 0)
    pixels = image.astype(np.float32) / 255
    if rng.random() < 0.3:  # light from one side
        way = rng.uniform(0, 2 * np.pi)
        across, down = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)
        slope = np.float32(np.cos(way)) * across[None] + np.float32(np.sin(way)) * down[:, None]
        pixels *= np.exp(np.float32(rng.uniform(0.2, 0.9)) * slope)[..., None]
    pixels = np.clip(pixels, 0, 1)
    if rng.random() < 0.8:
        pixels = pixels ** np.float32(np.exp(rng.normal(0, 0.3)))
        low, high = rng.uniform(-0.12, 0.2), rng.uniform(0.75, 1.15)
        pixels = np.float32(low) + pixels * np.float32(high - low)
    colour = rng.random()
    if colour < 0.2:
        grey = pixels @ np.array([0.299, 0.587, 0.114], np.float32)
        pixels = np.repeat(grey[..., None], 3, axis=2) * rng.uniform(0.9, 1.1, 3).astype(np.float32)
    elif colour < 0.75:
        pixels = pixels * np.exp(rng.normal(0, 0.12, 3)).astype(np.float32)
        mean = pixels.mean(2, keepdims=True)
        pixels = mean + (pixels - mean) * np.float32(rng.uniform(0.3, 1.5))
    elif colour < 0.78:
        pixels = pixels[..., rng.permutation(3)]
    if rng.random() < 0.5:
        pixels = pixels + rng.standard_normal(pixels.shape, dtype=np.float32) * np.float32(rng.uniform(0, 0.06))
    image = (np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    if covers and rng.random() < 0.2:
        w, h = (rng.uniform(0.1, 0.45, 2) * side).astype(int) + 1
        x, y = int(rng.integers(-w // 2, width - w // 2)), int(rng.integers(-h // 2, height - h // 2))
        patch = image[max(0, y) : y + h, max(0, x) : x + w]
        patch[:] = rng.integers(0, 256, 3) if rng.random() < 0.5 else patch[:, ::-1][::-1]
    if rng.random() < 0.4:
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 90))])
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return image
