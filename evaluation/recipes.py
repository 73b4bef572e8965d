"""Two experiments that need training, as shell scripts: they are written here and run where a GPU is.

    python -m aullava.evaluation.recipes cross --config configs/llava_7b_lora.yaml bp4d=BP4D disfa=DISFA > cross.sh
    python -m aullava.evaluation.recipes few-shot --config configs/llava_7b_lora.yaml --fold fold1 disfa=DISFA > few.sh

Conventions
    cross       leave one corpus out: train on all people of the others, test on every row of the one. Where training corpora show
                people of the tested one under the same id (DISFA, DISFA+, FEAFA+), those are left out of training by name.
    few-shot    train on a fraction of a fold's training people, test on the people the fold tests. People are taken in an order
                that a hash of seed and id gives: a smaller fraction is a part of a larger one, and each seed is another draw.
    settings    all others are those of the config, for every line alike.
"""

import argparse
import hashlib
import json
import math
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence

from aullava.common.settings import key_values
from aullava.dataset_builder.corpora.registry import open_corpus
from aullava.dataset_builder.errors import CorpusError
from aullava.dataset_builder.folds import fold as frozen_fold
from aullava.dataset_builder.leaks import shared_people

FRACTIONS = (0.05, 0.1, 0.25, 0.5, 1.0)


def cross(corpora: Mapping[str, str], config: str) -> Iterator[str]:
    """Two commands a held-out corpus: train on the others, evaluate on it.

    Args:
        corpora: name -> folder, at least two. config: of `train_sft.py`.

    Raises:
        CorpusError: fewer than two corpora, a wrong folder, or a corpus of which everybody is in the tested one.
    """
    if len(corpora) < 2:
        raise CorpusError(f"corpora are {', '.join(corpora) or 'none'}: expected two or more, to leave each out once")
    people = {name: [(name, s) for s in open_corpus(name, folder).subjects()] for name, folder in corpora.items()}
    for held in corpora:
        others, options = [name for name in corpora if name != held], {}
        for name in others:
            shared = shared_people(people[name], people[held])
            if excluded := sorted(subject for ours, _ in shared.values() for _, subject in ours):
                if len(excluded) == len(people[name]):
                    raise CorpusError(f"everybody in {name} is in {held}, too: leave {name} out")
                options[name] = {"exclude_subjects": excluded}
        out = f"outputs/cross_{held}"
        folders, folds = [corpora[name] for name in others], ["-"] * len(others)
        yield _train(config, out, others, folders, folds, options)
        yield shlex.join(
            f"aullava evaluate --checkpoint {out} --corpus {held}".split()
            + ["--data-dir", corpora[held], "--split", "all", "--out", f"{out}.json"]
        )


def few_shot(
    corpus: str, folder: str, config: str, fold: str, fractions: Sequence[float] = FRACTIONS, seed: int = 0
) -> Iterator[str]:
    """Two commands a fraction: train on so many of the fold's training people, evaluate on those it tests.

    Raises:
        CorpusError: wrong folder or fold, or a fraction outside 0 to 1.
    """
    train = sorted(frozen_fold(corpus, fold, open_corpus(corpus, folder).subjects()).train)
    order = sorted(train, key=lambda subject: hashlib.sha256(f"{seed}/{subject}".encode()).digest())
    for fraction in fractions:
        if not 0 < fraction <= 1:
            raise CorpusError(f"fraction is {fraction}: expected more than 0 and at most 1")
        kept = max(2, math.floor(fraction * len(order) + 0.5))  # one of them is set aside to validate on
        excluded = {"exclude_subjects": sorted(order[kept:])} if order[kept:] else {}
        out = f"outputs/few_{corpus}_{fold.replace(':', '_')}_{fraction:g}_seed{seed}"
        yield _train(config, out, [corpus], [folder], [fold], {corpus: excluded} if excluded else {})
        yield shlex.join(
            f"aullava evaluate --checkpoint {out} --corpus {corpus}".split()
            + ["--data-dir", folder, "--fold", fold, "--out", f"{out}.json"]
        )


def _train(config: str, out: str, corpora, folders, folds, options: dict) -> str:
    words = ["accelerate", "launch", "train_sft.py", "--config", config, "--output_dir", out]
    words += [
        "--corpora",
        *corpora,
        "--data_dirs",
        *folders,
        "--folds",
        *folds,
        "--corpus_options",
        json.dumps(options),
    ]
    return shlex.join(words)


def main(argv: Sequence[str] | None = None) -> int:
    """Print a script; 2 if the corpora are not there."""
    parser = argparse.ArgumentParser(prog="python -m aullava.evaluation.recipes", description=__doc__.splitlines()[0])
    parser.add_argument("experiment", choices=("cross", "few-shot"))
    parser.add_argument("corpora", nargs="+", metavar="NAME=DIR", help="corpora and their folders; few-shot: one")
    parser.add_argument("--config", required=True, metavar="FILE", help="recipe of train_sft.py")
    parser.add_argument("--fold", default="fold1", help="few-shot: the fold (default: %(default)s)")
    parser.add_argument(
        "--train-fraction",
        nargs="+",
        type=float,
        default=FRACTIONS,
        metavar="F",
        help="few-shot: shares of the training people",
    )
    parser.add_argument("--seed", type=int, default=0, help="few-shot: of the order of people (default: %(default)s)")
    args = parser.parse_args(argv)
    try:
        corpora = key_values(args.corpora, "corpora", "NAME=DIR")
        if args.experiment == "few-shot" and len(corpora) != 1:
            raise CorpusError(f"few-shot of {', '.join(corpora)}: expected one corpus")
        [(name, folder), *_] = corpora.items()
        lines = (
            cross(corpora, args.config)
            if args.experiment == "cross"
            else few_shot(name, folder, args.config, args.fold, args.train_fraction, args.seed)
        )
        print("set -e", *lines, sep="\n")
    except ValueError as error:
        print(f"recipes: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
