"""TRL's SFTTrainer with what action units need: losses on values, a guard, throughput in turns, scores of readings.

The trainer's own arithmetic is not repeated here. It sums minus the log-probabilities of the labels and divides by their number,
over accumulation steps and devices; a value loss replaces minus the log-probability of its token.
"""

import json
import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median

import torch
from accelerate.utils import gather_object
from trl import SFTTrainer
from trl.trainer.utils import FusedCausalLMOutput

from aullava.common.files import replace_file
from aullava.training.data.turn_tokens import IGNORED
from aullava.training.run.losses import ValueTokens

BAD_BATCH = "bad_batch.json"
_EXTRAS = ("slots", "rows", "turns")  # what the collator adds for the trainer, and the model does not take


class BadLossError(RuntimeError):
    """The loss of a training batch is not finite or has exploded."""


class LossGuard:
    """Detects a training loss that is broken.

    Args:
        ratio: largest loss, as a multiple of the running median, or of 1 nat where that is lower; 0: any finite loss.
            The mean loss of an untrained model is the logarithm of the vocabulary size, some 6 to 12 nats.
        warm_up: batches before the ratio applies.
        window: batches in the median.
    """

    def __init__(self, ratio: float = 10.0, warm_up: int = 20, window: int = 100):
        self.ratio, self.warm_up = ratio, warm_up
        self._losses: deque[float] = deque(maxlen=window)

    @property
    def limit(self) -> float:
        """Largest loss allowed next."""
        if not self.ratio or len(self._losses) < self.warm_up:
            return math.inf
        return self.ratio * max(median(self._losses), 1.0)

    def passes(self, losses: list[float]) -> bool:
        """Whether the losses of a step, one per process, are all fine. If so, they enter the median."""
        if not all(math.isfinite(loss) and loss <= self.limit for loss in losses):
            return False
        self._losses.append(sum(losses) / len(losses))
        return True


