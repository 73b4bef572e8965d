"""What is not the person: pose, framing, light, lens and background."""

from dataclasses import dataclass

import numpy as np

MAX_YAW, MAX_PITCH, MAX_ROLL = 0.30, 0.18, 0.16  # radians


@dataclass(frozen=True)
class Scene:
    """How a face is seen.

    Attributes:
        yaw: radians, positive turns the nose to the image's right.
        pitch: radians, positive lowers the nose.
        roll: radians, positive tilts the head clockwise on the image.
        scale: size of the face relative to the usual crop.
        shift_x, shift_y: translation as a fraction of the image's side.
        gaze_x, gaze_y: offset of the irises in face units.
        light: direction to the light (x right, y down, z to the viewer); normalised where used.
        light_colour, ambient_colour: RGB, about 1.
        background: four corner colours, RGB 0..255, blended over the image.
        blur: Gaussian sigma in pixels of a 96 px image.
        noise: standard deviation of the grain, in grey levels.
        noise_seed: seed of the grain.
        cloth: RGB 0..255 of the clothes.
    """

    yaw: float
    pitch: float
    roll: float
    scale: float
    shift_x: float
    shift_y: float
    gaze_x: float
    gaze_y: float
    light: tuple[float, float, float]
    light_colour: tuple[float, float, float]
    ambient_colour: tuple[float, float, float]
    background: tuple[tuple[float, float, float], ...]
    blur: float
    noise: float
    noise_seed: int
    cloth: tuple[float, float, float]

    @staticmethod
    def neutral() -> "Scene":
        """A frontal, evenly lit, sharp view before a plain background."""
        grey = ((196.0, 204.0, 212.0), (186.0, 194.0, 204.0), (160.0, 170.0, 184.0), (150.0, 160.0, 174.0))
        return Scene(
            yaw=0.0,
            pitch=0.0,
            roll=0.0,
            scale=1.0,
            shift_x=0.0,
            shift_y=0.0,
            gaze_x=0.0,
            gaze_y=0.0,
            light=(-0.42, -0.55, 1.0),
            light_colour=(1.0, 0.98, 0.95),
            ambient_colour=(0.97, 0.99, 1.03),
            background=grey,
            blur=0.0,
            noise=0.0,
            noise_seed=0,
            cloth=(84.0, 104.0, 128.0),
        )

    @staticmethod
    def sample(rng: np.random.Generator) -> "Scene":
        """Draw a scene; poses are mostly near frontal."""
        yaw, pitch, roll = np.clip(rng.normal(0.0, 0.42, 3), -1, 1) * (MAX_YAW, MAX_PITCH, MAX_ROLL)
        shift_x, shift_y = rng.uniform(-0.025, 0.025, 2)
        gaze_x, gaze_y = np.clip(rng.normal(0.0, 0.5, 2), -1, 1) * (0.055, 0.025)
        warmth, ambient_warmth = rng.normal(0.0, 0.035, 2)
        background = rng.uniform(50.0, 205.0) + rng.normal(0.0, 18.0, 3) + rng.normal(0.0, 15.0, (4, 3))
        return Scene(
            yaw=float(yaw),
            pitch=float(pitch),
            roll=float(roll),
            scale=float(rng.uniform(0.93, 1.06)),
            shift_x=float(shift_x),
            shift_y=float(shift_y),
            gaze_x=float(gaze_x),
            gaze_y=float(gaze_y),
            light=(float(rng.uniform(-0.8, 0.8)), float(rng.uniform(-0.8, -0.2)), 1.0),
            light_colour=(float(1 + warmth), 1.0, float(1 - warmth)),
            ambient_colour=(float(1 + ambient_warmth), 1.0, float(1 - ambient_warmth)),
            background=tuple(tuple(float(v) for v in row) for row in np.clip(background, 8, 247)),
            blur=float(rng.uniform(0.0, 0.55)),
            noise=float(rng.uniform(0.0, 3.0)),
            noise_seed=int(rng.integers(2**31)),
            cloth=tuple(float(v) for v in np.clip(rng.uniform(40, 170) + rng.normal(0, 28, 3), 10, 230)),
        )
