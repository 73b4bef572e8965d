"""One picture's circumstances: camera and pose, light, background, what gets in the way, and damage."""

import dataclasses
from dataclasses import dataclass, field

import numpy as np

from aullava.dataset_builder.synthetic.rendered.background import BACKGROUNDS
from aullava.dataset_builder.synthetic.rendered.camera import Camera
from aullava.dataset_builder.synthetic.rendered.damage import Damage, sample_damage

OCCLUDERS = ("none", "hand", "microphone", "shoulder")
_OCCLUDER_RATES = (0.91, 0.035, 0.03, 0.025)


@dataclass(frozen=True)
class Scene:
    """Everything about a picture that is not the person or the expression.

    Attributes:
        camera: see `camera`. mirror: the scene's mirror image; the head is given as it is seen in it.
        lamps: azimuth (0 from the camera, positive from the image's right), elevation (degrees), strength, warmth -1..1 each.
        sky, ground: linear RGB of the light from above and below. exposure: 1 is what a meter would choose.
        background, background_seed: kind and details. occluder, occluder_x, occluder_y, occluder_seed: what hides a part of
            the face, and where: shares of the face's width and height from the mouth, to the person's left and up.
    """

    camera: Camera = Camera()
    mirror: bool = False
    lamps: tuple[tuple[float, float, float, float], ...] = ((-35.0, 35.0, 1.0, 0.0), (50.0, 10.0, 0.35, 0.0))
    sky: tuple[float, float, float] = (0.5, 0.52, 0.56)
    ground: tuple[float, float, float] = (0.25, 0.22, 0.2)
    exposure: float = 1.0
    background: str = "gradient"
    background_seed: int = 0
    occluder: str = "none"
    occluder_x: float = 0.0
    occluder_y: float = 0.0
    occluder_seed: int = 0
    damage: Damage = field(default_factory=Damage)

    @staticmethod
    def neutral() -> "Scene":
        """A studio: the face from the front, two soft lamps, a plain background, no damage."""
        return Scene(camera=Camera(fill=0.72), background="plain", background_seed=3)

    def groups(self) -> dict[str, str]:
        """The group labels that an evaluation may split by."""
        yaw = abs(self.camera.yaw)
        return {
            "pose": "frontal" if yaw < 15 else "half profile" if yaw < 30 else "profile",
            "occluder": self.occluder,
            "background": self.background,
            "blur": self.damage.blur_kind,
            "grey": "yes" if self.damage.grey else "no",
            "low_resolution": "yes" if self.damage.shrink < 0.6 else "no",
        }

    def record(self) -> dict:
        """Every field, as numbers, words and lists of them."""
        return dataclasses.asdict(self)

    def mirrored(self) -> "Scene":
        """The same scene in a mirror; give `render` a head, and actions, that are mirrored too."""
        return dataclasses.replace(self, mirror=not self.mirror)

    @property
    def seen_camera(self) -> Camera:
        """The camera as truth sees it: of a mirrored scene yaw, roll and the shift to the right change sign."""
        camera = self.camera
        if not self.mirror:
            return camera
        return dataclasses.replace(camera, yaw=-camera.yaw, roll=-camera.roll, shift_x=-camera.shift_x)


def sample_scene(rng: np.random.Generator) -> Scene:
    """Draw a scene: yaw to 45, pitch to 25 and roll to 20 degrees, 0.4 to 1.6 m away, indoors and outdoors."""
    u = rng.uniform(size=24)
    camera = Camera(
        yaw=float(np.clip(rng.normal(0, 9 if u[0] < 0.45 else 22), -45, 45)),
        pitch=float(np.clip(rng.normal(0, 8), -25, 25)),
        roll=float(np.clip(rng.normal(0, 6), -20, 20)),
        distance=float(0.4 + 1.2 * u[1] ** 1.3),
        fill=float(0.80 + 0.20 * u[2]),  # as tight as crops for reading are: the landmarks span 0.63 of the side
        shift_x=float(rng.normal(0, 0.025)),
        shift_y=float(rng.normal(-0.015, 0.022)),
    )
    outdoor = u[3] < 0.35
    kinds = BACKGROUNDS[5:] if outdoor else BACKGROUNDS[:5]
    side = 1.0 if u[4] < 0.5 else -1.0
    key = (
        side * 75 * float(u[5]),
        float(-5 + 65 * u[6]),
        float(0.5 + 1.3 * u[7]),
        float(rng.normal(0.1 if not outdoor else 0, 0.3)),
    )
    lamps = [
        key,
        (-side * float(20 + 60 * u[8]), float(40 * u[9] - 10), float(0.12 + 0.5 * u[10]), float(rng.normal(0, 0.3))),
    ]
    if u[11] < 0.35:  # from behind, along the edge of the head
        lamps.append(
            (
                side * float(115 + 45 * u[12]),
                float(10 + 40 * u[13]),
                float(0.4 + 0.9 * u[14]),
                float(rng.normal(0, 0.3)),
            )
        )
    ambient = 0.25 + 0.6 * u[15]
    sky = ambient * (np.array((0.88, 0.97, 1.15)) if outdoor else np.array((1.04, 1.0, 0.93)))
    ground = ambient * (0.3 + 0.4 * u[16]) * np.array((1.0, 0.92, 0.82))
    occluder = OCCLUDERS[int(np.searchsorted(np.cumsum(_OCCLUDER_RATES[:-1]), u[17], side="right"))]
    return Scene(
        camera=camera,
        lamps=tuple(tuple(round(v, 3) for v in lamp) for lamp in lamps),
        sky=tuple(round(float(v), 4) for v in sky),
        ground=tuple(round(float(v), 4) for v in ground),
        exposure=float(np.exp(rng.normal(0, 0.16))),
        background=kinds[int(u[18] * len(kinds))],
        background_seed=int(rng.integers(2**31)),
        occluder=occluder,
        occluder_x=float(rng.normal(0, 0.22)),
        occluder_y=float(rng.normal(0, 0.08)),
        occluder_seed=int(rng.integers(2**31)),
        damage=sample_damage(rng),
    )
