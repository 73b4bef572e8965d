"""Expressions co-occur as BP4D and DISFA publish."""

import numpy as np
import pytest

from aullava.action_units import level_of
from aullava.dataset_builder.synthetic.drawn import expressions
from aullava.dataset_builder.synthetic.drawn.actions import PARTS, resolve
from aullava.dataset_builder.synthetic.drawn.expressions import UNITS, draw_actions, latent_correlation
from aullava.dataset_builder.synthetic.drawn.labels import strength_of
from aullava.dataset_builder.synthetic.drawn.samples import random_stream

FACES = 5000
# Three standard errors of a rate of one half at 5,000 faces are 0.021; those of phi are 0.042.
RATE_TOLERANCE, PHI_TOLERANCE = 0.022, 0.05
# As published: BP4D over 146,847 frames, DISFA over 130,814. Written out here and not read from the sampler's tables.
BP4D_RATES = {1: 0.2114, 2: 0.1710, 4: 0.2026, 6: 0.4609, 7: 0.5490, 10: 0.5943, 12: 0.5620, 14: 0.4656, 15: 0.1694}
BP4D_RATES |= {17: 0.3433, 23: 0.1654, 24: 0.1514}
DISFA_RATES = {1: 0.0497, 2: 0.0431, 4: 0.1524, 6: 0.0789, 9: 0.0418, 12: 0.1288, 25: 0.2771, 26: 0.0882}
BP4D_PHI = {
    (6, 12): 0.542,
    (6, 7): 0.537,
    (10, 12): 0.526,
    (6, 10): 0.502,
    (1, 2): 0.464,
    (17, 24): 0.419,
    (4, 12): -0.265,
}
DISFA_PHI = {
    (1, 2): 0.632,
    (6, 12): 0.504,
    (12, 25): 0.455,
    (6, 25): 0.362,
    (4, 9): 0.344,
    (25, 26): 0.308,
    (4, 12): -0.126,
}


def levels(style: str, count: int = FACES, **options) -> dict[str, np.ndarray]:
    rng = random_stream(7)
    faces = [draw_actions(rng, style, **options) for _ in range(count)]
    return {unit: np.array([level_of(strength_of(face, unit)) for face in faces]) for unit in UNITS}


@pytest.mark.parametrize(
    ("style", "rates", "phis"), [("bp4d", BP4D_RATES, BP4D_PHI), ("disfa", DISFA_RATES, DISFA_PHI)]
)
def test_base_rates_and_the_strongest_pairs_are_the_published_ones(style, rates, phis):
    drawn = levels(style)
    for unit, rate in rates.items():
        assert np.mean(drawn[f"AU{unit}"] >= 2) == pytest.approx(rate, abs=RATE_TOLERANCE), unit
    for (first, second), phi in phis.items():
        pair = np.corrcoef(drawn[f"AU{first}"] >= 2, drawn[f"AU{second}"] >= 2)[0, 1]
        assert pair == pytest.approx(phi, abs=PHI_TOLERANCE), (first, second)


def test_every_level_is_drawn_and_absent_units_are_mostly_exactly_absent():
    drawn = np.concatenate(list(levels("mixed", 2000).values()))
    shares = np.bincount(drawn, minlength=6) / len(drawn)
    assert (shares > 0.01).all()
    assert shares[0] > 0.7


def test_boost_lifts_rare_units_and_leaves_frequent_ones():
    plain, boosted = levels("bp4d", 2000), levels("bp4d", 2000, rare_boost=1.0)
    rate = {unit: (np.mean(plain[unit] >= 2), np.mean(boosted[unit] >= 2)) for unit in UNITS}
    assert rate["AU9"][1] == pytest.approx(0.25, abs=0.05)
    assert rate["AU9"][0] < 0.1
    assert rate["AU12"][1] == pytest.approx(rate["AU12"][0], abs=0.05)


def test_uniform_draws_few_units_and_all_of_them():
    rng = random_stream(3)
    faces = [draw_actions(rng, "uniform") for _ in range(1500)]
    present = [{unit for unit in UNITS if strength_of(face, unit) >= 0.3} for face in faces]
    assert set().union(*present) == set(UNITS)
    assert max(map(len, present)) <= 7  # six, and the parted lips of a stretched mouth


def test_about_half_of_the_faces_have_sides_that_differ():
    rng = random_stream(4)
    apart = []
    for _ in range(2000):
        face = draw_actions(rng, "mixed")
        gaps = [
            abs(face[parts[0]] - face[parts[1]]) for unit, parts in PARTS.items() if len(parts) == 2 and unit != "AD30"
        ]
        active = any(face[parts[0]] >= 0.3 or face[parts[1]] >= 0.3 for parts in PARTS.values() if len(parts) == 2)
        if active:
            apart.append(max(gaps) > 0.12)
    assert 0.4 < np.mean(apart) < 0.7


def test_what_is_drawn_needs_no_resolving():
    for index in range(500):
        face = draw_actions(random_stream(index), "mixed", rare_boost=1.0)
        assert resolve(face) == face


def test_the_latent_correlation_gives_the_joint_probability():
    r = latent_correlation(0.4609, 0.5620, 0.4609 * 0.853)
    a, b = np.random.default_rng(0).standard_normal((2, 400_000))
    b = r * a + np.sqrt(1 - r * r) * b
    both = (a > np.quantile(a, 1 - 0.4609)) & (b > np.quantile(b, 1 - 0.5620))
    assert both.mean() == pytest.approx(0.4609 * 0.853, abs=0.004)
    assert latent_correlation(0.3, 0.2, 0.06) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("options", [{"style": "ck+"}, {"rare_boost": 1.5}, {"rare_boost": float("nan")}])
def test_unknown_options_are_refused(options):
    with pytest.raises(ValueError, match="style|rare_boost"):
        draw_actions(random_stream(0), **options)


@pytest.mark.parametrize("corpus", ["bp4d", "disfa"])
def test_the_copula_is_the_same_whatever_eigenvectors_the_processor_finds(corpus, monkeypatch):
    """LAPACK may turn the sign of an eigenvector and the axes of a degenerate eigenspace; expressions must not follow."""
    usual = expressions._copula.__wrapped__(corpus)
    eigh = np.linalg.eigh

    def other(matrix):
        values, vectors = eigh(matrix)
        alike = np.flatnonzero(np.isclose(values, 1.0, atol=1e-12))
        if len(alike) > 1:
            vectors[:, alike] = (
                vectors[:, alike]
                @ np.linalg.qr(np.arange(len(alike) ** 2).reshape(len(alike), -1) % 7 + np.eye(len(alike)))[0]
            )
        return values, vectors * np.where(np.arange(len(values)) % 2, 1, -1)

    monkeypatch.setattr(np.linalg, "eigh", other)
    np.testing.assert_allclose(expressions._copula.__wrapped__(corpus), usual, atol=1e-12)
