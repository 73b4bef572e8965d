"""Averages of per-unit scores, each by its name. NumPy only.

`evaluate` loads one folder on its own, so this file lies in two: change it in `au_detection/`, and `make fix` copies it to
`au_intensity/`. Suffixes: N frames, U units, F folds.

Conventions
    missing         NaN (or None) in a label: not coded. The frame is left out for that unit only, never read as 0.
    undefined       a score that its labels or predictions do not determine is NaN, and counted. Never 0.
    supported       mean over the units whose score is defined.
    missing_as_zero mean over all units, an undefined score counting as 0. This is what the published tables average. An error
                    has no such average: there 0 would be the best score.
    pooled          scores of all frames at once.
    mean_over_folds scores of each fold on its own; per unit the mean over the folds where it is defined, then the mean over
                    units. An undefined score is counted once for every unit and fold.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence

import numpy as np

Table = dict[str, np.ndarray]  # name of a score or count -> (units,)


def frames_by_units(values, what: str) -> np.ndarray:
    """`values` as floats (N frames, U units), None as NaN.

    Raises: ValueError if it is no table of numbers, has no frame or no unit, or holds an infinity.
    """
    try:
        table_NU = np.array(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} are no table of numbers, one row a frame and one column a unit: {error}") from None
    if table_NU.ndim != 2 or 0 in table_NU.shape:
        raise ValueError(f"{what} have shape {table_NU.shape}, expected (frames, units) with at least one of each")
    refuse(np.isinf(table_NU), table_NU, what, "a finite number, or NaN where there is none")
    return table_NU


def refuse(wrong_NU: np.ndarray, table_NU: np.ndarray, what: str, expected: str) -> None:
    """Raise ValueError that names the first cell marked in `wrong_NU`, and how many there are."""
    if wrong_NU.any():
        frame, unit = np.argwhere(wrong_NU)[0]
        raise ValueError(
            f"{what}[{frame}][{unit}] is {table_NU[frame, unit]:g} (frame {frame}, unit {unit}, and "
            f"{int(wrong_NU.sum()) - 1} more), expected {expected}"
        )


def rows_of_folds(fold_N: Sequence[Hashable], frames: int) -> dict[Hashable, np.ndarray]:
    """Which rows belong to each fold, folds in order of appearance. Raises ValueError if a frame has no fold."""
    if len(fold_N) != frames:
        raise ValueError(f"{len(fold_N)} fold names for {frames} frames: expected one a frame")
    rows: dict[Hashable, list[int]] = {}
    for row, fold in enumerate(fold_N):
        if fold is None or fold != fold:
            raise ValueError(f"frame {row} has no fold ({fold}): leave out frames that no fold tests")
        rows.setdefault(fold, []).append(row)
    return {fold: np.array(found) for fold, found in rows.items()}


def supported(score_FU: np.ndarray) -> float:
    """Mean over units of each unit's mean over the folds where its score is defined; NaN if none is."""
    return _mean(mean_where_defined(score_FU))


def missing_as_zero(score_FU: np.ndarray) -> float:
    """Mean over all folds and units, an undefined score counting as 0."""
    return float(np.nan_to_num(score_FU).mean())


def mean_where_defined(score_FU: np.ndarray) -> np.ndarray:
    """(U,) mean over the folds where the score is defined; NaN where none is."""
    return np.array([_mean(score_F) for score_F in score_FU.T])


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def summarise(
    tables: Sequence[Table],
    units: Sequence[str],
    counts: Sequence[str],
    errors: Sequence[str] = (),
    zeroed: Sequence[str] = (),
) -> dict:
    """Averages and per-unit values of one table (pooled frames) or of one table a fold (their mean).

    Args:
        tables: scores and counts per unit, one table a fold, with the same names.
        counts: names that are counts; they are added up over folds.
        errors: names of scores where less is better; they have no average that takes missing as zero.
        zeroed: names of scores whose undefined values appear as 0 in `per_unit`, as published code prints them. Their
            averages and their count of undefined values stay as they are.

    Returns:
        `<score>_supported`, `<score>_missing_as_zero` and `<score>_undefined` for each score, and `per_unit`: unit -> name
        -> value.
    """
    result: dict = {}
    shown: Table = {}
    for name in tables[0]:
        cells_FU = np.stack([table[name] for table in tables])
        if name in counts:
            shown[name] = cells_FU.sum(axis=0)
            continue
        result[f"{name}_supported"] = supported(cells_FU)
        if name not in errors:
            result[f"{name}_missing_as_zero"] = missing_as_zero(cells_FU)
        result[f"{name}_undefined"] = int(np.isnan(cells_FU).sum())
        shown[name] = mean_where_defined(np.nan_to_num(cells_FU) if name in zeroed else cells_FU)
    result["per_unit"] = {
        unit: {name: int(v[u]) if name in counts else float(v[u]) for name, v in shown.items()}
        for u, unit in enumerate(units)
    }
    return result


def report(
    score: Callable[[np.ndarray, np.ndarray], Mapping],
    truth_NU: np.ndarray,
    prediction_NU: np.ndarray,
    units: Sequence[str] | None,
    fold_N: Sequence[Hashable] | None,
    **names: Sequence[str],
) -> dict:
    """`score` of all frames as `pooled`, and with `fold_N` its mean as `mean_over_folds`; `names` as `summarise` has them.

    Units without names are called unit_0, unit_1, ...
    """
    if truth_NU.shape != prediction_NU.shape:
        raise ValueError(
            f"references have shape {truth_NU.shape}, predictions {prediction_NU.shape}: expected one row a frame and one "
            "column a unit in both, in the same order"
        )
    units = [f"unit_{u}" for u in range(truth_NU.shape[1])] if units is None else list(units)
    if len(units) != truth_NU.shape[1] or len(set(units)) != len(units):
        raise ValueError(f"units are {units}, expected {truth_NU.shape[1]} different names, one a column")
    result = {"pooled": summarise([score(truth_NU, prediction_NU)], units, **names)}
    if fold_N is not None:
        parts = rows_of_folds(fold_N, len(truth_NU)).values()
        tables = [score(truth_NU[rows], prediction_NU[rows]) for rows in parts]
        result["mean_over_folds"] = summarise(tables, units, **names) | {"folds": len(tables)}
    return result
