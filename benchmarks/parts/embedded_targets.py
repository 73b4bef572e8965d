"""What the embedded checkpoint is held to: fixed bounds, and the F1 of the better discriminative peer."""

import re
from pathlib import Path

import numpy as np
from reporting import RESULTS

TARGETS = {
    "min_side_correct": ("at least", 0.93),
    "f1_bp4d12": ("at least", 0.87),
    "f1_disfa8": ("at least", 0.93),
    "icc_disfa12": ("at least", 0.92),
    "mae_feafa24": ("at most", 0.025),
    "mae_feafa24_zero": ("at least", 0.06),
    "min_au_f1": ("at least", 0.6),
    "format_agreement": ("at least", 0.97),
    "ece": ("at most", 0.03),
    "checkpoint_mb": ("at most", 16),
}


def peer_figures(title: str, results: Path = RESULTS) -> tuple[dict[str, float], str]:
    """The better peer's F1 from the newest table of baseline_classifier.py, NaN without one, and where they are from.

    Args:
        title: "2000 drawn faces of test identities, style mixed": another table than one of these faces does not count.
    """
    figures = dict.fromkeys(("peer_f1_bp4d12", "peer_f1_disfa8"), float("nan"))
    tables = sorted(results.glob("*-baseline_classifier.md"), key=lambda path: (path.name[:10], path.stat().st_mtime))
    if not tables:
        return figures, "Peers: not measured; run python benchmarks/baseline_classifier.py."
    text = tables[-1].read_text()
    measured_on = text.splitlines()[0].removeprefix("# ")
    if not measured_on.startswith(title + ","):
        return figures, f"Peers: {tables[-1].name} is about {measured_on!r}, not about {title}; not compared."
    for name in figures:
        found = re.search(rf"^\| {name} \| ([\d.]+) \|", text, re.MULTILINE)
        figures[name] = float(found.group(1)) if found else float("nan")
    return figures, f"Peers: {tables[-1].name}."


def targets_of(peers: dict[str, float]) -> dict[str, tuple[str, float]]:
    """The targets; F1 is to reach the better peer's, too."""
    raised = {
        name: ("at least", float(np.nanmax([TARGETS[name][1], peers[f"peer_{name}"]])))
        for name in ("f1_bp4d12", "f1_disfa8")
    }
    return TARGETS | raised
