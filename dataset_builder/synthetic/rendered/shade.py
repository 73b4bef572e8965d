"""The colour of every sample: what the surface there is made of, how it is turned, and the light on it.

Conventions
    material  of a triangle: an index into `MATERIALS`; the first are the mesh's parts.
    traits    of a vertex, float32 (V, 7): x, y, z on the base mesh in millimetres, share of the sky it sees, lips, mouth's
              inside, scalp (`skin.scalp_field`).
    page      a square RGBA picture, uint8; hair, lashes and brows are lit sheets whose fourth channel lets light through.
"""

import numpy as np

from aullava.dataset_builder.synthetic.rendered.appearance import CREASES, Appearance
from aullava.dataset_builder.synthetic.rendered.eyes import eye_albedo
from aullava.dataset_builder.synthetic.rendered.light import lit
from aullava.dataset_builder.synthetic.rendered.mesh import PARTS
from aullava.dataset_builder.synthetic.rendered.raster import compiled
from aullava.dataset_builder.synthetic.rendered.skin import CHANNELS, COLUMNS, GRAIN_SIDE, PACKED, ROWS, SCALE, TOP

MATERIALS = (*PARTS, "cloth", "plain", "lens")
_SKIN, _TEETH_UPPER, _TEETH_LOWER, _TONGUE, _LASHES, _HAIR = (
    PARTS.index(name) for name in ("skin", "teeth_upper", "teeth_lower", "tongue", "lashes", "hair")
)
_CLOTH, _LENS = MATERIALS.index("cloth"), MATERIALS.index("lens")
_MOUSTACHE, _GOATEE, _JAW, _EYELID, _RIM, _BLUSH, _ROSY, _FRECKLE, _SOCKET, _LIP_LINES = range(len(CHANNELS))
_FIRST_CREASE = len(CHANNELS)
_ALL = _FIRST_CREASE + len(CREASES)
_BEARD_COVER = {"none": (0, 0, 0), "stubble": (0.32, 0.34, 0.27), "moustache": (0.9, 0, 0), "goatee": (0.85, 0.9, 0)}
_BEARD_COVER |= {"short": (0.8, 0.88, 0.85), "full": (0.9, 0.95, 0.92)}


def skin_numbers(look: Appearance, *, photo: bool, brow_sheets: bool) -> np.ndarray:
    """What `shade` needs to know of a person's skin, float32 (64,); colours are linear RGB.

    Args:
        photo: a photographed skin gives the detail. brow_sheets: brows are drawn as sheets, so only a shade lies below.
    """
    linear = lambda colour: np.array(colour) ** 2.2  # noqa: E731
    p = np.zeros(64, np.float32)
    p[0:3], p[3:6] = linear(look.skin), linear(look.lip)
    p[6], p[7:10], p[10], p[11] = 0.55 if photo else 0.85, linear(look.lip_colour), look.lip_paint, look.lip_gloss
    p[12:18] = look.freckles, look.blotches, look.oil, look.redness, look.pores, look.dark_circles
    p[18], p[19:22], p[22], p[23] = look.eye_shadow, linear(look.shadow_colour), look.eye_liner, look.blush
    cover = np.array(_BEARD_COVER[look.beard]) * (0.7 + 0.5 * look.beard_length if look.beard == "stubble" else 1)
    p[24:27], p[28:31] = cover, linear(np.array(look.hair_colour) * 0.8)
    p[27] = 0.28 if look.beard == "stubble" else 0.05
    p[31:37] = look.brow_height, look.brow_arch, look.brow_slope, look.brow_thickness, look.brow_gap, look.brow_density
    p[37:40] = linear(look.brow_colour)
    if brow_sheets:
        p[36] = 0.0
    # The scalp is as dark as hair where hair grows, so that gaps between sheets do not shine.
    p[40] = {"bald": 0.0, "shaved": 0.55}.get(look.hair, 0.92)
    p[41:44] = linear(look.hair_colour) * (0.8 if look.hair == "shaved" else 0.45)
    p[44], p[45] = float(photo), look.hairline + look.fringe * 0
    p[46:49], p[49] = linear(look.cloth_second), look.cloth_stripes
    p[50:53] = np.array((0.80, 0.77, 0.70)) * (1 - look.teeth * np.array((0.14, 0.2, 0.36)))
    p[53], p[54], p[55] = look.tooth_gap, 0.35 if look.glasses == "sunglasses" else 0.0, look.reflection
    return p


