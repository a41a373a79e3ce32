"""What the tests of the Kubeflow side share."""

import inspect
import sys
import traceback

import pytest

from components.data.datasets import DATA_SETS
from components.machinery.code import ROOT
from pipeline import cluster, recipes

DIGEST = "sha256:" + 64 * "0"


def filled_in() -> dict:
    """Return params.yaml with a cluster filled in, and other images where a cluster cannot download a recipe's."""
    held = recipes.read(ROOT / "params.yaml")
    held["cluster"] |= {
        "images": {name: f"registry.example.org/graft-{name}@{DIGEST}" for name in cluster.Images.model_fields},
        "tracking": "http://mlflow.graft.svc:5000",
        "environment": {"HTTPS_PROXY": "http://proxy:3128"},
        "service_account": "trainer",
        "image_pull_secrets": ["pull"],
        "secrets": {
            "tracking": {"mlflow": {"MLFLOW_TRACKING_USERNAME": "user", "MLFLOW_TRACKING_PASSWORD": "password"}},
            "collection": {"s3": {"AWS_ACCESS_KEY_ID": "id"}, "git-key": "/home/ssh"},
        },
    }
    held["cluster"]["pools"]["gpu"] |= {"node_selector": {"pool": "a100"}, "volumes": {"scratch": "/scratch"}}
    for recipe in held["recipes"].values():
        if DATA_SETS[recipe["data"]].page:
            recipe["data"] = "digits"
    return held


@pytest.fixture
def content() -> dict:
    return filled_in()


@pytest.fixture(scope="module", autouse=True)
def frames_without_source_lines():
    """Let kfp, which looks at its callers' names a hundred times a pipeline, look at no source lines.

    Frames of a test's process belong to no file, and for each of them Python searches all modules there are.
    """

    def stack() -> list[inspect.FrameInfo]:
        frames = [frame for frame, _ in traceback.walk_stack(sys._getframe(1))]
        return [inspect.FrameInfo(f, f.f_code.co_filename, f.f_lineno, f.f_code.co_name, None, None) for f in frames]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kfp.dsl.pipeline_task.inspect.stack", stack)
        yield
