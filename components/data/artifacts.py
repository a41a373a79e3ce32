"""The kinds of artifacts, which the steps hand to one another, and the facts of each.

What is made from an artifact takes over those of its facts that the new artifact's kind declares, too.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from components.data import packing
from components.data.artifact import MANIFEST as MANIFEST
from components.data.artifact import Artifact
from components.data.content import file_sha256, sha256
from components.data.facts import Facts
from components.data.json_files import damage_errors
from components.data.memory_maps import FileArray
from components.data.networks import load_network
from components.data.packing import ImageFile, TarMember
from components.data.saved_models import SavedModel
from components.system.errors import UserError

if TYPE_CHECKING:
    import keras
    import numpy as np
    import pandas as pd

MODEL_FILES = {"keras": "model.keras", "onnx": "model.onnx", "litert": "model.tflite"}  # by format
PROBABILITY = "probability_"  # before the name of a class, what a column of `predictions.csv` is called


class ImagesFacts(Facts):
    """Facts of images, which whatever is made from them has too."""

    data_set: str
    classes: list[str]  # in the order of their numbers
    white_level: int = 65535  # white of samples of 16 bits in files that do not tell it


class Images(Artifact[ImagesFacts]):
    """A data set in one layout: `images/CLASS/FILE`, `images.csv` and `quarantine.csv` (file, reason).

    Where its images lie in tars, `images/NUMBER.tar`, `tars.csv` (file, tar, offset, bytes) says where in which.

    The columns of `images.csv` are file, label, width and height in pixels, sha256, part and group. A part is the
    publisher's `train`, `validation` or `test`, or the number of the published split that tests on the image; part and
    group are empty where there is none.
    """

    text_columns = ("file", "label", "part", "group")
    unlisted = ("images",)

    @cached_property
    def members(self) -> dict[str, TarMember]:
        """Where each image lies in the data set's tars, by its `file` in `images.csv`; {} if each is a file."""
        return packing.read_members(self.path)

    @property
    def packing(self) -> str:
        """How the images are stored: as `files`, or in `tars`."""
        return "tars" if self.members else "files"

    def file(self, name: str) -> ImageFile:
        """Return an image's path, there or not, or its place in a tar, by its `file` in `images.csv`, to `read_bytes`.

        Raises:
            UserError: The images are in tars, and it is in none.
        """
        if not self.members:
            return self.path / "images" / name
        if name not in self.members:
            raise UserError(f"{self.path} is damaged: {name} is in none of its tars; fetch the data set again")
        return self.members[name]

    def stored_files(self) -> list[str]:
        """Return the `file` of each image that is there, in no order, whether `images.csv` has it or not."""
        folder = self.path / "images"
        files = (path for path in folder.rglob("*") if path.is_file())
        return [*self.members] or [path.relative_to(folder).as_posix() for path in files]


UNTRAINED = "random initialisation"  # the license of weights that were drawn at random


class WeightsFacts(Facts):
    """Facts of pretrained weights."""

    backbone: str
    weights_sha256: str
    weights_license: str


class Weights(Artifact[WeightsFacts]):
    """Pretrained weights of one backbone: one file, whose sha256 is the digest; with a top where it came so.

    Where the registry does not know the network, `network.json` describes it, and the digest is of both: its
    configuration, `architecture`; scale and offset of the pixels that it takes, `pixels`; and its `image_size`.
    """

    text_columns = ("word",)

    @property
    def file(self) -> Path:
        return self.path / "backbone.weights.h5"

    @property
    def stock(self) -> Path:
        """The path of the whole network's weights, for ImageNet's classes; no file is there where none came.

        `words.csv` (word) has the names of the classes.
        """
        return self.path / "stock.weights.h5"

    def network_sha256(self) -> str:
        """Return one SHA-256: of the weights' file or, if `network.json` is there, of that digest and its content."""
        with damage_errors(self.file):
            digest = file_sha256(self.file)
        return sha256(digest, self.read_values("network")) if (self.path / "network.json").is_file() else digest


class AuditFacts(ImagesFacts):
    """The facts of images, and how many of them are there twice."""

    duplicates: dict[str, int]  # by the kind of pair