@compiled
def _mixed(colour, r, g, b, share):
    colour[0] += (r - colour[0]) * share
    colour[1] += (g - colour[1]) * share
    colour[2] += (b - colour[2]) * share


@compiled
def _brow(x, y, p, hairs):
    """Cover of the drawn brow at a point of the base mesh, 0..1."""
    side = abs(x)
    t = (side - p[35]) / (48 - p[35])
    if t < -0.08 or t > 1.05:
        return 0.0
    bend = np.sin(min(1.0, max(0.0, t * 1.12)) * 2.6)
    middle = 15.5 + p[31] + p[32] * bend + p[33] * (t - 0.4) * 2 - 3.2 * max(0.0, t - 0.62) * 2.2
    half = p[34] * (0.62 + 0.55 * min(1.0, t * 3) - 0.95 * max(0.0, t - 0.45))
    off = abs(y - middle) / max(0.35, half)
    ends = min(1.0, (t + 0.08) * 9) * min(1.0, (1.05 - t) * 8)
    body = max(0.0, 1.2 - off * off * 0.75)
    return min(1.0, body) * ends * min(1.0, max(0.0, p[36] * (0.82 + 0.42 * hairs)))


@compiled
def _cover_by_lids(index, material, x, y, step, light):
    """How little a sample between skin edges is shaded by them: looks up and down for the next skin."""
    height = index.shape[0]
    shade = np.float32(1.0)
    for way in (-1, 1):
        for k in range(1, 7):
            row = y + way * k
            if row < 0 or row >= height:
                break
            f = index[row, x]
            if f >= 0 and material[f] == _SKIN:
                near = np.exp(-(k - 0.5) * step / (2.4 if way < 0 else 1.3))
                shade *= 1 - (light if way < 0 else 0.45 * light) * near
                break
    return shade


