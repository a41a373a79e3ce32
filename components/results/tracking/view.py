"""How MLflow's UI opens on a comparison: a saved view of the runs table, with the scores as its columns and charts."""

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from components.scores.registry import CHOICE, HEADLINE, MAIN, VALIDATION

if TYPE_CHECKING:
    from mlflow import MlflowClient

COLUMNS = [*MAIN, *VALIDATION, "seconds_total"]
OF_WAY = [f"way_{name}" for name in MAIN]  # which the runs of a way have in common, once they are compared
CURVES = (("epoch/loss", "epoch/validation_loss", "epoch/validation_log_loss"), ("epoch/validation_kappa",))


def save_view(client: "MlflowClient", experiment_id: str) -> None:
    """Save the view in an experiment: scores as columns and charts, epoch curves; the best on validation comes first.

    Source: the state that the UI of MLflow 3.17 keeps under the experiment's tag `mlflow.sharedViewState.KEY`; it is
    not documented.
    """
    names = [*OF_WAY, *COLUMNS]
    keys = [f"metrics.`{name}`" for name in names]
    widths = {"attributes.`Run Name`": 180, "runDateAndNestInfo": 136}
    widths |= {key: max(90, 6 * len(name) + 32) for key, name in zip(keys, names, strict=True)}
    sections = (("chosen", "Comparison"), ("rest", "Model metrics"), ("system", "System metrics"))
    state = {
        "searchFilter": "",
        "orderByKey": f"metrics.`{CHOICE}`",
        "orderByAsc": True,
        "selectedColumns": keys,
        "columnOrder": list(widths),
        "columnWidths": widths,
        "compareRunCharts": chart_definitions(),
        "compareRunSections": [{"uuid": key, "name": name, "display": key == "chosen"} for key, name in sections],
    }
    view = {"name": "Comparison", "createdAt": int(time.time() * 1000), "state": json.dumps(state)}
    client.set_experiment_tag(experiment_id, "mlflow.sharedViewState.comparison", json.dumps(view))


def chart_definitions() -> list[dict[str, Any]]:
    """Return the view's charts: bars of each column, lines over epochs, kappa by seconds, parallel coordinates."""
    bars: list[dict[str, Any]] = [{"type": "BAR", "metricKey": name} for name in COLUMNS]
    lines: list[dict[str, Any]] = [
        {"type": "LINE", "metricKey": names[0], "selectedMetricKeys": list(names), "xAxisKey": "step", "range": {}}
        for names in CURVES
    ]
    cost_axes = {"xaxis": "seconds_total", "yaxis": HEADLINE}
    axes = {axis: {"key": name, "type": "METRIC"} for axis, name in cost_axes.items()}
    costs: list[dict[str, Any]] = [
        {"type": "SCATTER", **axes},
        {
            "type": "PARALLEL",
            "selectedParams": ["model_parameters"],
            "selectedMetrics": ["seconds_total", *MAIN],
        },
    ]
    common = {"metricSectionId": "chosen", "runsCountToCompare": 10}
    shared = {"useGlobalXaxisKey": True, "useGlobalLineSmoothing": True}
    charts = [*bars, *({**line, **shared} for line in lines), *costs]
    return [{**chart, **common, "uuid": f"chart-{number}"} for number, chart in enumerate(charts)]


def view_addresses(host: str, experiment_ids: Sequence[str]) -> list[str]:
    """Return the address of the view in each experiment, on a server at this host."""
    page = "{}/#/experiments/{}/runs?viewStateShareKey=comparison&workflowType=machine_learning"
    return [page.format(host.rstrip("/"), experiment) for experiment in experiment_ids]