class Audit(Artifact[AuditFacts]):
    """Images that are there twice, byte-identical or near-identical; the fact `duplicates` counts them.

    Its `alike_by_nature` counts the pairs of classes whose different images look near-identical: they are not listed.
    `hashes.csv` (file, hash, cluster): the perceptual hash, 16 hexadecimal digits; and the first image of the cluster,
    of all that pairs connect, empty for an image that is in no pair.
    `pairs.csv` (file, other, kind, distance, similarity, label, other_label): as many pairs as connect the clusters,
    of the kind `identical`, `near`, `turned` (or mirrored), `cropped` (or bordered) or `marked`, with the bits in which
    the hashes differ and the correlation of the pixels.
    """

    text_columns = ("file", "hash", "cluster", "label", "other", "other_label")


class SplitsFacts(AuditFacts):
    """The facts of an audit, and what the split came to."""

    dropped: dict[str, int]  # images left out by choice, by why
    groups: dict[str, int]  # by part; 0 where the images have no groups
    leakage: dict[str, float]  # by what leaks: counts, and shares of the test part in [0, 1]
    warnings: list[str]
    split_method: str
    relabelled: int = 0  # images that corrections gave another class


class Splits(Artifact[SplitsFacts]):
    """Which image trains and which validates: `splits.csv` (file, label, group, split); and what leaks between them.

    `unused.csv` (file) has the images that are in no part, `corrections.csv` (file, label, decision) those
    outside the test part that a person decided on, each with the label that it came with.
    `leakage.csv` (kind, file, split, label, other, other_split, other_label) has a row for each image that the test or
    the validation part shares with a part that is learned or chosen by, of the kind `identical` or `near`; for each
    `group` of the test part that is in another; for each image of `two labels`; and for each that repeats one of its
    own part, `same part`, which leaks nothing. The fact `leakage` counts what leaks.
    `leakage.npz` has thumbnails of the images of some rows, `ROW` and `ROW_other`.
    """

    text_columns = ("file", "label", "group", "other", "other_label", "decision")

    def rows(self) -> "pd.DataFrame":
        """Return the rows of train, then those of validation: file, label, group, split; renumbered from 0."""
        table = self.table("splits.csv")
        return table.sort_values("split", kind="stable", ignore_index=True)  # `train` comes first

    def part(self, split: str) -> "pd.DataFrame":
        """Return the rows of `splits.csv` of `train` or `validation`: file, label, group, split; renumbered from 0."""
        table = self.table("splits.csv")
        return table[table["split"] == split].reset_index(drop=True)


class TestSplit(Artifact[AuditFacts]):
    """The test rows, which `evaluate` alone accepts: `test_split.csv` (file, label, group, width, height)."""

    text_columns = ("file", "label", "group")


class ViewsFacts(ImagesFacts):
    """The facts of images, and how many views there are of each."""

    image_size: int  # pixels a side
    resize: str = "squash"  # how images became squares, of `resizing.RESIZINGS`
    views: int  # besides the plain image


class DrawingFacts(Facts):
    """How views are drawn: facts for the steps that draw them."""

    view_limits: dict[str, Any]  # arguments of `augmentation.ViewLimits`
    view_seed: int


class AugmentedFacts(ViewsFacts, DrawingFacts):
    """The facts of views, and how they are drawn."""


class Augmented(FileArray[AugmentedFacts]):
    """Every image at the working size, uint8 (files, 1, size, size, 3), of which K views are drawn as they are needed.

    The facts say how, and `augmentation.draw_views` does: the same views whenever and wherever they are drawn.
    """

    array_name = "images.npy"

    @property
    def expected_dtype_and_shape(self) -> tuple[str, tuple[int, ...]]:
        """The type and shape of one image: ("uint8", (1, size, size, 3))."""
        size = self.facts.image_size
        return "uint8", (1, size, size, 3)


class PrecisionFacts(ViewsFacts, WeightsFacts):
    """The facts of the views and weights that precisions were tried on, and the one that was chosen."""

    precision: str


class Precision(Artifact[PrecisionFacts]):
    """What a frozen network's long sums are computed in, the fact `precision`: `float32` or `bfloat16`.

    `speeds.csv` (precision, views_per_second, difference) has what decided it, the difference being that of the
    features from those of float32, as a share of their length; no rows where it was asked for by name.
    """

    text_columns = ("precision",)


