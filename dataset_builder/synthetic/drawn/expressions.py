"""Which expressions are drawn: co-occurring action units at the base rates that BP4D and DISFA publish.

Conventions
    present     intensity level 2 or more, strength >= 0.3.
    rates       measured on all coded frames: 146,847 of BP4D, 130,814 of DISFA.
    phi         Pearson correlation of two presence labels.

A Gaussian copula: each unit has a normal variable, present above a threshold that gives its rate; the correlation of
two variables is the one whose joint probability equals the published conditional one. Units that a corpus does not report get a low
rate of ours (`_other_rates`), and leave the face when they contradict a reported one, so that the reported rates hold.
"""

from functools import lru_cache
from statistics import NormalDist

import numpy as np

from aullava.dataset_builder.synthetic.drawn.actions import CONFLICTS, PARTS, resolve

STYLES = ("mixed", "bp4d", "disfa", "uniform")
UNITS = tuple(PARTS)
PRESENT_FROM = 0.3  # level 2 begins here
TRACE_RATE, TRACE_RANGE = 0.1, (0.04, 0.2)  # absent units that still show a trace (level 0 or 1)
ASYMMETRIC_SHARE = 0.5
BOOSTED_RATE = 0.25
UNIFORM_MOST = 6

# P(column present | row present), the diagonal holds the base rate P(row).
BP4D = {
    "AU1": (0.2114, 0.508, 0.299, 0.450, 0.554, 0.663, 0.577, 0.458, 0.150, 0.360, 0.154, 0.116),
    "AU2": (0.628, 0.1710, 0.135, 0.512, 0.528, 0.672, 0.685, 0.491, 0.139, 0.320, 0.168, 0.130),
    "AU4": (0.312, 0.114, 0.2026, 0.404, 0.619, 0.520, 0.301, 0.423, 0.160, 0.404, 0.193, 0.189),
    "AU6": (0.206, 0.190, 0.177, 0.4609, 0.838, 0.861, 0.853, 0.601, 0.234, 0.361, 0.200, 0.143),
    "AU7": (0.213, 0.165, 0.228, 0.704, 0.5490, 0.768, 0.720, 0.555, 0.227, 0.376, 0.191, 0.157),
    "AU10": (0.236, 0.193, 0.177, 0.668, 0.710, 0.5943, 0.778, 0.571, 0.217, 0.346, 0.178, 0.122),
    "AU12": (0.217, 0.208, 0.109, 0.699, 0.703, 0.822, 0.5620, 0.565, 0.208, 0.334, 0.186, 0.124),
    "AU14": (0.208, 0.180, 0.184, 0.594, 0.654, 0.729, 0.682, 0.4656, 0.229, 0.425, 0.225, 0.238),
    "AU15": (0.188, 0.141, 0.192, 0.638, 0.735, 0.763, 0.691, 0.629, 0.1694, 0.652, 0.359, 0.284),
    "AU17": (0.222, 0.159, 0.238, 0.485, 0.601, 0.599, 0.546, 0.577, 0.322, 0.3433, 0.306, 0.359),
    "AU23": (0.196, 0.174, 0.236, 0.558, 0.633, 0.641, 0.631, 0.634, 0.368, 0.635, 0.1654, 0.365),
    "AU24": (0.163, 0.146, 0.252, 0.436, 0.568, 0.480, 0.462, 0.732, 0.318, 0.814, 0.398, 0.1514),
}
DISFA = {
    "AU1": (0.0497, 0.604, 0.357, 0.068, 0.098, 0.103, 0.334, 0.170),
    "AU2": (0.696, 0.0431, 0.329, 0.038, 0.028, 0.065, 0.162, 0.103),
    "AU4": (0.116, 0.093, 0.1524, 0.083, 0.204, 0.030, 0.310, 0.105),
    "AU6": (0.043, 0.021, 0.160, 0.0789, 0.172, 0.706, 0.831, 0.133),
    "AU9": (0.116, 0.029, 0.744, 0.324, 0.0418, 0.086, 0.538, 0.187),
    "AU12": (0.040, 0.022, 0.035, 0.433, 0.028, 0.1288, 0.807, 0.135),
    "AU25": (0.060, 0.025, 0.170, 0.237, 0.081, 0.375, 0.2771, 0.229),
    "AU26": (0.096, 0.050, 0.182, 0.119, 0.089, 0.197, 0.721, 0.0882),
}
REPORTED = {"bp4d": BP4D, "disfa": DISFA}


