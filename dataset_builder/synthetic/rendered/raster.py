"""A z-buffer in compiled Python: which triangle each sample sees, and where on it. Needs no display and no GL driver.

Conventions
    screen    x to the right, y down, samples at whole numbers plus a half; the third coordinate is the distance in metres.
    corner    of a triangle; `weight` is a corner's share in a point, corrected for perspective, the three add up to 1.
    cut       of a vertex: a triangle is there only where the value between its corners is above a half.

The functions are compiled on first use, about ten seconds for all, and kept beside the source or, where that cannot be
written, in the user's cache folder. Nothing is reordered for speed: the same input gives the same samples.
"""

import numpy as np

try:
    import numba
except ImportError as error:
    raise ImportError("rendered faces need numba and anny: pip install 'au-llava[heads]'") from error

FAR = np.float32(1e9)


def compiled(function):
    """Compile a function with numba and keep the result on disk where there is a place for it."""
    try:
        return numba.njit(cache=True, error_model="numpy")(function)
    except RuntimeError:  # numba found no folder that it may write
        return numba.njit(error_model="numpy")(function)


@compiled
def vertex_normals(points_V3, triangles_F3):
    """Normals of length 1 (V, 3) as the area-weighted mean of the triangles at each vertex."""
    normals = np.zeros_like(points_V3)
    for f in range(triangles_F3.shape[0]):
        a, b, c = triangles_F3[f]
        ux, uy, uz = (
            points_V3[b, 0] - points_V3[a, 0],
            points_V3[b, 1] - points_V3[a, 1],
            points_V3[b, 2] - points_V3[a, 2],
        )
        vx, vy, vz = (
            points_V3[c, 0] - points_V3[a, 0],
            points_V3[c, 1] - points_V3[a, 1],
            points_V3[c, 2] - points_V3[a, 2],
        )
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for v in (a, b, c):
            normals[v, 0] += nx
            normals[v, 1] += ny
            normals[v, 2] += nz
    for v in range(normals.shape[0]):
        length = np.sqrt(normals[v, 0] ** 2 + normals[v, 1] ** 2 + normals[v, 2] ** 2)
        if length > 0:
            for k in range(3):
                normals[v, k] /= length
    return normals


@compiled
def rasterize(screen_V3, drawn, triangles_F3, two_sided_F, cut_V, page_F, uv_F32, pages, least_alpha, height, width):
    """The nearest triangle at each sample.

    Args:
        screen_V3: vertices, x and y in samples, z in metres from the camera; what has z <= 0.01 is not drawn.
        drawn: indices of the triangles to draw. triangles_F3: the corners of all, as the following are of all.
        two_sided_F: 1 where the back is seen too.
        cut_V: see the module's text.
        page_F, uv_F32, pages: the picture of each triangle, -1 for none, whose fourth channel (0..255) lets samples through
            below `least_alpha`.
        height, width: in samples.

    Returns:
        Indices (height, width) int32, -1 where there is nothing, distances (FAR where nothing), and weights of the corners
        (height, width, 3).
    """
    index = np.full((height, width), -1, np.int32)
    depth = np.full((height, width), FAR, np.float32)
    weights = np.zeros((height, width, 3), np.float32)
    size = pages.shape[1]
    for number in range(drawn.shape[0]):
        f = drawn[number]
        a, b, c = triangles_F3[f]
        za, zb, zc = screen_V3[a, 2], screen_V3[b, 2], screen_V3[c, 2]
        if za <= 0.01 or zb <= 0.01 or zc <= 0.01:
            continue
        if cut_V[a] <= 0.5 and cut_V[b] <= 0.5 and cut_V[c] <= 0.5:
            continue
        ax, ay, bx, by = screen_V3[a, 0], screen_V3[a, 1], screen_V3[b, 0], screen_V3[b, 1]
        cx, cy = screen_V3[c, 0], screen_V3[c, 1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)  # negative from outside, as y points down
        if area == 0 or (area > 0 and not two_sided_F[f]):
            continue
        left, right = max(0, int(np.ceil(min(ax, bx, cx) - 0.5))), min(width - 1, int(np.floor(max(ax, bx, cx) - 0.5)))
        top, bottom = (
            max(0, int(np.ceil(min(ay, by, cy) - 0.5))),
            min(height - 1, int(np.floor(max(ay, by, cy) - 0.5))),
        )
        if left > right or top > bottom:
            continue
        whole = cut_V[a] > 0.5 and cut_V[b] > 0.5 and cut_V[c] > 0.5
        inverse, near_a, near_b, near_c = (
            1 / np.float64(area),
            1 / np.float64(za),
            1 / np.float64(zb),
            1 / np.float64(zc),
        )
        nearest = min(za, zb, zc)
        for y in range(top, bottom + 1):
            py = y + 0.5
            for x in range(left, right + 1):
                if nearest >= depth[y, x]:
                    continue
                px = x + 0.5
                wa = ((bx - px) * (cy - py) - (by - py) * (cx - px)) * inverse
                wb = ((cx - px) * (ay - py) - (cy - py) * (ax - px)) * inverse
                wc = 1 - wa - wb
                if wa < 0 or wb < 0 or wc < 0:
                    continue
                wa, wb, wc = wa * near_a, wb * near_b, wc * near_c
                z = 1 / (wa + wb + wc)
                if z >= depth[y, x]:
                    continue
                wa, wb, wc = wa * z, wb * z, wc * z
                if not whole and wa * cut_V[a] + wb * cut_V[b] + wc * cut_V[c] <= 0.5:
                    continue
                if page_F[f] >= 0:
                    u = wa * uv_F32[f, 0, 0] + wb * uv_F32[f, 1, 0] + wc * uv_F32[f, 2, 0]
                    v = wa * uv_F32[f, 0, 1] + wb * uv_F32[f, 1, 1] + wc * uv_F32[f, 2, 1]
                    column, row = int((u - np.floor(u)) * size), int((1 - (v - np.floor(v))) * size)
                    if pages[page_F[f], min(row, size - 1), min(column, size - 1), 3] < least_alpha:
                        continue
                depth[y, x] = z
                index[y, x] = f
                weights[y, x, 0], weights[y, x, 1], weights[y, x, 2] = wa, wb, wc
    return index, depth, weights