class FeaturesFacts(PrecisionFacts):
    """The facts of a precision, and how the network was cut."""

    first_trainable: str  # the layer that follows the cut
    pooling: str
    prefix: str  # `stored`, `live`, or `none` where all layers are trained


class Features(FileArray[FeaturesFacts]):
    """What the backbone makes of every image and view: float32 (files, 1 + K, ...); view 0 is the plain image."""

    array_name = "features.npy"

    @property
    def expected_dtype_and_shape(self) -> tuple[str, tuple[int, ...]]:
        """("float32", (1 + views,)): the facts say the first axis of an image's features, the network the others."""
        return "float32", (1 + self.facts.views,)


class TensorsFacts(FeaturesFacts, DrawingFacts):
    """The facts of features, and how views were drawn: a live prefix draws new ones in every epoch."""

    storage: str = "float32"  # the type of activations


class Tensors(FileArray[TensorsFacts]):
    """What fine-tuning starts from; the fact `prefix` says which.

    `stored`: activations at the cut of every image and view, float32 or float16 by the fact `storage`, (files, 1 + K,
    ...); view 0 is the plain image.
    `live`: the plain images at the working size, uint8 (files, 1, size, size, 3), for the whole network to run on;
    `none`: those and their views, (files, 1 + K, size, size, 3).
    """

    array_name = "tensors.npy"

    @property
    def expected_dtype_and_shape(self) -> tuple[str, tuple[int, ...]]:
        """The type and shape of an image's tensors: uint8 (1 or 1 + K, size, size, 3); `stored`: `storage`, (1 + K,).

        There is 1 view if `live`, else 1 + K; what follows (1 + K,) is for the network to say.
        """
        size, views = self.facts.image_size, 1 + self.facts.views
        if self.facts.prefix == "stored":
            return self.facts.storage, (views,)
        return "uint8", (1 if self.facts.prefix == "live" else views, size, size, 3)


class ForecastFacts(SplitsFacts, WeightsFacts):
    """The facts of the split and of the weights behind the features that a learning curve was measured on."""

    image_size: int  # pixels a side
    obstacle: str = ""  # why there is no curve


class Forecast(Artifact[ForecastFacts]):
    """What a regression on stored features scores on validation with ever more training images, and would with twice.

    `curve.csv` (images, accuracy, accuracy_low, accuracy_high, log_loss, log_loss_low, log_loss_high) has a row a
    number of training images, the last one the forecast; `classes.csv` (label, validation_images, recall, forecast,
    forecast_low, forecast_high) one a class, most images gained first. `curve.npz` has what both follow from: the
    `sizes`, the `wrong` and `losses` of `learning_curve.LearningCurve`, and the `labels` of the validation images.
    The fact `obstacle` says why there is no curve; neither table has rows then, and there are no arrays.
    """

    text_columns = ("label",)


class EmbeddingsFacts(SplitsFacts, WeightsFacts):
    """The facts of the split and of the weights, and what the network costs."""

    image_size: int  # pixels a side
    network_parameters: int
    network_bytes: int  # of its weights and the two largest outputs of its layers, for one image
    part: int = 0


class Embeddings(FileArray[EmbeddingsFacts]):
    """The features of the plain images of a part of those that train or validate: float32 (files, channels)."""

    array_name = "embeddings.npy"

    @property
    def expected_dtype_and_shape(self) -> tuple[str, tuple[int, ...]]:
        """("float32", ()): the facts say nothing of the shape of an image's features, which the network determines."""
        return "float32", ()


class ProbeFacts(SplitsFacts, WeightsFacts):
    """The facts of embeddings, and what came out on validation, by the better of the methods."""

    families = ("validation_",)

    image_size: int
    network_parameters: int
    network_bytes: int
    method: str
    train_images: int
    validation_images: int
    validation_log_loss: float
    validation_kappa: float
    validation_accuracy: float


class Probe(Artifact[ProbeFacts]):
    """How well features tell the classes apart on validation, before anything is trained on them.

    `scores.csv` has a row for each method; `files.csv` the validation images, `predictions.npz` their class numbers,
    `labels`, and the `probabilities` of each class by the better method, (n, classes).
    """

    text_columns = ("method", "file")


class TopFacts(SplitsFacts, FeaturesFacts):
    """The facts of the split and of the features that a head was trained on."""


