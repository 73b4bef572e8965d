"""Light: lamps far away, the first of which casts a shadow, and a sky and a ground; and what a surface sends back of it.

Conventions
    lamp      one row: direction towards it in camera axes (3), colour times strength (3), linear RGB.
    sky       7 numbers: linear RGB from above, linear RGB from below, and how much the far end of an occluded place keeps.
    shadow    a z-buffer seen from the first lamp, and the rows (3, 4) that take a point in camera axes to its texels.

A surface that light enters, as skin is, is lit past the edge of shade (wrapped), red light farthest.
"""

import numpy as np

from aullava.dataset_builder.synthetic.rendered.raster import compiled, rasterize

SHADOW_SIDE = 128
_REACH = 0.17  # metres around the face that the shadow's map covers
_BIAS = np.float32(0.004)  # metres; what is less far behind does not lie in shadow

_OFF = np.float32(0.003)  # metres along the normal, against the stripes that a coarse map leaves on slanting surfaces


def cast_shadow(placed_V3, casting, triangles_F3, two_sided_F, cut_V, page_F, uv_F32, pages, towards_3, centre_3):
    """The z-buffer from a far lamp, float32 (SHADOW_SIDE, SHADOW_SIDE), and the rows that lead to its texels (3, 4).

    Args:
        placed_V3 ... pages: as `raster.rasterize` takes them, in camera axes. casting: the triangles that cast the shadow.
        towards_3: to the lamp, length 1. centre_3: the middle of what is lit.
    """
    forward = -np.asarray(towards_3, np.float64)
    across = np.cross(forward, (0.0, 1.0, 0.0) if abs(forward[1]) < 0.95 else (1.0, 0.0, 0.0))
    across /= np.linalg.norm(across)
    axes = np.stack([across, np.cross(forward, across), forward])
    scale = SHADOW_SIDE / (2 * _REACH)
    rows = np.zeros((3, 4))
    rows[:, :3] = axes * np.array([scale, scale, 1.0])[:, None]
    rows[:, 3] = -rows[:, :3] @ centre_3 + (SHADOW_SIDE / 2, SHADOW_SIDE / 2, 1.0)
    rows = rows.astype(np.float32)
    seen = placed_V3 @ rows[:, :3].T + rows[:, 3]
    side = SHADOW_SIDE
    _, depth, _ = rasterize(
        seen.astype(np.float32), casting, triangles_F3, two_sided_F, cut_V, page_F, uv_F32, pages, 110, side, side
    )
    return depth, rows


@compiled
def unshaded(px, py, pz, shadow, rows):
    """The share of the first lamp's light that reaches a point, the mean over five texels."""
    x = rows[0, 0] * px + rows[0, 1] * py + rows[0, 2] * pz + rows[0, 3]
    y = rows[1, 0] * px + rows[1, 1] * py + rows[1, 2] * pz + rows[1, 3]
    z = rows[2, 0] * px + rows[2, 1] * py + rows[2, 2] * pz + rows[2, 3] - _BIAS
    column, row = int(np.floor(x)), int(np.floor(y))
    side = shadow.shape[0]
    if column < 1 or row < 1 or column >= side - 1 or row >= side - 1:
        return np.float32(1)
    lit = 0
    for j, i in ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)):
        if shadow[row + j, column + i] > z:
            lit += 1
    return np.float32(lit / 5)


@compiled
def lit(nx, ny, nz, px, py, pz, albedo, wrap, shine, sharpness, open_, lamps, sky, shadow, rows):
    """Linear RGB that a point sends to the camera at the origin.

    Args:
        nx, ny, nz: normal, length 1. px, py, pz: the point. albedo: RGB. wrap: RGB, 0 for none.
        shine, sharpness: of the highlight (Blinn 1977, with Schlick's lobe). open_: how much of the sky the place sees, 0..1.
    """
    distance = np.sqrt(px * px + py * py + pz * pz)
    vx, vy, vz = -px / distance, -py / distance, -pz / distance
    if nx * vx + ny * vy + nz * vz < 0:  # the back of a sheet
        nx, ny, nz = -nx, -ny, -nz
    up = 0.5 - 0.5 * ny
    occluded = sky[6] + (1 - sky[6]) * open_
    r = albedo[0] * (sky[0] * up + sky[3] * (1 - up)) * occluded
    g = albedo[1] * (sky[1] * up + sky[4] * (1 - up)) * occluded
    b = albedo[2] * (sky[2] * up + sky[5] * (1 - up)) * occluded
    facing = max(np.float32(0.0), nx * vx + ny * vy + nz * vz)
    fresnel = 0.35 + 0.65 * (1 - facing) ** 4 * 2
    for i in range(lamps.shape[0]):
        lx, ly, lz = lamps[i, 0], lamps[i, 1], lamps[i, 2]
        reach = (
            unshaded(px + nx * _OFF, py + ny * _OFF, pz + nz * _OFF, shadow, rows)
            if i == 0
            else np.float32(0.55 + 0.45 * open_)
        )
        if reach == 0:
            continue
        cosine = nx * lx + ny * ly + nz * lz
        r += albedo[0] * lamps[i, 3] * max(np.float32(0.0), (cosine + wrap[0]) / (1 + wrap[0])) * reach
        g += albedo[1] * lamps[i, 4] * max(np.float32(0.0), (cosine + wrap[1]) / (1 + wrap[1])) * reach
        b += albedo[2] * lamps[i, 5] * max(np.float32(0.0), (cosine + wrap[2]) / (1 + wrap[2])) * reach
        if cosine > 0 and shine > 0:
            hx, hy, hz = lx + vx, ly + vy, lz + vz
            length = np.sqrt(hx * hx + hy * hy + hz * hz)
            half = (nx * hx + ny * hy + nz * hz) / length
            if half > 0:
                lobe = half / (
                    0.5 * sharpness * (1 - half) + half
                )  # a power's rational stand-in (Schlick 1994), squared
                glint = shine * lobe * lobe * reach * fresnel * min(np.float32(1.0), cosine * 4)
                r += glint * lamps[i, 3]
                g += glint * lamps[i, 4]
                b += glint * lamps[i, 5]
    return r, g, b
