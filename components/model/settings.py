"""How to train: the parameters that the training steps share, each with its type, its limits and its description."""

from dataclasses import dataclass
from typing import Annotated

from components.model.optimizers import CLASS_WEIGHTS, MONITORS, OPTIMIZERS, SCHEDULES
from components.system.errors import UserError
from components.system.limits import Count, Names, NotNegative, PartialShare, Positive, Range, Seed, Share


@dataclass(frozen=True, kw_only=True)
class Training:
    """How to train any network.

    Args:
        optimizer: Name of an optimizer.
        learning_rate: Step size of the optimizer.
        schedule: The learning rate over all epochs: constant, or cosine, which falls to 0.
        warm_up: Share of all batches in which the learning rate rises from nearly 0, in [0, 1).
        momentum: Share of the last step that is added to the next, in [0, 1); of sgd alone.
        weight_decay: Share of the kernels, times the learning rate, that each step takes off; of adamw alone.
        label_smoothing: Share of each training label that is spread over all classes, in [0, 1).
        class_weights: Weights of the images in the training loss: none, or balanced, the same sum for each class.
        ema_momentum: Share of the moving average of the weights that each batch leaves, in [0, 1); the average is what
            is validated and delivered. 0 for the weights themselves.
        mixup: Alpha of MixUp, which trains on weighted means of two images of a batch and of their labels, with weights
            of Beta(alpha, alpha); 0 for none.
        cutmix: Alpha of CutMix, which cuts a box of a share of Beta(alpha, alpha) out of images, or maps at the cut,
            and puts there that of another one of the batch; 0 for none. With MixUp each batch is of one of the two.
        monitor: The score on validation by which the best epoch is chosen: log_loss, after the epoch's own temperature,
            or accuracy.
        min_delta: By how much an epoch must be better than the best.
        epochs: Epochs at most.
        patience: Epochs without a better one before training stops, and with them `patience_updates`.
        patience_updates: Batches trained on without a better epoch before training stops, and with them `patience`.
        batch_size: Images a batch.
        seed: Seed of new weights, the dropout, the order and the views.
        repeats: How many trainings, each with a seed one more than the one before; together they are one way.

    Raises:
        UserError: The weight decay is not 0, and the optimizer has none.
    """

    optimizer: Annotated[str, Names("optimizer", OPTIMIZERS)]
    learning_rate: Positive
    schedule: Annotated[str, Names("schedule", SCHEDULES)]
    warm_up: PartialShare
    momentum: PartialShare
    weight_decay: NotNegative
    label_smoothing: PartialShare
    class_weights: Annotated[str, Names("class weights", CLASS_WEIGHTS)]
    ema_momentum: PartialShare
    mixup: NotNegative
    cutmix: NotNegative
    monitor: Annotated[str, Names("monitor", MONITORS)]
    min_delta: NotNegative
    epochs: Count
    patience: Count
    patience_updates: Annotated[int, Range("0 or more", lambda value: value >= 0)]
    batch_size: Count
    seed: Seed
    repeats: Count = 1

    def __post_init__(self) -> None:
        if self.weight_decay and "weight_decay" not in OPTIMIZERS[self.optimizer][1]:
            raise UserError(
                f"{self.optimizer} has no weight decay; received {self.weight_decay:g}: choose adamw, or set it to 0"
            )


@dataclass(frozen=True, kw_only=True)
class HeadTraining(Training):
    """How to train a network that has a head.

    Args:
        l2: Penalty on the squares of the head's kernels, added to the training loss.
    """

    l2: NotNegative


@dataclass(frozen=True, kw_only=True)
class FineTuning(HeadTraining):
    """How to train a backbone together with its head.

    Args:
        backbone_rate: Share of the learning rate at which the backbone's layers learn, in [0, 1].
        rate_decay: Factor, in (0, 1], by which that rate falls from each block of the backbone to the one before it. A
            block is a layer with a kernel, or all layers that a skip connection or branches join.
        soup: Runs of each training, from the same head with seeds of their own, of which the best on validation are
            averaged, weight by weight; 1 for a single run.
        lora: Rank of LoRA: of each dense layer and convolution that is to be trained, not its weights are, but a
            product of this rank beside its kernel, which is added to it in the end; 0 for the weights themselves.

    Raises:
        UserError: As of `Training`, or runs with LoRA are to be averaged.
    """

    backbone_rate: Share
    rate_decay: Annotated[float, Range("in (0, 1]", lambda value: 0 < value <= 1)]
    soup: Count
    lora: Annotated[int, Range("0 or more", lambda value: value >= 0)] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lora and self.soup > 1:
            raise UserError(
                f"a mean of LoRA's factors is no mean of models; received lora {self.lora} and soup {self.soup}: "
                "set `soup: 1`, or `lora: 0`"
            )