class Top(SavedModel[TopFacts]):
    """A trained head, `head.keras`: features (batch, ...) to logits (batch, classes)."""

    file_name = "head.keras"

    def load(self, shape: Sequence[int | None]) -> "keras.Model":
        """Return the head, not compiled, checked to turn features of this shape, without the batch's axis, into logits.

        Raises:
            UserError: The file is no head for such features and the artifact's classes.
        """
        return load_network(self.file, shape, len(self.facts.classes))


class ModelFacts(SplitsFacts):
    """What a classifier and its report both say of the model; from `backbone` on only where the network is pretrained.

    Of the `validation_` scores there is one for each main one of the registry of scores.
    """

    families = ("validation_",)

    image_size: int  # pixels a side
    resize: str = "squash"  # how images became squares, of `resizing.RESIZINGS`
    model: str  # its name in the registry of models
    temperature: float
    model_parameters: int
    train_counts: list[int]  # training images of each class
    validation_images: int
    epochs: int
    best_epoch: int
    validation_log_loss: float
    validation_kappa: float
    trainable_parameters: int = 0  # that its training could change
    averaged_runs: int = 1  # whose weights are the mean of those of several
    members: Sequence[str] = ()  # the models that an ensemble averages
    arms: Sequence[Mapping[str, Any]] = ()  # `values` and `validation_log_loss` of each that was chosen from
    backbone: str = ""
    weights_sha256: str = ""
    weights_license: str = ""
    precision: str = ""
    first_trainable: str = ""
    pooling: str = ""
    prefix: str = ""
    file_format: str = "keras"  # of `MODEL_FILES`
    file_precision: str = ""  # of a written file's numbers
    averaged_views: Mapping[str, Any] = {}  # that predictions are means over: `views`, their number, `seed`, limits


class ClassifierFacts(ModelFacts):
    """The facts of a model, and how many views of an image it was trained on."""

    views: int


class Classifier(SavedModel[ClassifierFacts]):
    """A delivered model, `model.keras`, raw RGB in [0, 255] to probabilities; its epochs, `history.csv`.

    `layers.csv` (layer, kind, output_shape, parameters, trainable) has its layers as they were trained.
    `validation.json` has its kappa, log loss and accuracy on validation, by which it is chosen among others. One that
    was written in another format has that file, of `MODEL_FILES`, instead, and its digest is that of the file.
    `promises.csv` (margin, trials, mistakes, right) has what share of right answers validation promises where the model
    answers only images of at least a margin: `scores.selective.promise_table`. `coverages.csv` (coverage, loss,
    units) has the loss up to which a class is in a set of a coverage: `scores.conformal.coverage_table`. Neither has
    rows for an average. `unlikeness.npz` holds the arrays of a `scores.unlikeness.Unlikeness`; an average has none.
    """

    text_columns = ("layer", "output_shape")
    file_name = MODEL_FILES["keras"]

    @property
    def file(self) -> Path:
        return self.path / MODEL_FILES[self.facts.file_format]

    def content_digest(self) -> str:
        """Return the SHA-256 of the kind, the classes and the model's architecture and weights, or its written file."""
        if self.facts.file_format == "keras":
            return super().content_digest()
        return sha256(type(self).__name__, self.facts.classes, file_sha256(self.file))

    def load(self) -> "keras.Model":
        """Return the Keras model, not compiled, checked to turn images of the artifact's size into its classes.

        Raises:
            UserError: The file is no model for images of the artifact's size and for its classes.
        """
        size = self.facts.image_size
        return load_network(self.file, (size, size, 3), len(self.facts.classes))


class ExplorationFacts(SplitsFacts, ViewsFacts, WeightsFacts):
    """The facts of the split, of the views and of the weights that were looked at."""


class Exploration(Artifact[ExplorationFacts]):
    """What a data set looks like: all that its figures show.

    `class_counts.csv` (label, split or `unused`, images) and `size_counts.csv` (width, height, images) count them;
    `samples.csv` (file, label) has the chosen training images, `samples.npz` thumbnails of those that are shown, by the
    number of the row; `rgb_densities.npz` the `labels` and the `densities` (classes, 3, 256) of their pixel values;
    `augmented.npz` the `views` (images, 1 + K, height, width, 3) of a few images, where there are any.
    `stock_words.csv` (file, label, word, probability) has what ImageNet's network calls the samples, the five likeliest
    first; no rows where the weights came without its top.
    """

    text_columns = ("file", "label", "word")


