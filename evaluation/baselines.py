"""Baselines that see no image, scored like the checkpoint: what a figure must beat to mean anything.

    present at every face      occurrence; its F1 is 2p / (1 + p) at base rate p.
    drawn at base rates        occurrence; a seeded coin that lands on present at the base rate of the training subjects.
    zero at every face         levels and continuous values; the answer of a model that has learnt nothing.
    training mean              levels and continuous values: the training subjects' mean, the constant with the least squared error.

Base rates come from training subjects only, each fold's for the subjects it tests. If they are unknown, or a scored unit
is not coded there, the baseline is left out.
"""

import numpy as np

from aullava.evaluation.views import PRESENT, View

ALWAYS, AT_BASE_RATES, ZERO, TRAINING_MEAN = (
    "present at every face",
    "drawn at base rates",
    "zero at every face",
    "training mean",
)


def baselines(view: View, rate_NU: np.ndarray | None, seed: int = 0) -> dict[str, View]:
    """Name -> the view with the baseline's answers.

    Args:
        view: whose labels are kept.
        rate_NU: mean label of each row's training subjects on the view's scale (for `present` the share of positives), NaN where
            unknown; (U,) where it is the same for all rows.
        seed: of the coin.
    """
    shape = view.truth_NU.shape
    coded_NU = ~np.isnan(view.truth_NU)  # what is not coded is not scored, so its rate does not matter
    known = rate_NU is not None and not (np.isnan(rate_NU) & coded_NU).any()
    if view.name == PRESENT:
        found = {ALWAYS: np.ones(shape)}
        if known:
            found[AT_BASE_RATES] = (np.random.default_rng(seed).random(shape) < rate_NU).astype(float)
    else:
        found = {ZERO: np.zeros(shape)} | ({TRAINING_MEAN: np.broadcast_to(rate_NU, shape)} if known else {})
    half_U = None if view.threshold_U is None else np.full(shape[1], 0.5)
    return {name: View(view.name, view.scale, view.truth_NU, said_NU, half_U) for name, said_NU in found.items()}
