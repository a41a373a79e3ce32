"""What results cost: of which steps the seconds are, and what is not known."""

import pytest

from components.data.artifacts import Report
from components.data.records import Record
from components.results.costs import comparison_costs, report_costs, seconds_promised_and_taken
from components.results.page import promise_rows

CHAINS = {
    "benchmark": ["augment", "train_benchmark", "evaluate"],
    "fine_tuned": ["augment", "extract", "train_top", "fine_tune", "evaluate"],
    "ensemble": ["augment", "extract", "train_benchmark", "train_top", "fine_tune", "average", "evaluate"],
}
WORK = {
    "augment": "augmentation", "extract": "extraction", "train_benchmark": "training", "train_top": "training",
    "fine_tune": "training", "average": "training", "evaluate": "evaluation",
}  # fmt: skip


def record(step: str, seconds: float, digest: str = "") -> Record:
    return Record(step, digest or f"{step}'s", work={WORK[step]: {"images": 100, "seconds": seconds, "gpus": 1}})


RECORDS = [record(step, 10**place) for place, step in enumerate(WORK)]


def report(model: str) -> Report:
    chain = CHAINS[model]
    facts = {"model": model, "members": ["benchmark", "fine_tuned"], "epochs": 0 if model == "ensemble" else 4}
    lineage = {step: f"{step}'s" for step in chain}
    return Report("", {"facts": facts, "parameters": {step: {} for step in chain}, "lineage": lineage})


@pytest.mark.parametrize(
    ("model", "seconds"),
    [
        ("benchmark", {"augmentation": 1, "training": 100, "evaluation": 10**6}),
        ("fine_tuned", {"augmentation": 1, "extraction": 10, "start": 10**3, "training": 10**4, "evaluation": 10**6}),
        (
            "ensemble",
            {"augmentation": 1, "extraction": 10, "start": 10**3, "training": 10**4 + 100, "evaluation": 10**6},
        ),
    ],
)
def test_the_price_is_all_that_was_needed_to_make_a_model_and_not_its_evaluation(model, seconds):
    costs = report_costs(report(model), RECORDS)
    price = sum(seconds.values()) - seconds["evaluation"]
    assert {work: costs[f"seconds_{work}"] for work in seconds} == seconds
    assert costs["seconds_total"] == price and costs["gpu_hours"] == price / 3600
    if model == "ensemble":
        assert "seconds_per_epoch" not in costs
    else:
        assert costs["seconds_per_epoch"] == seconds["training"] / 4
    images = 200 if model == "ensemble" else 100
    assert costs["images_per_second_training"] == pytest.approx(images / seconds["training"], abs=0.01)


def test_what_no_record_says_is_left_out_and_so_is_the_sum():
    assert report_costs(report("benchmark"), []) == {}
    costs = report_costs(report("ensemble"), [one for one in RECORDS if one.step != "fine_tune"])
    assert "seconds_training" not in costs and not {"gpu_hours", "seconds_total"} & costs.keys()
    assert costs["seconds_extraction"] == 10


def test_what_two_ways_have_in_common_is_shared_and_what_is_another_s_or_unknown_is_not():
    models = {name: [report(name)] for name in ("benchmark", "fine_tuned", "ensemble")}
    for name, (one,) in models.items():
        one.manifest["facts"]["fingerprint"] = name
    models["ensemble"][0].manifest["lineage"] |= {"augment": "another's"}
    costs = comparison_costs(models, RECORDS)
    assert {name: one.get("seconds_shared") for name, one in costs.items()} == {
        "benchmark": 1, "fine_tuned": 11, "ensemble": None,
    }  # fmt: skip
    assert comparison_costs({"fine_tuned": models["fine_tuned"]}, RECORDS)["fine_tuned"]["seconds_shared"] == 0


def test_a_record_of_another_run_says_nothing():
    others = [record(step, 5, "another's") for step in WORK]
    assert report_costs(report("fine_tuned"), others) == {}
    assert report_costs(report("fine_tuned"), [*others, *RECORDS]) == report_costs(report("fine_tuned"), RECORDS)


def test_what_was_promised_is_for_the_epochs_that_there_were_and_summed_over_trainings():
    promised = {"promised_seconds": 2.0, "promised_per_image": 0.01}
    trainings = [
        Record("fine_tune", str(images), work={"training": {"images": images}}, run={"seconds": 5.0, **promised})
        for images in (100, 300)
    ]
    others = [Record("split", run={"seconds": 1.0}), Record("augment", run={"seconds": 3.0, "promised_seconds": 4.0})]
    kept = seconds_promised_and_taken([*trainings, *others])
    assert kept == {"fine_tune": pytest.approx((8.0, 10.0)), "augment": (4.0, 3.0)}
    assert promise_rows(others) == {"augment": {"promised s": "4.0", "took s": "3.0", "of the promise": "75%"}}
    assert promise_rows(others[:1]) == {}
