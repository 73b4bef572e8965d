"""Intensity of facial action units, as an `evaluate` module: `evaluate.load("metrics/au_intensity")`.

The scores and their conventions are in `scores.py`, the averages in `averages.py`, what the figures mean in `README.md`.
`evaluate` finds the files to copy by reading this one: one import a line.
"""

import datasets
import evaluate

from .averages import report
from .scores import COUNTS, ERRORS, checked, score_intensity

_DESCRIPTION = """\
How well intensities (levels 0 to 5) or continuous values (0 to 1) of facial action units are estimated: per unit ICC(3,1), Pearson
and concordance correlation, mean absolute error, mean squared error and its root, with labels that were not coded left out,
undefined scores as NaN and counted, and averages over units by name.
"""

_CITATION = """\
@article{shrout1979intraclass,
  title = {Intraclass Correlations: Uses in Assessing Rater Reliability},
  author = {Shrout, Patrick E. and Fleiss, Joseph L.},
  journal = {Psychological Bulletin},
  volume = {86},
  number = {2},
  pages = {420--428},
  year = {1979}
}
@article{lin1989concordance,
  title = {A Concordance Correlation Coefficient to Evaluate Reproducibility},
  author = {Lin, Lawrence I-Kuei},
  journal = {Biometrics},
  volume = {45},
  number = {1},
  pages = {255--268},
  year = {1989}
}
"""

_KWARGS_DESCRIPTION = """
Args:
    predictions (list of list of float, one row a frame, one column a unit): any finite number; NaN or None where undetermined.
    references (list of list of float, the same shape): a number on the scale; NaN or None where the unit was not coded.
    scale (str): "intensity" (labels 0 to 5) or "continuous" (labels 0 to 1). Default "intensity".
    units (list of str): names of the columns; unit_0, unit_1, ... by default.
    folds (list, one name a frame): adds `mean_over_folds`. Default: none.

Returns:
    dict with "pooled" and, with folds, "mean_over_folds"; each has, for every score, `<score>_supported` (mean over the units
    where it is defined), `<score>_undefined` (how many are not) and, but for errors, `<score>_missing_as_zero` (mean over all
    units), and `per_unit`, unit -> score or count -> value.

Examples:
    >>> import evaluate
    >>> metric = evaluate.load("metrics/au_intensity")
    >>> references = [[0, 0], [1, 0], [2, None], [3, 0]]
    >>> predictions = [[1, 0], [2, 0], [3, 4], [4, None]]
    >>> scores = metric.compute(predictions=predictions, references=references, units=["AU1", "AU2"])["pooled"]
    >>> scores["icc_3_1_supported"], scores["icc_3_1_missing_as_zero"], scores["icc_3_1_undefined"]
    (1.0, 0.5, 1)
    >>> scores["mae_supported"], scores["per_unit"]["AU1"]["rmse"]
    (0.5, 1.0)
    >>> [scores["per_unit"]["AU2"][count] for count in ("frames", "active", "not_coded", "undetermined")]
    [3, 0, 1, 1]
"""


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class AUIntensity(evaluate.Metric):
    """Scores of action unit intensity."""

    def _info(self) -> evaluate.MetricInfo:
        row = datasets.Sequence(datasets.Value("float64"))
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=datasets.Features({"predictions": row, "references": row}),
        )

    def _compute(self, predictions, references, scale="intensity", units=None, folds=None) -> dict:
        truth_NU, prediction_NU = checked(references, predictions, scale)
        return report(
            lambda truth, prediction: score_intensity(truth, prediction, scale),
            truth_NU,
            prediction_NU,
            units,
            folds,
            counts=COUNTS,
            errors=ERRORS,
        )