class Drawings(Artifact[ImagesFacts]):
    """The figures of an exploration, `figures/NAME.png`, and `captions.json`, a sentence by the name of each.

    What is said in one sentence has a caption alone.
    """


class ReportFacts(ModelFacts):
    """The facts of a model, and what it was scored on."""

    classifier: str  # its digest
    test_split: str  # digest of the test images with their labels
    views: str  # `plain` or `averaged`
    fingerprint: str
    never: Sequence[Mapping[str, Any]] = ()  # each confusion that must not happen: `costly_mistakes.CostlyMistake`


class Report(Artifact[ReportFacts]):
    """One classifier on the test split: its scores, where it fails, and what is drawn of that.

    `metrics.json` has the scores, `intervals.json` the 95 % interval of each of the test, low and high,
    `baselines.json` those of baselines that see no image, the number of test images, the best epoch. `predictions.csv`
    has the test split, then the predicted class and the probability of each; `curves.csv` the epochs, `layers.csv` the
    model's layers. What `scores` finds is in `calibration.csv`, bins `before` and `after` the temperature, and
    `classes.csv`; what `failures` finds in `confusions.csv`, `confusion_matrix.csv` (a row a true class, a column a
    predicted one) and `slices.csv`, which has no rows where slices were not asked for. `mistakes.csv` (file, label,
    predicted, probability) has the test images that are shown, `mistakes.npz` their thumbnails, `images` (n, side,
    side, 3), and where in each the predicted class is seen, `heats` (n, height, width) in [0, 1], where a network has
    maps. `leakage.csv` and `leakage.npz` are the split's.

    `sets.csv` (stated, observed, low, high, classes) has which share of sets of a stated coverage holds the true class,
    and their mean size.
    `risks.csv` (answered, images, risk, low, high) has the share that is wrong of the surest test images.
    `suspects.csv` (file, decision, label, suggested, probability_of_label, probability_of_suggested) has those
    whose label is doubted, and `corrected.json` their number and the scores with the labels that are suggested.

    The fact `fingerprint` is the digest of the classifier, the views that it predicts from and the test images.
    """

    text_columns = (
        "file", "label", "predicted", "group", "class", "other", "other_label", "layer", "output_shape", "suggested",
        "decision",
    )  # fmt: skip
    columns_with_gaps = (
        "precision", "precision_low", "precision_high", "recall", "recall_low", "recall_high", "f1", "f1_low",
        "f1_high",
    )  # fmt: skip
    common_ground: ClassVar = {"fetch"}  # folds have test splits of their own
    of_training: ClassVar = True

    @property
    def examples(self) -> "np.ndarray":
        """The test images in `example.npy`, two or fewer, that go with the model: uint8 (n, size, size, 3)."""
        import numpy as np

        with damage_errors(self.path / "example.npy"):
            return np.load(self.path / "example.npy")

    @property
    def metrics(self) -> dict[str, float]:
        """The numbers of `metrics.json` and of `baselines.json` in one mapping, by name."""
        return {**self.read_values("metrics"), **self.read_values("baselines")}

    @property
    def intervals(self) -> dict[str, list[float]]:
        """The 95 % interval of each test score, by the score's name: its low and its high end."""
        return self.read_values("intervals")


class Comparison(Artifact[ReportFacts]):
    """Reports side by side: `comparison.csv`, `verdict.json` in words, `chosen.json`, the chosen way on validation.

    `comparison.csv` has a row a way, with means over its trainings; `pairs.csv` the tests of every two ways on the same
    test images, `trials.csv` the scores of every report.
    """

    text_columns = ("model", "fingerprint")


class Page(Artifact[ReportFacts]):
    """A comparison to look at: `comparison.html`, which needs nothing else, `comparison.txt`, and the figures.

    `figures/NAME.png` are of the comparison, `figures/REPORT/NAME.png` of each report. `costs.csv` has the seconds, the
    rates and the GPU hours behind each report, empty where no record says them.
    """

    text_columns = ("report", "fingerprint")