class AUTrainer(SFTTrainer):
    """SFTTrainer for the batches of TurnCollator.

    Args:
        value_loss: gives the (S,) losses of value tokens (losses.py) while training; default: cross-entropy. Evaluation always uses
            cross-entropy, so that eval_loss is comparable between runs.
        validation: called at every evaluation with the unwrapped model and the accelerator; gives scores by name (validation.py).
        max_loss_ratio: as `LossGuard`. The batches must then come with extras for their rows to be named.
        args, kwargs: as SFTTrainer.
    """

    def __init__(
        self,
        *args,
        value_loss: Callable[[ValueTokens], torch.Tensor] | None = None,
        validation: Callable[[torch.nn.Module, object], dict[str, float]] | None = None,
        max_loss_ratio: float = 10.0,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        self.value_loss, self.validation, self._guard = value_loss, validation, LossGuard(max_loss_ratio)
        self._turns = self._tokens = 0  # since the last log, over all processes
        self._since: float | None = None

    def training_step(self, *args, **kwargs) -> torch.Tensor:
        self._since = self._since or time.perf_counter()
        return super().training_step(*args, **kwargs)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        slots, rows, turns = (inputs.pop(name, None) for name in _EXTRAS)
        if not self.model.training:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        if self.value_loss is not None:
            if slots is None:
                raise ValueError(
                    "the batch has no slots, which value_loss needs: create the collator with extras=True"
                )
            head = self.accelerator.unwrap_model(self.model).get_output_embeddings()
            model = partial(score_labels, model, head, self.value_loss, slots)
        tokens_before = self._total_train_tokens
        loss = super().compute_loss(model, inputs, False, num_items_in_batch)
        mean = self._per_label(loss.detach(), inputs["labels"], num_items_in_batch)
        tokens = count_tokens(inputs["attention_mask"])
        own_3 = torch.stack([mean.float(), tokens.float(), tokens.new_tensor(turns or 0).float()])
        losses_P, tokens_P, turns_P = self.accelerator.gather(own_3[None]).T.tolist()
        tokens = int(sum(tokens_P)) // self._tp_size
        self._tokens += tokens
        self._turns += int(sum(turns_P)) // self._tp_size
        # SFTTrainer sums the attention mask, which counts pairs of tokens where it is packed.
        self._total_train_tokens = tokens_before + tokens
        self._metrics["train"]["num_tokens"] = [self._total_train_tokens]
        if not self._guard.passes(losses_P):
            self._stop(losses_P, rows or [])
        return loss

    def evaluation_loop(self, dataloader, description, *args, metric_key_prefix="eval", **kwargs):
        output = super().evaluation_loop(dataloader, description, *args, metric_key_prefix=metric_key_prefix, **kwargs)
        if self.validation is not None and description == "Evaluation":
            with self.accelerator.autocast():
                scores = self.validation(self.accelerator.unwrap_model(self.model), self.accelerator)
            output.metrics.update({f"{metric_key_prefix}_{name}": score for name, score in scores.items()})
        return output

    def evaluate(self, *args, **kwargs) -> dict[str, float]:
        with self._clock_stopped():
            return super().evaluate(*args, **kwargs)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Training logs get `turns_per_second` and `tokens_per_second` since the last log, without evaluation and saving, and
        `num_turns` since the run began."""
        if "loss" in logs and self._turns:
            seconds = time.perf_counter() - self._since
            before = next((entry["num_turns"] for entry in self.state.log_history[::-1] if "num_turns" in entry), 0)
            logs["turns_per_second"], logs["tokens_per_second"] = self._turns / seconds, self._tokens / seconds
            logs["num_turns"] = before + self._turns
            self._turns = self._tokens = 0
            self._since = time.perf_counter()
        super().log(logs, start_time)

    def _save_checkpoint(self, *args, **kwargs) -> None:
        with self._clock_stopped():
            super()._save_checkpoint(*args, **kwargs)

    @contextmanager
    def _clock_stopped(self) -> Iterator[None]:
        start = time.perf_counter()
        yield
        if self._since is not None:
            self._since += time.perf_counter() - start

    def _per_label(self, loss: torch.Tensor, labels_BL: torch.Tensor, num_items_in_batch) -> torch.Tensor:
        """The loss as a mean over this batch's own labels, whatever it was divided by."""
        if num_items_in_batch is None:
            return loss
        if self.args.average_tokens_across_devices:
            loss = loss / (self.accelerator.num_processes // self._tp_size)
        return loss * torch.as_tensor(num_items_in_batch) / (labels_BL[:, 1:] != IGNORED).sum().clamp(min=1)

    def _stop(self, losses: list[float], rows: list[str]) -> None:
        """Write the rows of the batch to a file and raise, in every process."""
        step, rows = self.state.global_step + 1, gather_object([rows])
        path = Path(self.args.output_dir, BAD_BATCH)
        if self.is_world_process_zero():
            told = [loss if math.isfinite(loss) else str(loss) for loss in losses]
            text = json.dumps({"step": step, "loss": told, "rows": rows}, indent=2) + "\n"
            replace_file(path, lambda place: place.write_text(text))
        shown = ", ".join(f"{loss:.4g}" for loss in losses)
        expected = f"at most {self._guard.limit:.4g}" if math.isfinite(self._guard.limit) else "a finite number"
        raise BadLossError(
            f"the loss of step {step} is {shown}: expected {expected}. The rows of the batch are in {path}: check them, lower "
            "learning_rate, use bf16 instead of fp16, or resume from an earlier checkpoint"
        )


def score_labels(
    model,
    head: torch.nn.Module,
    value_loss: Callable[[ValueTokens], torch.Tensor],
    slots_S5: torch.Tensor,
    **inputs,
) -> FusedCausalLMOutput:
    """What the model's fused head gives SFTTrainer, with minus the value loss in place of the log-probability of each value.

    Logits are computed only in the columns that hold a label. Called as the model: labels among the inputs.

    Args:
        model: as the trainer wraps it.
        head: the language model's head inside it, whose inputs are the hidden states.
        value_loss: see `AUTrainer`.
        slots_S5: the batch's `slots` (collator.py).
    """
    inputs.pop("fused_lm_head", None)
    labels_BL = inputs.pop("labels")[:, 1:]
    learnt_BL = labels_BL != IGNORED
    columns_C = learnt_BL.any(0).nonzero().squeeze(1)
    # The wrapped model must be called (DDP, FSDP gather weights), and it returns hidden states of all layers or none: so they are
    # taken at the input of the head, for the kept columns only.
    seen = []
    hook = head.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    try:
        logits_BCV = model(**inputs, logits_to_keep=columns_C).logits
    finally:
        hook.remove()
    at_label_BC = learnt_BL[:, columns_C]
    logits_NV, labels_N = logits_BCV[at_label_BC].float(), labels_BL[learnt_BL]
    log_probs_NV = logits_NV.log_softmax(-1)
    log_probs_N = log_probs_NV.gather(1, labels_N[:, None]).squeeze(1)
    number_BL = learnt_BL.flatten().cumsum(0).view_as(learnt_BL) - 1  # index of the label at each place
    at_S = number_BL[slots_S5[:, 0], slots_S5[:, 1] - 1]
    hidden_SD = seen[-1][at_label_BC][at_S]
    losses_S = value_loss(ValueTokens(logits_NV[at_S], labels_N[at_S], hidden_SD, *slots_S5[:, 2:].unbind(1)))
    with torch.no_grad():
        entropy_N = -(log_probs_NV.exp() * log_probs_NV).sum(-1)
        is_top1_N = logits_NV.argmax(-1) == labels_N
    return FusedCausalLMOutput(
        log_probs=_placed(log_probs_N.index_copy(0, at_S, -losses_S), learnt_BL),
        entropy=_placed(entropy_N, learnt_BL),
        is_top1=_placed(is_top1_N, learnt_BL),
        label_mask=learnt_BL,
    )


def _placed(found_N: torch.Tensor, learnt_BL: torch.Tensor) -> torch.Tensor:
    """One number per label at the labels' places, zero elsewhere."""
    return found_N.new_zeros(learnt_BL.shape).masked_scatter(learnt_BL, found_N)


def count_tokens(attention_mask: torch.Tensor) -> torch.Tensor:
    """() number of tokens without padding.

    Args:
        attention_mask: (B, L), or (B, 1, L, L) of packed rows, where only padding does not attend to itself.
    """
    return (attention_mask.diagonal(dim1=-2, dim2=-1) if attention_mask.ndim == 4 else attention_mask).sum()
