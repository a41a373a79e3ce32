"""What the tests of the Kubeflow side share."""

import inspect
import sys
import traceback

import pytest


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
