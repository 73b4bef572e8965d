"""Occurrence of facial action units, as an `evaluate` module: `evaluate.load("metrics/au_detection")`.

The scores and their conventions are in `scores.py`, the averages in `averages.py`, what the figures mean in `README.md`.
`evaluate` finds the files to copy by reading this one: one import a line.
"""

import datasets
import evaluate

from .averages import report
from .scores import CONVENTIONS, COUNTS, ERRORS, ZERO_WITHOUT_HIT, checked, score_detection

_DESCRIPTION = """\
How well the occurrence of facial action units is detected: per unit F1, precision, recall, accuracy, balanced accuracy,
skew-normalised F1, ROC-AUC, average precision and expected calibration error, with labels that were not coded left out, undefined
scores as NaN and counted, and both averages over units by name.
"""

_CITATION = """\
@inproceedings{jeni2013facing,
  title = {Facing Imbalanced Data: Recommendations for the Use of Performance Metrics},
  author = {Jeni, L{\\'a}szl{\\'o} A. and Cohn, Jeffrey F. and {De la Torre}, Fernando},
  booktitle = {Affective Computing and Intelligent Interaction (ACII)},
  year = {2013}
}
"""

_KWARGS_DESCRIPTION = """
Args:
    predictions (list of list of float, one row a frame, one column a unit): P(present) from 0 to 1, or decisions 0 and 1; NaN or
        None where undetermined.
    references (list of list of float, the same shape): 0 or 1; NaN or None where the unit was not coded.
    units (list of str): names of the columns; unit_0, unit_1, ... by default.
    threshold (float, or one a unit): P from here on is present. Default 0.5.
    bins (int): equal bins of P for the calibration error. Default 15.
    folds (list, one name a frame): adds `mean_over_folds`. Default: none.
    convention (str): "strict", or "published": F1, precision and recall are 0 where there is no true positive, and what was not
        determined counts as absent. Default "strict".

Returns:
    dict with "pooled" and, with folds, "mean_over_folds"; each has, for every score, `<score>_supported` (mean over the units
    where it is defined), `<score>_missing_as_zero` (mean over all units) and `<score>_undefined` (how many are not), and
    `per_unit`, unit -> score or count -> value.

Examples:
    >>> import evaluate
    >>> metric = evaluate.load("metrics/au_detection")
    >>> references = [[1, 0], [1, 0], [0, None], [0, 0]]
    >>> predictions = [[0.9, 0.2], [0.4, 0.1], [0.7, 0.8], [0.1, None]]
    >>> scores = metric.compute(predictions=predictions, references=references, units=["AU1", "AU2"])["pooled"]
    >>> scores["f1_supported"], scores["f1_missing_as_zero"], scores["f1_undefined"]
    (0.5, 0.25, 1)
    >>> scores["per_unit"]["AU1"]["roc_auc"]
    0.75
    >>> [scores["per_unit"]["AU2"][count] for count in ("frames", "positives", "not_coded", "undetermined")]
    [3, 0, 1, 1]
"""


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class AUDetection(evaluate.Metric):
    """Scores of action unit occurrence."""

    def _info(self) -> evaluate.MetricInfo:
        row = datasets.Sequence(datasets.Value("float64"))
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=datasets.Features({"predictions": row, "references": row}),
            reference_urls=["https://github.com/laszlojeni/skew"],
        )

    def _compute(
        self, predictions, references, units=None, threshold=0.5, bins=15, folds=None, convention=CONVENTIONS[0]
    ) -> dict:
        truth_NU, probability_NU = checked(references, predictions)
        return report(
            lambda truth, probability: score_detection(truth, probability, threshold, bins, convention),
            truth_NU,
            probability_NU,
            units,
            folds,
            counts=COUNTS,
            errors=ERRORS,
            zeroed=ZERO_WITHOUT_HIT if convention == "published" else (),
        )