def draw_actions(rng: np.random.Generator, style: str = "mixed", rare_boost: float = 0.0) -> dict[str, float]:
    """Draw one expression: every action of the renderer with its strength 0..1, physical.

    Args:
        rng: the stream of this face's expression.
        style: "bp4d" or "disfa" for their base rates, "mixed" for either at even odds, "uniform" for 0 to 6 units drawn evenly.
        rare_boost: 0..1; a rate r below 0.25 becomes r + rare_boost * (0.25 - r). No effect on "uniform".

    Raises:
        ValueError: an unknown style, or a boost outside [0, 1].
    """
    if style not in STYLES:
        raise ValueError(f"unknown style {style!r}; the styles are {', '.join(STYLES)}")
    if not 0.0 <= rare_boost <= 1.0:
        raise ValueError(f"rare_boost is {rare_boost!r}; it is a number from 0 to 1")
    mixed_disfa, asymmetric = rng.uniform(size=2) < (0.5, ASYMMETRIC_SHARE)
    if style == "uniform":
        count = int(rng.integers(0, UNIFORM_MOST + 1))
        present, reported = {UNITS[i] for i in rng.permutation(len(UNITS))[:count]}, set()
    else:
        corpus = style if style != "mixed" else ("disfa" if mixed_disfa else "bp4d")
        thresholds, reported = _thresholds(corpus, rare_boost), set(REPORTED[corpus])
        normal = _copula(corpus) @ rng.standard_normal(len(UNITS))
        present = {unit for unit, value, threshold in zip(UNITS, normal, thresholds, strict=True) if value > threshold}
    _drop_contradictions(present, reported)
    strengths = rng.uniform(size=(3, len(UNITS)))
    actions: dict[str, float] = {}
    for index, unit in enumerate(UNITS):
        first, second, third = (float(v) for v in strengths[:, index])
        if unit in present:
            actions |= _part_strengths(
                unit, PRESENT_FROM + (1 - PRESENT_FROM) * first, second, third, bool(asymmetric)
            )
        elif second < TRACE_RATE and not _contradicts(unit, present):
            trace = TRACE_RANGE[0] + (TRACE_RANGE[1] - TRACE_RANGE[0]) * first
            actions |= _part_strengths(unit, trace, 1.0, third, False)
    return resolve({name: round(strength, 3) for name, strength in actions.items()})


def _part_strengths(unit: str, strength: float, second: float, third: float, asymmetric: bool) -> dict[str, float]:
    """Spread a unit's strength over its parts; the strongest part has the unit's strength."""
    parts = PARTS[unit]
    if len(parts) == 1:
        return {parts[0]: strength}
    strong, weak = parts if third < 0.5 else parts[::-1]
    rest = abs(2 * third - 1)  # uniform in [0, 1] and independent of which part is the strong one
    if unit == "AD30":
        return {strong: strength}
    if unit == "AU28":
        return {strong: strength} if second < 0.5 else {strong: strength, weak: strength * rest}
    if not asymmetric:
        return {strong: strength, weak: strength * (1 - 0.08 * rest)}
    return {strong: strength} if second < 0.4 else {strong: strength, weak: strength * rest}


def _drop_contradictions(present: set[str], reported: set[str]) -> None:
    """Remove units that contradict another one; a unit that the corpus reports stays before one it does not."""
    for first, second in _UNIT_CONFLICTS:
        if first in present and second in present:
            present.discard(second if first in reported or second not in reported else first)
    if "AU27" in present and "AU25" not in present:
        if "AU25" in reported or _contradicts("AU25", present):
            present.discard("AU27")
        else:
            present.add("AU25")