@compiled
def shade(
    index,
    weights,
    triangles,
    placed,
    normals,
    traits,
    uv,
    material,
    page,
    tint,
    maps,
    folds,
    grain,
    photo,
    pages,
    frames,
    eyes,
    p,
    moles,
    lamps,
    sky,
    shadow,
    rows,
    step,
    out,
):
    """Linear RGB of every sample, written into `out`, float32 (H, W, 3), where something is seen.

    Of a pixel whose four samples are of one material, but for eyes and mouth, the two on its diagonal are shaded and the others
    take their colours: pixels are means anyway.

    Args:
        index, weights: as `raster.rasterize` returns them. triangles, uv, material, page, tint: of each triangle.
        placed, normals, traits: of each vertex, in camera axes. maps, grain: `skin`'s, the maps packed.
        folds: `wrinkles.crease_shares`.
        photo: a photographed skin's detail, uint8 (R, C, 3), R of 1 for none. pages: (N, S, S, 4).
        frames, eyes: `eyes`'s. p: `skin_numbers`. moles: (n, 3). lamps, sky, shadow, rows: `light`'s.
        step: millimetres that a sample is wide at the face. out: the background, changed in place.
    """
    height, width = index.shape
    point = np.zeros((height, width, 3), np.float32)
    lift = np.zeros((height, width), np.float32)
    found = np.empty((height, width, _FIRST_CREASE), np.float32)
    rest = np.zeros((height, width, 7), np.float32)
    coarse = np.zeros((height, width, 4), np.float32)
    todo = np.zeros((height, width), np.uint8)
    for y in range(0, height, 2):
        for x in range(0, width, 2):
            a, b, c, d = index[y, x], index[y, x + 1], index[y + 1, x], index[y + 1, x + 1]
            todo[y, x], todo[y, x + 1], todo[y + 1, x], todo[y + 1, x + 1] = a >= 0, b >= 0, c >= 0, d >= 0
            if a >= 0 and b >= 0 and c >= 0 and d >= 0:
                m = material[a]
                if (m == _SKIN or m > _TONGUE) and material[b] == m and material[c] == m and material[d] == m:
                    todo[y, x + 1] = todo[y + 1, x] = 0
    for y in range(height):
        for x in range(width):
            if todo[y, x] == 0:
                continue
            f = index[y, x]
            for k in range(3):
                v, w = triangles[f, k], weights[y, x, k]
                for j in range(3):
                    point[y, x, j] += w * placed[v, j]
                for j in range(7):
                    rest[y, x, j] += w * traits[v, j]
            u = weights[y, x, 0] * uv[f, 0, 0] + weights[y, x, 1] * uv[f, 1, 0] + weights[y, x, 2] * uv[f, 2, 0]
            v_ = weights[y, x, 0] * uv[f, 0, 1] + weights[y, x, 1] * uv[f, 1, 1] + weights[y, x, 2] * uv[f, 2, 1]
            gx, gy = int(u * 2300) % GRAIN_SIDE, int(v_ * 2300) % GRAIN_SIDE
            for j in range(4):
                coarse[y, x, j] = grain[gy, gx, j]
            if material[f] != _SKIN:
                continue
            rx, ry, rz = rest[y, x, 0], rest[y, x, 1], rest[y, x, 2]
            mx, my = rx * SCALE + COLUMNS * 0.5 - 0.5, (TOP - ry) * SCALE - 0.5
            front = min(1.0, max(0.0, (rz + 80) / 12)) * (1 - rest[y, x, 5])
            inside_map = 0 <= mx < COLUMNS - 1 and 0 <= my < ROWS - 1 and front > 0
            if inside_map:
                ix, iy = int(mx), int(my)
                fx, fy = mx - ix, my - iy
                front /= PACKED
                wa, wb = front * (1 - fx) * (1 - fy), front * fx * (1 - fy)
                wc, wd = front * (1 - fx) * fy, front * fx * fy
                nearest_x, nearest_y = int(mx + 0.5), int(my + 0.5)
                for j in range(_FIRST_CREASE):
                    found[y, x, j] = maps[nearest_y, nearest_x, j] * front
                left = 1 / (1 + np.exp(-rx / 3.0)) if abs(rx) < 20 else 1.0 if rx > 0 else 0.0
                total = 0.0
                for j in range(folds.shape[0]):
                    k = _FIRST_CREASE + j
                    height_ = (
                        maps[iy, ix, k] * wa
                        + maps[iy, ix + 1, k] * wb
                        + maps[iy + 1, ix, k] * wc
                        + maps[iy + 1, ix + 1, k] * wd
                    )
                    total += (folds[j, 1] + (folds[j, 0] - folds[j, 1]) * left) * height_
                lift[y, x] = total
            else:
                for j in range(_FIRST_CREASE):
                    found[y, x, j] = 0.0
            lift[y, x] += p[16] * 0.05 * coarse[y, x, 1] + 0.05 * found[y, x, _LIP_LINES]
    albedo = np.zeros(3, np.float32)
    soft, hard, wrap = np.zeros(3, np.float32), np.zeros(3, np.float32), np.zeros(3, np.float32)
    soft[0], soft[1], soft[2] = 0.34, 0.16, 0.11
    for y in range(height):
        for x in range(width):
            if todo[y, x] == 0:
                continue
            f = index[y, x]
            m = material[f]
            px, py, pz = point[y, x, 0], point[y, x, 1], point[y, x, 2]
            nx, ny, nz = np.float32(0), np.float32(0), np.float32(0)
            for k in range(3):
                v, w = triangles[f, k], weights[y, x, k]
                nx += w * normals[v, 0]
                ny += w * normals[v, 1]
                nz += w * normals[v, 2]
            length = np.sqrt(nx * nx + ny * ny + nz * nz) + np.float32(1e-9)
            nx, ny, nz = nx / length, ny / length, nz / length
            rx, ry, rz, open_ = rest[y, x, 0], rest[y, x, 1], rest[y, x, 2], rest[y, x, 3]
            shine, sharpness = np.float32(0.0), np.float32(20.0)
            wrap = hard
            if m == _SKIN:
                # Bumps from differences on the screen (Mikkelsen 2010), where the neighbours are the same skin.
                if 0 < x < width - 1 and 0 < y < height - 1:
                    a, b, c, d = index[y - 1, x - 1], index[y + 1, x + 1], index[y - 1, x + 1], index[y + 1, x - 1]
                    # The diagonal neighbours: those are shaded wherever this sample is.
                    known = todo[y - 1, x - 1] and todo[y + 1, x + 1] and todo[y - 1, x + 1] and todo[y + 1, x - 1]
                    if (
                        known
                        and material[a] == _SKIN
                        and material[b] == _SKIN
                        and material[c] == _SKIN
                        and material[d] == _SKIN
                    ):
                        ax, ay, az = (
                            point[y + 1, x + 1, 0] - point[y - 1, x - 1, 0],
                            point[y + 1, x + 1, 1] - point[y - 1, x - 1, 1],
                            point[y + 1, x + 1, 2] - point[y - 1, x - 1, 2],
                        )
                        bx, by, bz = (
                            point[y + 1, x - 1, 0] - point[y - 1, x + 1, 0],
                            point[y + 1, x - 1, 1] - point[y - 1, x + 1, 1],
                            point[y + 1, x - 1, 2] - point[y - 1, x + 1, 2],
                        )
                        if abs(az) < 0.008 and abs(bz) < 0.008:
                            dhx = (lift[y + 1, x + 1] - lift[y - 1, x - 1]) * 0.001
                            dhy = (lift[y + 1, x - 1] - lift[y - 1, x + 1]) * 0.001
                            r1x, r1y, r1z = by * nz - bz * ny, bz * nx - bx * nz, bx * ny - by * nx
                            r2x, r2y, r2z = ny * az - nz * ay, nz * ax - nx * az, nx * ay - ny * ax
                            det = ax * r1x + ay * r1y + az * r1z
                            sign = 1.0 if det > 0 else -1.0
                            nx = abs(det) * nx - sign * (dhx * r1x + dhy * r2x)
                            ny = abs(det) * ny - sign * (dhx * r1y + dhy * r2y)
                            nz = abs(det) * nz - sign * (dhx * r1z + dhy * r2z)
                            length = np.sqrt(nx * nx + ny * ny + nz * nz) + np.float32(1e-12)
                            nx, ny, nz = nx / length, ny / length, nz / length
                shine, sharpness, wrap = np.float32(0.03 + 0.07 * p[14]), np.float32(14 + 16 * p[14]), soft
                shine *= 0.6 + 0.4 * min(2.0, max(0.0, 1 + coarse[y, x, 1]))
                for j in range(3):
                    albedo[j] = p[j]
                fold = lift[y, x]
                mottle = coarse[y, x, 0]
                if p[44] > 0:
                    u = (
                        weights[y, x, 0] * uv[f, 0, 0]
                        + weights[y, x, 1] * uv[f, 1, 0]
                        + weights[y, x, 2] * uv[f, 2, 0]
                    )
                    v_ = (
                        weights[y, x, 0] * uv[f, 0, 1]
                        + weights[y, x, 1] * uv[f, 1, 1]
                        + weights[y, x, 2] * uv[f, 2, 1]
                    )
                    cx = min(photo.shape[1] - 2.0, max(0.0, (u - 0.6) * photo.shape[0] - 0.5))
                    cy = min(photo.shape[0] - 2.0, max(0.0, (1 - v_) * photo.shape[0] - 0.5))
                    ix, iy = int(cx), int(cy)
                    fx, fy = cx - ix, cy - iy
                    for j in range(3):
                        upper = photo[iy, ix, j] * (1 - fx) + photo[iy, ix + 1, j] * fx
                        lower = photo[iy + 1, ix, j] * (1 - fx) + photo[iy + 1, ix + 1, j] * fx
                        value = (upper * (1 - fy) + lower * fy) / 180.0
                        albedo[j] *= value * value
                else:
                    uneven = 0.05 + 0.05 * p[13]
                    albedo[0] *= 1 + uneven * 0.5 * mottle
                    albedo[1] *= 1 + uneven * mottle
                    albedo[2] *= 1 + uneven * mottle
                    fine = 1 + 0.035 * p[16] * coarse[y, x, 1]
                    rosy = found[y, x, _ROSY] * (0.35 + 0.65 * p[15])
                    albedo[0] *= fine * (1 + 0.03 * rosy)
                    albedo[1] *= fine * (1 - 0.20 * rosy)
                    albedo[2] *= fine * (1 - 0.18 * rosy)
                    lid = found[y, x, _EYELID] * 0.5
                    albedo[1] *= 1 - 0.16 * lid
                    albedo[2] *= 1 - 0.16 * lid
                rosy = found[y, x, _BLUSH] * p[23]
                albedo[1] *= 1 - 0.35 * rosy
                albedo[2] *= 1 - 0.28 * rosy
                dark = found[y, x, _SOCKET] * p[17]
                albedo[0] *= 1 - 0.32 * dark
                albedo[1] *= 1 - 0.36 * dark
                albedo[2] *= 1 - 0.27 * dark
                _mixed(albedo, p[0] * 0.52, p[1] * 0.36, p[2] * 0.28, found[y, x, _FRECKLE] * p[12] * 0.75)
                for k in range(moles.shape[0]):
                    away = np.sqrt((rx - moles[k, 0]) ** 2 + (ry - moles[k, 1]) ** 2)
                    if away < 2 * moles[k, 2] and rz > -40:
                        _mixed(
                            albedo,
                            p[0] * 0.22,
                            p[1] * 0.14,
                            p[2] * 0.11,
                            min(1.0, max(0.0, 1.5 - away / moles[k, 2])) * 0.85,
                        )
                if fold < 0:  # light does not reach the ground of a fold
                    fold = max(fold, np.float32(-1.5))
                    albedo[0] *= 1 + 0.16 * fold
                    albedo[1] *= 1 + 0.22 * fold
                    albedo[2] *= 1 + 0.22 * fold
                if p[18] > 0:
                    _mixed(albedo, p[19], p[20], p[21], found[y, x, _EYELID] * p[18] * 0.75)
                if p[22] > 0:
                    _mixed(albedo, 0.012, 0.010, 0.010, found[y, x, _RIM] * p[22] * 0.85)
                lips = rest[y, x, 4]
                if lips > 0.02:
                    lips = min(1.0, max(0.0, (lips - 0.15) * 1.6))
                    _mixed(albedo, p[3], p[4], p[5], lips * p[6])
                    _mixed(albedo, p[7], p[8], p[9], lips * p[10] * 0.85)
                    shine += lips * np.float32(0.05 + 0.16 * p[11])
                    sharpness += lips * 30
                inside = rest[y, x, 5]
                if inside > 0.02:
                    deep = min(1.0, max(0.0, (rz + 8) / 34))
                    _mixed(
                        albedo, 0.16 * deep + 0.004, 0.035 * deep + 0.001, 0.03 * deep + 0.001, min(1.0, inside * 1.5)
                    )
                    open_ = open_ * (1 - inside) + inside * 0.3 * deep
                    shine *= 1 - inside
                cover = (
                    p[24] * found[y, x, _MOUSTACHE]
                    + p[25] * found[y, x, _GOATEE]
                    + p[26] * found[y, x, _JAW] * min(1.0, max(0.0, 1 - rest[y, x, 6]))
                )
                if cover > 0:
                    cover = min(0.95, max(0.0, cover * (1 + p[27] * coarse[y, x, 2] + 0.5 * p[27] * coarse[y, x, 3])))
                    _mixed(albedo, p[28], p[29], p[30], cover)
                    shine *= 1 - 0.8 * cover
                if p[36] > 0 and -4 < ry < 34 and rz > -30:
                    cover = _brow(rx, ry, p, np.float32(0.4) * coarse[y, x, 2] + np.float32(0.6) * coarse[y, x, 3])
                    _mixed(albedo, p[37], p[38], p[39], cover)
                    shine *= 1 - 0.8 * cover
                if p[40] > 0:
                    cover = min(1.0, max(0.0, (rest[y, x, 6] - 0.42 + 0.09 * coarse[y, x, 1]) * 2.2)) * p[40]
                    _mixed(albedo, p[41], p[42], p[43], cover * min(1.0, 0.85 + 0.2 * coarse[y, x, 2]))
                    shine *= 1 - 0.8 * cover
            elif m == 1 or m == 2:
                frame = frames[m - 1]
                dx, dy, dz = px - frame[0, 0], py - frame[0, 1], pz - frame[0, 2]
                length = np.sqrt(dx * dx + dy * dy + dz * dz)
                nx, ny, nz = dx / length, dy / length, dz / length
                r, g, b, gloss = eye_albedo(nx, ny, nz, frame, eyes)
                dim = _cover_by_lids(index, material, x, y, step, np.float32(0.62))
                albedo[0], albedo[1], albedo[2] = r * dim, g * dim * dim**0.15, b * dim * dim**0.2
                open_, shine, sharpness = dim * 0.8, np.float32(1.2) * gloss * dim, np.float32(260.0)
                wrap = soft
            elif m in (_TEETH_UPPER, _TEETH_LOWER):
                dim = _cover_by_lids(index, material, x, y, step, np.float32(0.5))
                deep = min(1.0, max(0.0, (rz + 6) / 26))
                width_ = 8.2 if abs(rx) < 8.2 else 6.6
                within = abs(rx) / width_ - np.floor(abs(rx) / width_)
                line = 1 - 0.35 * np.exp(-((min(within, 1 - within) * width_ / 0.45) ** 2))
                gum = min(1.0, max(0.0, (ry + 56.5 if m == _TEETH_UPPER else -74.5 - ry) / 1.5))
                if p[53] > 0 and m == _TEETH_UPPER and abs(rx) < p[53] * 0.5:
                    line = 0.12
                if page[f] < 0:
                    for j in range(3):
                        albedo[j] = p[50 + j] * line
                    _mixed(albedo, 0.42, 0.14, 0.13, gum)
                else:
                    for j in range(3):
                        albedo[j] = _texel(pages, page[f], uv, f, weights, y, x, j)
                        albedo[j] = albedo[j] * albedo[j] * (0.6 + 0.6 * p[50 + j])
                for j in range(3):
                    albedo[j] *= dim * (0.08 + 0.92 * deep)
                open_, shine, sharpness = 0.62 * dim * deep, np.float32(0.25) * dim, np.float32(60.0)
                wrap = soft
            elif m == _TONGUE:
                deep = min(1.0, max(0.0, (rz + 28) / 44))
                dim = _cover_by_lids(index, material, x, y, step, np.float32(0.5))
                albedo[0], albedo[1], albedo[2] = 0.40 * deep * dim, 0.13 * deep * dim, 0.13 * deep * dim
                open_, shine, sharpness, wrap = 0.5 * deep * dim, np.float32(0.1) * deep, np.float32(30.0), soft
            else:
                for j in range(3):
                    albedo[j] = tint[f, j]
                if m == _CLOTH:
                    if p[49] > 0 and np.floor(ry / p[49]) % 2 == 0:
                        albedo[0], albedo[1], albedo[2] = p[46], p[47], p[48]
                    knit = 1 + 0.07 * coarse[y, x, 1] + 0.05 * coarse[y, x, 0]
                    for j in range(3):
                        albedo[j] *= knit
                    wrap = soft
                else:
                    shine, sharpness = np.float32(0.12), np.float32(40.0)
                if page[f] >= 0 and m == _HAIR:
                    light_ = 0.0
                    for j in range(3):
                        light_ += _texel(pages, page[f], uv, f, weights, y, x, j)
                    for j in range(3):
                        albedo[j] *= 0.35 + 0.65 * min(1.6, light_)
                    shine, sharpness = np.float32(0.05), np.float32(24.0)
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = lit(
                nx, ny, nz, px, py, pz, albedo, wrap, shine, sharpness, open_, lamps, sky, shadow, rows
            )
    for y in range(0, height, 2):
        for x in range(0, width, 2):
            if todo[y, x] and index[y, x + 1] >= 0 and todo[y, x + 1] == 0:
                for j in range(3):
                    out[y, x + 1, j], out[y + 1, x, j] = out[y, x, j], out[y + 1, x + 1, j]


