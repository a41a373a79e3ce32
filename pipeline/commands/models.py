"""Commands on models: predicting, ImageNet's words, exporting, promoting."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from components.system.errors import UserError, one_line
from components.system.limits import Names
from components.system.outputs import check_file_path, write_in_one_move
from pipeline.commands.data_sets import Source
from pipeline.commands.words import Assignment, File, Folder, Image, Model, Name, Recipe, read_assignments
from pipeline.places import ARTIFACTS

if TYPE_CHECKING:
    import pandas as pd

    from components.data.artifacts import Report
    from components.model.served import ServedModel
    from pipeline.journal import Results

RightShare = Annotated[float, "SHARE"]
CoverageShare = Annotated[float, "SHARE"]
Format = Annotated[str, "FORMAT", Names("format", ("onnx", "litert"))]
SEPARATOR = " | "  # of the classes of a set
Precision = Annotated[str, "PRECISION", Names("precision", ("float32", "float16", "int8"))]


def predict(
    images: Sequence[Image], *, model: Model, csv: File | None = None, at_least: RightShare | None = None,
    sets: CoverageShare | None = None, watch: bool = False, against: Sequence[Image] = (),
) -> None:  # fmt: skip
    """Print the most probable class of each image, and how probable it is.

    An image that cannot be read is a line on standard error, and exit status 2 after the others. With --watch the exit
    status is 1 if the images are unlike those that the model was validated on.

    Args:
        images: Image files, or folders of them.
        model: The folder of a classifier, a file that `export` wrote, or an address in MLflow: models:/NAME@champion,
            models:/ID, runs:/RUN/model.
        csv: Write the probabilities of all classes to this file. A name that a spreadsheet would run as a formula has
            an apostrophe before it.
        at_least: Answer only where validation promises that this share of the answers is right, as in 0.95; the other
            images are left to a person, and their class is empty.
        sets: Give each image the set of classes that holds the true one with this coverage, as in 0.90, for images like
            those of validation: `set`, the likeliest first.
        watch: Test also whether the images have drifted from the model's validation images: whether its features of
            them differ, and the share of images with low confidence.
        against: Image files, or folders of them, to compare with in --watch, in place of the validation images.

    Raises:
        UserError: Validation does not promise such a share, or states no coverage.
    """
    from components.data.artifacts import PROBABILITY
    from components.data.tables import write_table
    from components.model import file_predictions
    from components.results.delivered import open_model
    from components.scores import conformal
    from pipeline import watching

    if against and not watch:
        raise UserError("--against goes with --watch: give both")
    files = file_predictions.list_files(images)
    if csv:
        check_file_path(csv)
    opened = open_model(model)
    promise = opened.promise(at_least) if at_least is not None else None
    coverage = opened.coverage(sets) if sets is not None else None
    table = prediction_table(opened, files, promise.margin if promise else 0.0, coverage.loss if coverage else None)
    if csv:
        with write_in_one_move(csv) as unfinished:
            write_table(unfinished, table, errors="surrogateescape")  # names of files may be any bytes
    if len(table):
        columns = [name for name in table.columns if not name.startswith(PROBABILITY)]
        lines = table[columns].assign(file=table["file"].map(one_line))
        print(lines.to_string(index=False, float_format="%.4f"))
    if promise:
        left = int((table["predicted"] == "").sum())
        print(f"{promise.sentence} Of these {len(table):,} images {left:,} are left.", file=sys.stderr)
    if coverage and len(table):
        held = conformal.class_sets(table.iloc[:, -len(opened.classes) :].to_numpy(), coverage.loss)
        print(f"{coverage.sentence} Those of these {len(table):,} images have {held.sum(axis=1).mean():.2f} of "
              f"{len(opened.classes)} classes on average.", file=sys.stderr)  # fmt: skip
    is_drifted = watch and watching.watch(model, opened, files, against)
    if is_drifted or len(table) < len(files):
        raise SystemExit(2 if len(table) < len(files) else 1)


def prediction_table(
    model: "ServedModel", files: list[Path], margin: float = 0.0, loss: float | None = None
) -> "pd.DataFrame":
    """Return `file`, `predicted`, `probability`, `unlike`, `set` if asked, and `probability_CLASS` of readable images.

    An image that cannot be read is a line on standard error.

    Args:
        model: The model.
        files: Image files.
        margin: Of images below it `predicted` is empty.
        loss: Log loss up to which a class is in an image's set; None for no sets.

    Returns:
        file, predicted, probability, the share of validation that is less unlike the training images as `unlike`, where
        the model tells, with a loss `set`, and the probability of each class as `probability_CLASS`.
    """
    import pandas as pd

    from components.data.artifacts import PROBABILITY
    from components.model import file_predictions
    from components.scores import abstention, conformal

    names, rows = list[str](), list[list[Any]]()
    for file, prediction in file_predictions.predict_files(model, files):
        if isinstance(prediction, str):
            print(f"{one_line(str(file))} cannot be read ({prediction})", file=sys.stderr)
        else:
            names.append(str(file))
            answer = prediction.probabilities
            is_answered = abstention.margins(answer[None])[0] >= margin
            predicted = model.classes[answer.argmax()] if is_answered else ""
            held = [] if loss is None else map(SEPARATOR.join, conformal.name_sets(answer[None], loss, model.classes))
            rows.append([predicted, float(answer.max()), prediction.unlike, *held, *map(float, answer)])
    columns = [
        "predicted",
        "probability",
        "unlike",
        *([] if loss is None else ["set"]),
        *(PROBABILITY + name for name in model.classes),
    ]
    table = pd.DataFrame(rows, columns=columns)
    table.insert(0, "file", pd.Series(names, dtype=object))  # pandas's own texts have to be UTF-8
    return table if model.unlikeness else table.drop(columns="unlike")


def words(images: Sequence[Image], *, network: Name, csv: File | None = None) -> None:
    """Print the five likeliest ImageNet words of each image, by a pretrained network as it was published.

    The network's weights are those that a recipe has fetched, with the top. An image that cannot be read is a line on
    standard error, and exit status 2 after the others.

    Args:
        images: Image files, or folders of them.
        network: The name of the weights, as in a recipe.
        csv: Write the words and their probabilities to this file, five rows an image. A name that a spreadsheet would
            run as a formula has an apostrophe before it.
    """
    import pandas as pd

    from components.data.artifacts import Weights
    from components.data.tables import write_table
    from components.model import file_predictions
    from components.model.stock import StockNetwork
    from pipeline import recipes
    from pipeline.collection import usable_names
    from pipeline.places import COLLECTIONS

    files = file_predictions.list_files(images)
    if csv:
        check_file_path(csv)
    recipes.require_name("network", network, usable_names(recipes.read(), "weights"))
    stock, tables = StockNetwork(Weights.read(COLLECTIONS["weights"] / network)), list[pd.DataFrame]()
    for file, answer in file_predictions.stock_words(stock, files):
        if isinstance(answer, str):
            print(f"{one_line(str(file))} cannot be read ({answer})", file=sys.stderr)
        else:
            listed = (f"{word} {probability:.2f}" for word, probability in answer.itertuples(index=False))
            print(f"{one_line(str(file))}: {', '.join(listed)}")
            tables.append(answer.assign(file=str(file))[["file", "word", "probability"]])
    if csv:
        with write_in_one_move(csv) as unfinished:
            write_table(unfinished, pd.concat(tables or [pd.DataFrame(columns=["file", "word", "probability"])]),
                        errors="surrogateescape")  # fmt: skip
    if len(tables) < len(files):
        raise SystemExit(2)


def export(
    file: File, *, model: Model, to: Format, precision: Precision = "float32", images: Sequence[Image] = (),
    test: Source | None = None,
) -> None:  # fmt: skip
    """Write a model for ONNX Runtime or LiteRT, with a certificate of what the file predicts.

    The file is kept only if it predicts the validation images as the model does, by a rule that is printed. It is then
    scored once on the test images, which decides nothing. Beside it lie labels.txt, FILE.certificate.json and
    FILE.card.md.

    Args:
        file: The file to write.
        model: The folder of a classifier, or its address in MLflow: models:/NAME@champion, models:/ID, runs:/RUN/model.
        to: The format.
        precision: Of the file's numbers; int8 is calibrated on training images.
        images: Image files, or folders of them, to judge the file on, in place of the validation images.
        test: Labelled images to score the file on, a folder or an archive, where the model's test split is not here.
    """
    from pipeline import shipping

    print("\n".join(shipping.export(model, to, precision, file, images, test or "")))


def evaluate(images: Source, *, model: Model, report: Folder | None = None, set: Sequence[Assignment] = ()) -> None:
    """Score a finished model on new labelled images, and say whether it is worse there than on its own.

    The exit status is 1 if it is: its log loss higher or its accuracy lower, at p < 0.05 corrected for both. The images
    are all scored, and none changes the model.

    Args:
        images: A folder, an archive (tar, tar.gz, zip) or its http(s) address; or a table of labels in such a folder.
        model: The folder of a classifier, a file that `export` wrote, or an address in MLflow: models:/NAME@champion,
            models:/ID, runs:/RUN/model.
        report: Write the report, with all tables, and the page to this folder, which must not be there.
        set: What is not the default of fetch, as in fetch.labels=names or fetch.classes=cat,dog.
    """
    from pipeline import scoring

    is_worse, sentences = scoring.score_new_images(model, images, read_assignments(set), report)
    print("\n".join(f"evaluate: {sentence}" for sentence in sentences))
    if is_worse:
        raise SystemExit(1)


def promote(recipe: Recipe, *, force: Annotated[str, "REASON"] = "") -> None:
    """Register the model that a recipe's comparison chose, and make it champion if it is better.

    The champion is the model to use for a data set, models:/DATA_SET@champion in MLflow. If it stays another one, the
    exit status is 1.

    Args:
        recipe: A recipe that has been run.
        force: Make it champion whatever the comparison with the champion says, for this reason, which is recorded.
    """
    from components.results.tracking import registry
    from pipeline.journal import Results

    results = Results()
    report = chosen_report(recipe, results)
    is_champion, sentences = registry.promote(results.classifier_of(report), report, force)
    print("\n".join(sentences))
    if not is_champion:
        raise SystemExit(1)


def chosen_report(recipe: str, results: "Results") -> "Report":
    """Return the report on the model that a recipe's comparison chose; raise if there is none any more.

    Raises:
        UserError: There is none, or one of another version.
    """
    from components.data.artifacts import Comparison

    chosen = Comparison.read(ARTIFACTS / recipe / "comparison").read_values("verdict").get("chosen")
    if chosen is None:
        raise UserError(f"the comparison of {recipe} is of another version: `dvc repro` makes it anew")
    if recipe in results.unread:
        raise results.unread[recipe]
    report = results.reports.get(chosen["fingerprint"])
    if report is None:
        raise UserError(f"{recipe} has no report any more on what its comparison chose: `dvc repro` compares anew")
    if report.facts.views != "plain" and not report.facts.averaged_views:
        raise UserError(f"{chosen['model']} averages views of another version: `dvc repro` evaluates it anew")
    return report
