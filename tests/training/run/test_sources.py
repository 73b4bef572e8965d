"""A run is refused before its base is loaded where its evaluation cannot give what it is to be judged by."""

import pytest
from trl import SFTConfig

from aullava.dataset_builder.chat.drawn_faces import DrawnFaceArguments
from aullava.training.arguments import ModelArguments, RunArguments
from aullava.training.data.augmentation import AugmentationArguments
from aullava.training.data_arguments import DataArguments
from aullava.training.model.scratch import ScratchArguments
from aullava.training.run.losses import LossArguments
from aullava.training.run.settings import Run
from aullava.training.run.sources import open_source
from aullava.training.run.validation import ReadingArguments


def opened(folder, metric, read_rows=2, eval_strategy="steps"):
    training = SFTConfig(
        output_dir=str(folder),
        eval_strategy=eval_strategy,
        metric_for_best_model=metric,
        use_cpu=True,
        bf16=False,
        activation_checkpointing=False,
    )
    drawing = DrawnFaceArguments(faces=2, draw_size=32)
    readings = ReadingArguments(read_rows=read_rows, read_protocols=["disfa"])
    base = ModelArguments(from_scratch=True, validation_faces=2)
    parts = (RunArguments(), base, ScratchArguments(), drawing, DataArguments(), AugmentationArguments())
    return open_source(Run(*parts, LossArguments(), readings, training))


@pytest.mark.parametrize("metric", [None, "loss", "eval_loss", "macro_f1", "eval_macro_f1", "disfa_icc"])
def test_what_evaluation_gives_may_choose_the_checkpoint(tmp_path, metric):
    assert opened(tmp_path, metric).read is not None


@pytest.mark.parametrize(("metric", "read_rows"), [("macro_f2", 2), ("bp4d_macro_f1", 2), ("macro_f1", 0)])
def test_what_it_does_not_give_is_refused(tmp_path, metric, read_rows):
    with pytest.raises(ValueError, match=f"metric_for_best_model is '{metric}'.*read_rows and read_protocols"):
        opened(tmp_path, metric, read_rows)


def test_without_evaluation_no_metric_is_looked_for(tmp_path):
    assert opened(tmp_path, "macro_f2", eval_strategy="no").read is None