@compiled
def _texel(pages, number, uv, f, weights, y, x, channel):
    """A channel of a triangle's page at a sample, 0..1."""
    size = pages.shape[1]
    u = weights[y, x, 0] * uv[f, 0, 0] + weights[y, x, 1] * uv[f, 1, 0] + weights[y, x, 2] * uv[f, 2, 0]
    v = weights[y, x, 0] * uv[f, 0, 1] + weights[y, x, 1] * uv[f, 1, 1] + weights[y, x, 2] * uv[f, 2, 1]
    column, row = int((u - np.floor(u)) * size), int((1 - (v - np.floor(v))) * size)
    return pages[number, min(row, size - 1), min(column, size - 1), channel] / np.float32(255)


@compiled
def blend(
    out,
    depth,
    covered,
    order,
    screen,
    triangles,
    placed,
    normals,
    traits,
    cut,
    uv,
    material,
    page,
    tint,
    pages,
    p,
    down,
    lamps,
    sky,
    shadow,
    rows,
):
    """Lay sheets that let light through over the picture, in the order given, near ones first: what is hidden costs nothing.

    Of each pixel's four samples the two on its diagonal are drawn, and the others take what lies over them.

    Args:
        out: linear RGB (H, W, 3), changed in place. depth: of the opaque surfaces. covered: (H, W), changed in place: the
            share of each sample that sheets hide.
        order: the triangles to draw. screen: as `raster.rasterize` takes it. cut: fades a sheet out towards a half.
        down: the direction in which hair falls, camera axes. The others as in `shade`.
    """
    height, width = depth.shape
    size = pages.shape[1]
    albedo, wrap = np.zeros(3, np.float32), np.zeros(3, np.float32)
    wrap[:] = 0.35
    sent, through = np.zeros((height, width, 3), np.float32), np.ones((height, width), np.float32)
    for number in range(order.shape[0]):
        f = order[number]
        a, b, c = triangles[f]
        za, zb, zc = screen[a, 2], screen[b, 2], screen[c, 2]
        if za <= 0.01 or zb <= 0.01 or zc <= 0.01 or (cut[a] <= 0.5 and cut[b] <= 0.5 and cut[c] <= 0.5):
            continue
        ax, ay, bx, by, cx, cy = screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1], screen[c, 0], screen[c, 1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0:
            continue
        left, right = max(0, int(np.ceil(min(ax, bx, cx) - 0.5))), min(width - 1, int(np.floor(max(ax, bx, cx) - 0.5)))
        top, bottom = (
            max(0, int(np.ceil(min(ay, by, cy) - 0.5))),
            min(height - 1, int(np.floor(max(ay, by, cy) - 0.5))),
        )
        m = material[f]
        for y in range(top, bottom + 1):
            for x in range(left + (left + y) % 2, right + 1, 2):
                qx, qy = x + 0.5, y + 0.5
                wa = ((bx - qx) * (cy - qy) - (by - qy) * (cx - qx)) / area
                wb = ((cx - qx) * (ay - qy) - (cy - qy) * (ax - qx)) / area
                wc = 1 - wa - wb
                if wa < 0 or wb < 0 or wc < 0:
                    continue
                wa, wb, wc = wa / za, wb / zb, wc / zc
                z = 1 / (wa + wb + wc)
                if z > depth[y, x] + 0.0012 or through[y, x] < 0.03:
                    continue
                wa, wb, wc = wa * z, wb * z, wc * z
                alpha = min(1.0, (wa * cut[a] + wb * cut[b] + wc * cut[c] - 0.5) * 2.5)
                tone = np.float32(1.0)
                if page[f] >= 0:
                    u = wa * uv[f, 0, 0] + wb * uv[f, 1, 0] + wc * uv[f, 2, 0]
                    v = wa * uv[f, 0, 1] + wb * uv[f, 1, 1] + wc * uv[f, 2, 1]
                    column, row = (
                        min(size - 1, int((u - np.floor(u)) * size)),
                        min(size - 1, int((1 - (v - np.floor(v))) * size)),
                    )
                    texel = pages[page[f], row, column]
                    alpha *= texel[3] / 255.0
                    tone = np.float32((texel[0] + texel[1] + texel[2]) / 382.0)
                if alpha <= 0.02:
                    continue
                nx = wa * normals[a, 0] + wb * normals[b, 0] + wc * normals[c, 0]
                ny = wa * normals[a, 1] + wb * normals[b, 1] + wc * normals[c, 1]
                nz = wa * normals[a, 2] + wb * normals[b, 2] + wc * normals[c, 2]
                length = np.sqrt(nx * nx + ny * ny + nz * nz) + np.float32(1e-9)
                nx, ny, nz = nx / length, ny / length, nz / length
                px = wa * placed[a, 0] + wb * placed[b, 0] + wc * placed[c, 0]
                py = wa * placed[a, 1] + wb * placed[b, 1] + wc * placed[c, 1]
                pz = wa * placed[a, 2] + wb * placed[b, 2] + wc * placed[c, 2]
                open_ = wa * traits[a, 3] + wb * traits[b, 3] + wc * traits[c, 3]
                for j in range(3):
                    albedo[j] = tint[f, j] * (0.3 + 0.7 * min(np.float32(1.7), tone)) if m == _HAIR else tint[f, j]
                if m == _LENS:
                    r, g, b_ = lit(
                        nx,
                        ny,
                        nz,
                        px,
                        py,
                        pz,
                        albedo,
                        wrap,
                        np.float32(2.5),
                        np.float32(180.0),
                        1.0,
                        lamps,
                        sky,
                        shadow,
                        rows,
                    )
                    ry = wa * traits[a, 1] + wb * traits[b, 1] + wc * traits[c, 1]
                    rx = wa * traits[a, 0] + wb * traits[b, 0] + wc * traits[c, 0]
                    glare = p[55] * (0.04 + 0.22 * np.exp(-((((rx * 0.5 + ry) - 2) / 4.5) ** 2)))
                    r, g, b_ = r + 2 * glare * sky[0], g + 2 * glare * sky[1], b_ + 2 * glare * sky[2]
                    alpha = alpha * (0.03 + glare) if p[54] == 0 else alpha * 0.93
                else:
                    r, g, b_ = lit(
                        nx,
                        ny,
                        nz,
                        px,
                        py,
                        pz,
                        albedo,
                        wrap,
                        np.float32(0.0),
                        np.float32(1.0),
                        open_,
                        lamps,
                        sky,
                        shadow,
                        rows,
                    )
                    if m == _HAIR:  # a band of light across the strands (Kajiya and Kay 1989)
                        along = down[0] * nx + down[1] * ny + down[2] * nz
                        tx, ty, tz = down[0] - along * nx, down[1] - along * ny, down[2] - along * nz
                        length = np.sqrt(tx * tx + ty * ty + tz * tz) + np.float32(1e-6)
                        far = np.sqrt(px * px + py * py + pz * pz)
                        for k in range(lamps.shape[0]):
                            hx, hy, hz = lamps[k, 0] - px / far, lamps[k, 1] - py / far, lamps[k, 2] - pz / far
                            size_ = np.sqrt(hx * hx + hy * hy + hz * hz) + np.float32(1e-6)
                            cosine = (tx * hx + ty * hy + tz * hz) / (length * size_)
                            band = max(0.0, 1 - cosine * cosine) ** 22 * 0.035 * open_ * min(tone, np.float32(1.1))
                            facing = max(0.0, nx * lamps[k, 0] + ny * lamps[k, 1] + nz * lamps[k, 2])
                            r += band * facing * lamps[k, 3]
                            g += band * facing * lamps[k, 4]
                            b_ += band * facing * lamps[k, 5]
                share = np.float32(through[y, x] * alpha)
                sent[y, x, 0] += share * r
                sent[y, x, 1] += share * g
                sent[y, x, 2] += share * b_
                through[y, x] -= share
                if m != _LENS or p[54] > 0:
                    covered[y, x] += (1 - covered[y, x]) * alpha
    for y in range(height):
        for x in range(width):
            drawn = x if (x + y) % 2 == 0 else x ^ 1
            covered[y, x] = covered[y, drawn]
            for j in range(3):
                out[y, x, j] = out[y, x, j] * through[y, drawn] + sent[y, drawn, j]
