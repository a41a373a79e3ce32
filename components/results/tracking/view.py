"""How MLflow's UI opens on a comparison: a saved view of the runs table, in ways, with scores as columns and charts."""

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from components.results.tracking.ways import WAY
from components.scores.registry import CHOICE, HEADLINE, MAIN

if TYPE_CHECKING:
    from mlflow import MlflowClient

COLUMNS = [CHOICE, *MAIN, "seconds_total"]
OF_WAY = [f"way_{HEADLINE}{end}" for end in ("", "_low", "_high")]  # alike in the runs of a way, once compared
TABLE = [CHOICE, *OF_WAY, *(f"way_{name}" for name in MAIN if name != HEADLINE), "seconds_total"]
CURVES = (("epoch/loss", "epoch/validation_loss", "epoch/validation_log_loss"), (f"epoch/validation_{HEADLINE}",))
VIEW = "mlflow.sharedViewState.comparison"
MODE = "workflowType=machine_learning"  # of the UI; else a newcomer gets the pages on language models
AXES = 4  # parameters, at most, among the parallel coordinates: more names do not fit
CLOSED_WAYS = 100  # that the view remembers: MLflow shows so many runs at once
NAME_WIDTH = 400  # pixels
CARDS = {"columns": 2, "cardHeight": 280}  # of charts; pixels


def save_view(client: "MlflowClient", experiment_id: str, ways: Sequence[str], parameters: Sequence[str] = ()) -> None:
    """Save the view in an experiment: a row for each way, closed over its trainings, the best on validation first.

    A way's scores are means over its trainings; so are those of the charts, the curves with the range of the trainings.

    Args:
        client: MLflow's client.
        experiment_id: The experiment.
        ways: Ways that it has, besides those that the view knows; by their names.
        parameters: Those of the parallel coordinates; by default those that the view has.

    Source: the state that the UI of MLflow 3.17 keeps under the experiment's tag `mlflow.sharedViewState.KEY`; it is
    not documented.
    """
    saved = json.loads(client.get_experiment(experiment_id).tags.get(VIEW, "{}"))
    earlier = json.loads(saved.get("state", "{}"))
    rows = {f"tag.{WAY}.{way}": False for way in ways}
    rows = {**{row: False for row in earlier.get("groupsExpanded", {}) if row not in rows}, **rows}
    chosen = [*parameters] or earlier.get("parameters", [])
    keys = [f"metrics.`{name}`" for name in TABLE]
    widths = {"attributes.`Run Name`": NAME_WIDTH, "runDateAndNestInfo": 90}
    widths |= {key: max(100, 7 * len(name) + 30) for key, name in zip(keys, TABLE, strict=True)}
    sections = (("chosen", "Comparison"), ("rest", "Model metrics"), ("system", "System metrics"))
    state = {
        "searchFilter": "",
        "orderByKey": f"metrics.`{CHOICE}`",
        "orderByAsc": True,
        "groupBy": {"aggregateFunction": "average", "groupByKeys": [{"mode": "tag", "groupByData": WAY}]},
        "groupsExpanded": dict([*rows.items()][-CLOSED_WAYS:]),
        "selectedColumns": keys,
        "columnOrder": list(widths),
        "columnWidths": widths,
        "compareRunCharts": chart_definitions(chosen),
        "compareRunSections": [
            {"uuid": key, "name": name, "display": key == "chosen", **CARDS} for key, name in sections
        ],
        "parameters": chosen,
    }
    view = {"name": "Comparison", "createdAt": int(time.time() * 1000), "state": json.dumps(state)}
    client.set_experiment_tag(experiment_id, VIEW, json.dumps(view))


def chart_definitions(parameters: Sequence[str]) -> list[dict[str, Any]]:
    """Return the view's charts: bars of each column, lines over epochs, two of costs and choice, parallel coordinates.

    Those of costs are the seconds and the score that validation chooses by, and the seconds and the trainable
    parameters with the headline score as a contour.
    """
    bars: list[dict[str, Any]] = [{"type": "BAR", "metricKey": name} for name in COLUMNS]
    lines: list[dict[str, Any]] = [
        {"type": "LINE", "metricKey": names[0], "selectedMetricKeys": list(names), "xAxisKey": "step", "range": {}}
        for names in CURVES
    ]
    cost_axes = {"xaxis": "seconds_total", "yaxis": CHOICE}
    axes = {axis: {"key": name, "type": "METRIC"} for axis, name in cost_axes.items()}
    costs: list[dict[str, Any]] = [
        {"type": "SCATTER", **axes},
        {
            "type": "CONTOUR",
            "xaxis": {"key": "seconds_total", "type": "METRIC"},
            "yaxis": {"key": "trainable_parameters", "type": "PARAM"},
            "zaxis": {"key": HEADLINE, "type": "METRIC"},
        },
        {
            "type": "PARALLEL",
            "selectedParams": [*parameters][:AXES],
            "selectedMetrics": [CHOICE, HEADLINE],
        },
    ]
    common = {"metricSectionId": "chosen", "runsCountToCompare": 10}
    shared = {"useGlobalXaxisKey": True, "useGlobalLineSmoothing": True}
    charts = [*bars, *({**line, **shared} for line in lines), *costs]
    return [{**chart, **common, "uuid": f"chart-{number}"} for number, chart in enumerate(charts)]


def view_addresses(host: str, experiment_ids: Sequence[str]) -> list[str]:
    """Return the address of the view in each experiment, on a server at this host."""
    page = "{}/#/experiments/{}/runs?viewStateShareKey=comparison&{}"
    return [page.format(host.rstrip("/"), experiment, MODE) for experiment in experiment_ids]