def _contradicts(unit: str, present: set[str]) -> bool:
    return (
        any((unit == a and b in present) or (unit == b and a in present) for a, b in _UNIT_CONFLICTS) or unit == "AU27"
    )


_ACTION_UNIT = {part: unit for unit, parts in PARTS.items() for part in parts}
_UNIT_CONFLICTS = tuple(
    dict.fromkeys((_ACTION_UNIT[a], _ACTION_UNIT[b]) for a, b in CONFLICTS if _ACTION_UNIT[a] != _ACTION_UNIT[b])
)


def _other_rates(corpus: str) -> dict[str, float]:
    """Rates of ours for the units that a corpus does not report: 0.05, and 0.2 for parted lips, 0.08 for a dropped jaw."""
    rates = {unit: 0.05 for unit in UNITS if unit not in REPORTED[corpus]}
    if corpus == "bp4d":
        rates |= {"AU25": 0.2, "AU26": 0.08}
    return rates


@lru_cache(maxsize=32)
def _thresholds(corpus: str, rare_boost: float) -> tuple[float, ...]:
    rates = {unit: row[i] for i, (unit, row) in enumerate(REPORTED[corpus].items())} | _other_rates(corpus)
    boosted = {unit: rate + rare_boost * max(0.0, BOOSTED_RATE - rate) for unit, rate in rates.items()}
    return tuple(-NormalDist().inv_cdf(boosted[unit]) for unit in UNITS)


@lru_cache(maxsize=2)
def _copula(corpus: str) -> np.ndarray:
    """The symmetric root R of the units' latent correlation matrix, R @ R.T, (units, units).

    Symmetric, because eigenvectors alone are not unique: LAPACK gives other ones on another processor, and with them other faces.
    """
    table = REPORTED[corpus]
    names = list(table)
    correlation = np.eye(len(UNITS))
    for i, row in enumerate(names):
        for j in range(i + 1, len(names)):
            # Two conditionals give the joint probability twice; their mean evens out the rounding of the table.
            joint = (table[row][j] * table[row][i] + table[names[j]][i] * table[names[j]][j]) / 2
            r = latent_correlation(table[row][i], table[names[j]][j], joint)
            a, b = UNITS.index(row), UNITS.index(names[j])
            correlation[a, b] = correlation[b, a] = r
    if corpus == "bp4d":  # its tables do not report AU25: laughter and a dropped jaw part the lips, about as in DISFA
        for other, r in (("AU12", 0.4), ("AU26", 0.6)):
            a, b = UNITS.index(other), UNITS.index("AU25")
            correlation[a, b] = correlation[b, a] = r
    values, vectors = np.linalg.eigh(correlation)
    root = (vectors * np.sqrt(np.maximum(values, 1e-4))) @ vectors.T
    return root / np.sqrt((root * root).sum(1, keepdims=True))


def latent_correlation(first: float, second: float, joint: float) -> float:
    """The correlation at which two standard normals exceed the thresholds of rates `first` and `second` jointly with P = `joint`.

    Bisection on dP/dr = the bivariate normal density at the two thresholds (Plackett 1954), integrated by Gauss-Legendre.
    """
    h, k = (-NormalDist().inv_cdf(rate) for rate in (first, second))
    nodes, weights = np.polynomial.legendre.leggauss(24)
    low, high = -0.99, 0.99
    for _ in range(40):
        r = (low + high) / 2
        t = (nodes + 1) / 2 * r
        density = np.exp(-(h * h - 2 * h * k * t + k * k) / (2 * (1 - t * t))) / (2 * np.pi * np.sqrt(1 - t * t))
        probability = first * second + r / 2 * float(weights @ density)
        low, high = (r, high) if probability < joint else (low, r)
    return (low + high) / 2
