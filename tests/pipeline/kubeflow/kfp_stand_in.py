"""A stand-in for the API server of Kubeflow Pipelines, on 127.0.0.1; it runs nothing.

It parses each pipeline into the protobufs, and each request into the API's models, without a field left over, and keeps
the real server's rules that matter to a client: names, references, parameters, namespaces, what it answers and how.

Source: backend/src/apiserver of github.com/kubeflow/pipelines: template/v2_template.go, server/, validation/length.go.
"""

import json
import logging
import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import kfp_server_api as api
import yaml
from flask import Flask, Response, jsonify, redirect, request
from google.protobuf import json_format
from kfp.kubernetes.kubernetes_executor_config_pb2 import KubernetesExecutorConfig
from kfp.pipeline_spec.pipeline_spec_pb2 import ParameterType, PipelineDeploymentConfig, PipelineSpec, PlatformSpec
from werkzeug.serving import make_server
from werkzeug.wrappers import Response as BaseResponse

logging.getLogger("werkzeug").setLevel(logging.CRITICAL)

PREFIX = "/pipeline/apis/v2beta1"  # the interface's path, as in a whole Kubeflow, and then the API's
PYTHON: dict[str, type | tuple[type, ...]] = {
    "NUMBER_DOUBLE": (int, float),
    "NUMBER_INTEGER": (int, float),
    "STRING": str,
    "BOOLEAN": bool,
    "LIST": list,
}
CLIENT = api.ApiClient()


class Refusal(Exception):
    """An answer with an HTTP status and gRPC's code for it."""

    def __init__(self, message: str, status: int = 400, code: int = 3):
        super().__init__(message)
        self.message, self.status, self.code = message, status, code


def parsed(document: Any, kind: Any, noun: str) -> Any:
    try:
        return json_format.ParseDict(document, kind())
    except json_format.ParseError as error:
        raise Refusal(f"Invalid input error: invalid {noun}: {error}") from error


def check_dag(spec: PipelineSpec, executors: Iterable[str]) -> None:
    """Check that each component is there, and for each task of it what it depends on."""
    for component in (spec.root, *spec.components.values()):
        if component.executor_label and component.executor_label not in executors:
            raise Refusal(f"Invalid input error: no executor {component.executor_label}")
        for task in component.dag.tasks.values():
            if task.component_ref.name not in spec.components:
                raise Refusal(f"Invalid input error: no component {task.component_ref.name}")
            if unknown := set(task.dependent_tasks) - set(component.dag.tasks):
                raise Refusal(f"Invalid input error: no tasks {unknown}")
            taken = spec.components[task.component_ref.name].input_definitions
            if unknown := set(task.inputs.parameters) - set(taken.parameters):
                raise Refusal(f"Invalid input error: no parameters {unknown}")
            if unknown := set(task.inputs.artifacts) - set(taken.artifacts):
                raise Refusal(f"Invalid input error: no artifacts {unknown}")


def read_pipeline(text: str) -> tuple[PipelineSpec, PlatformSpec]:
    """Return the pipeline, and what its second document says of Kubernetes."""
    spec, platform = None, PlatformSpec()
    try:
        documents = [document for document in yaml.load_all(text, yaml.CSafeLoader) if document]
    except yaml.YAMLError as error:
        raise Refusal(f"Invalid input error: unable to decode yaml document: {error}") from error
    for document in documents:
        if "platforms" in document:
            platform = parsed(document, PlatformSpec, "platform spec")
        else:
            spec = parsed(document, PipelineSpec, "v2 pipeline spec")
    if spec is None:
        raise Refusal("Invalid input error: no pipeline spec is provided")
    if spec.schema_version != "2.1.0":
        raise Refusal(f"KFP only supports schema version 2.1.0, but the pipeline spec has {spec.schema_version}")
    check_name(spec.pipeline_info.name)
    if not spec.HasField("root"):
        raise Refusal("Invalid input error: invalid v2 pipeline spec: root component is empty")
    deployment = parsed(json_format.MessageToDict(spec.deployment_spec), PipelineDeploymentConfig, "deployment spec")
    check_dag(spec, deployment.executors)
    for name, settings in platform.platforms["kubernetes"].deployment_spec.executors.items():
        parsed(json_format.MessageToDict(settings), KubernetesExecutorConfig, "platform spec")
        if name not in deployment.executors:
            raise Refusal(f"Invalid input error: no executor {name}")
    return spec, platform


def check_name(name: str) -> None:
    if not re.fullmatch("[a-z0-9][a-z0-9-]{0,127}", name):
        raise Refusal(
            "Invalid input error: pipeline's name must contain only lowercase alphanumeric characters or '-' and must "
            "start with alphanumeric characters"
        )


def received(kind: str) -> Any:
    """Return the request's body as a model of the API, whole."""
    content = request.get_json()
    model = CLIENT._ApiClient__deserialize(content, kind)
    if CLIENT.sanitize_for_serialization(model) != content:
        raise Refusal(f"proto: unknown field in {dict(sorted(content.items()))}")
    return model


def found(things: dict[str, Any], identifier: str) -> Any:
    if identifier not in things:
        raise Refusal(f"ResourceNotFoundError: {identifier} not found.", 404, 5)
    return things[identifier]


def filtered(things: Iterable[Any]) -> list[Any]:
    """Return those things that the request's filter and namespace let through."""
    wanted = json.loads(request.args.get("filter", "{}")).get("predicates", [])
    for predicate in wanted:
        if predicate["operation"] not in (1, "EQUALS") or predicate["key"] != "display_name":
            raise Refusal(f"Invalid input error: Invalid filter: {predicate}")
    return [one for one in things if all(one.display_name == predicate["stringValue"] for predicate in wanted)]


class StandIn:
    """The server, and what it holds: `runs` and the like by identifier, `specs` by that of the pipeline's version.

    Attributes:
        host: its address, as given to a client.
        headers: of the last request.
        asked: "METHOD /path" of each request.
        token: what requests must bear, else 401.
        cookies: what requests must bring, else they are sent on to a page to sign in.
        multi_user: whether each experiment needs a namespace.
        namespaces: of Kubernetes, in which a run of several users may be.
        run_refusal: with which it refuses runs, if it does.
        states: of each run, one for each time that it is looked at; the last stays.
        plan: called before each request with its number, from 0: None lets it through, a number is the status of the
            answer, a Refusal is raised, "cut" breaks off without one, "hang" waits with it, other text is its body.
    """

    def __init__(self) -> None:
        self.host = ""
        self.token = self.cookies = ""
        self.multi_user = False
        self.namespaces = ["one", "two"]
        self.run_refusal: Refusal | None = None
        self.states = ["PENDING", "RUNNING", "SUCCEEDED"]
        self.plan: Callable[[int], int | str | Refusal | None] = lambda number: None
        self.asked: list[str] = []
        self.headers: dict[str, str] = {}
        self.pipelines: dict[str, api.V2beta1Pipeline] = {}
        self.versions: dict[str, api.V2beta1PipelineVersion] = {}
        self.specs: dict[str, tuple[PipelineSpec, PlatformSpec]] = {}
        self.experiments: dict[str, api.V2beta1Experiment] = {}
        self.runs: dict[str, api.V2beta1Run] = {}
        self.looks: dict[str, int] = {}
        self.released = threading.Event()
        self.app = Flask(__name__)
        self.app.before_request(self.receive)
        self.app.register_error_handler(Refusal, self.refuse)
        for method, rule, view in (
            ("GET", "/healthz", self.healthz),
            ("GET", "/pipelines", self.list_pipelines),
            ("POST", "/pipelines", self.create_pipeline),
            ("POST", "/pipelines/upload", self.upload_pipeline),
            ("POST", "/pipelines/upload_version", self.upload_version),
            ("GET", "/pipelines/<identifier>", lambda identifier: found(self.pipelines, identifier)),
            ("DELETE", "/pipelines/<identifier>", self.delete_pipeline),
            ("GET", "/pipelines/<pipeline>/versions", self.list_versions),
            ("GET", "/pipelines/<pipeline>/versions/<identifier>", self.get_version),
            ("DELETE", "/pipelines/<pipeline>/versions/<identifier>", self.delete_version),
            ("GET", "/experiments", self.list_experiments),
            ("POST", "/experiments", self.create_experiment),
            ("GET", "/experiments/<identifier>", lambda identifier: found(self.experiments, identifier)),
            ("DELETE", "/experiments/<identifier>", self.delete_experiment),
            ("POST", "/runs", self.create_run),
            ("GET", "/runs/<identifier>", self.get_run),
        ):
            self.app.add_url_rule(PREFIX + rule, f"{method} {rule}", self.answered(view), methods=[method])

    @contextmanager
    def running(self, **options: Any) -> Iterator["StandIn"]:
        """Answer until the context ends; `ssl_context` and the like go to werkzeug's `make_server`."""
        server = make_server("127.0.0.1", 0, self.app, threaded=True, **options)
        scheme = "https" if options.get("ssl_context") else "http"
        self.host = f"{scheme}://localhost:{server.port}/pipeline"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            self.released.set()
            server.shutdown()
            thread.join()
            server.server_close()

    def receive(self) -> BaseResponse | None:
        action = self.plan(len(self.asked))
        self.asked.append(f"{request.method} {request.path.removeprefix(PREFIX)}")
        self.headers = dict(request.headers)
        if action == "hang":
            self.released.wait()
        if action == "cut":
            request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        if isinstance(action, Refusal):
            raise action
        if isinstance(action, int):
            return Response("<html>an error of the proxy</html>", action)
        if action is not None:
            return Response(action, mimetype="application/json" if action.startswith("{") else "text/html")
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            raise Refusal(f"Unauthenticated: {request.headers.get('Authorization')}", 401, 16)
        if self.cookies and request.headers.get("Cookie") != self.cookies:
            return redirect("https://sign.in/dex/auth?state=hidden-state")
        return None

    @staticmethod
    def refuse(refusal: Refusal) -> tuple[dict[str, Any], int]:
        said = refusal.message
        if request.path.startswith(f"{PREFIX}/pipelines/upload"):
            return {"error_message": said, "error_details": said}, refusal.status
        return {"error": said, "code": refusal.code, "message": said, "details": []}, refusal.status

    @staticmethod
    def answered(view: Callable[..., Any]) -> Callable[..., Response]:
        return lambda **given: jsonify(CLIENT.sanitize_for_serialization(view(**given)))

    def namespace(self, given: str | None) -> str:
        return (given or "") if self.multi_user else ""

    def healthz(self) -> api.V2beta1GetHealthzResponse:
        return api.V2beta1GetHealthzResponse(multi_user=self.multi_user)

    def list_pipelines(self) -> api.V2beta1ListPipelinesResponse:
        namespace = self.namespace(request.args.get("namespace"))
        listed = filtered(one for one in self.pipelines.values() if one.namespace == namespace)
        return api.V2beta1ListPipelinesResponse(pipelines=listed or None, total_size=len(listed))

    def add_pipeline(self, name: str, namespace: str | None, description: str | None) -> api.V2beta1Pipeline:
        namespace = self.namespace(namespace)
        if not name or len(name) > 128:
            raise Refusal("Invalid input error: Pipeline.Name length cannot exceed 128" if name else "name is required")
        if any((one.display_name, one.namespace) == (name, namespace) for one in self.pipelines.values()):
            raise Refusal(f"Already exist error: The name {name} already exist. Please specify a new name.", 409, 6)
        pipeline = api.V2beta1Pipeline(
            pipeline_id=str(uuid4()),
            display_name=name,
            name=name,
            namespace=namespace,
            description=description,
            created_at=datetime.now(UTC),
        )
        self.pipelines[pipeline.pipeline_id] = pipeline
        return pipeline

    def create_pipeline(self) -> api.V2beta1Pipeline:
        given = received("V2beta1Pipeline")
        return self.add_pipeline(given.display_name or given.name, given.namespace, given.description)

    def uploaded(self) -> tuple[PipelineSpec, PlatformSpec]:
        file = request.files["uploadfile"]
        if not (file.filename or "").endswith((".yaml", ".yml")):
            raise Refusal("Failed to read a pipeline spec file")
        return read_pipeline(file.read().decode())

    def add_version(self, pipeline_id: str, name: str, specs: tuple[PipelineSpec, PlatformSpec]) -> Any:
        if len(name) > 127:
            raise Refusal("Invalid input error: PipelineVersion.Name length cannot exceed 127")
        if any((one.pipeline_id, one.name) == (pipeline_id, name) for one in self.versions.values()):
            raise Refusal("Failed to create a pipeline version", 409, 6)
        version = api.V2beta1PipelineVersion(
            pipeline_id=pipeline_id,
            pipeline_version_id=str(uuid4()),
            display_name=name,
            name=name,
            description=request.args.get("description"),
            created_at=datetime.now(UTC),
        )
        self.versions[version.pipeline_version_id], self.specs[version.pipeline_version_id] = version, specs
        return version

    def upload_pipeline(self) -> api.V2beta1Pipeline:
        specs, name = self.uploaded(), request.args["name"]
        pipeline = self.add_pipeline(name, request.args.get("namespace"), request.args.get("description"))
        self.add_version(pipeline.pipeline_id, name, specs)
        return pipeline

    def upload_version(self) -> api.V2beta1PipelineVersion:
        specs = self.uploaded()
        return self.add_version(
            found(self.pipelines, request.args["pipelineid"]).pipeline_id, request.args["name"], specs
        )

    def list_versions(self, pipeline: str) -> api.V2beta1ListPipelineVersionsResponse:
        listed = filtered(one for one in self.versions.values() if one.pipeline_id == pipeline)
        return api.V2beta1ListPipelineVersionsResponse(pipeline_versions=listed or None, total_size=len(listed))

    def get_version(self, pipeline: str, identifier: str) -> api.V2beta1PipelineVersion:
        version = found(self.versions, identifier)
        return found({version.pipeline_id: version}, pipeline)

    def delete_pipeline(self, identifier: str) -> dict[str, Any]:
        if any(version.pipeline_id == identifier for version in self.versions.values()):
            raise Refusal(f"Invalid input error: pipeline {identifier} has versions, and cascade is false")
        del self.pipelines[found(self.pipelines, identifier).pipeline_id]
        return {}

    def delete_version(self, pipeline: str, identifier: str) -> dict[str, Any]:
        del self.versions[self.get_version(pipeline, identifier).pipeline_version_id]
        return {}

    def delete_experiment(self, identifier: str) -> dict[str, Any]:
        del self.experiments[found(self.experiments, identifier).experiment_id]
        return {}

    def experiment_namespace(self, given: str | None) -> str:
        if self.multi_user and not given:
            raise Refusal("Invalid input error: An experiment cannot have an empty namespace in multi-user mode")
        return self.namespace(given)

    def list_experiments(self) -> api.V2beta1ListExperimentsResponse:
        namespace = self.experiment_namespace(request.args.get("namespace"))
        listed = filtered(one for one in self.experiments.values() if one.namespace == namespace)
        return api.V2beta1ListExperimentsResponse(experiments=listed or None, total_size=len(listed))

    def create_experiment(self) -> api.V2beta1Experiment:
        experiment = received("V2beta1Experiment")
        experiment.namespace = self.experiment_namespace(experiment.namespace)
        if not 0 < len(experiment.display_name) <= 128:
            raise Refusal("Invalid input error: Experiment.Name length cannot exceed 128, nor be 0")
        experiment.experiment_id, experiment.created_at = str(uuid4()), datetime.now(UTC)
        self.experiments[experiment.experiment_id] = experiment
        return experiment

    def create_run(self) -> api.V2beta1Run:
        run = received("V2beta1Run")
        if not run.display_name:
            raise Refusal("Invalid input error: The run name is empty. Please specify a valid name")
        found(self.experiments, run.experiment_id)
        reference = run.pipeline_version_reference
        version = self.get_version(reference.pipeline_id, reference.pipeline_version_id)
        spec, _ = self.specs[version.pipeline_version_id]
        check_parameters(spec, run.runtime_config.parameters)
        namespace = self.experiments[run.experiment_id].namespace
        if namespace and namespace not in self.namespaces:
            said = f'InternalServerError: Failed to create a workflow for (): namespaces "{namespace}" not found'
            raise Refusal(said, 500, 13)
        if self.run_refusal:
            raise self.run_refusal
        run.run_id, run.created_at, run.state = str(uuid4()), datetime.now(UTC), "PENDING"
        run.service_account = run.service_account or "pipeline-runner"
        run.storage_state, run.scheduled_at = "AVAILABLE", run.created_at
        run.finished_at = datetime.fromtimestamp(0, UTC)  # as long as it has not ended
        self.runs[run.run_id] = run
        return run

    def get_run(self, identifier: str) -> api.V2beta1Run:
        """Return a run in its next state, with the nodes that the real server lists, as 2.17 does.

        Each node of Argo's graph is there twice, as it is retried; what the launcher notes for its cache has no name.
        """
        run = found(self.runs, identifier)
        look = self.looks[identifier] = self.looks.get(identifier, -1) + 1
        run.state = self.states[min(look, len(self.states) - 1)]
        run.state_history = [api.V2beta1RuntimeStatus(update_time=datetime.now(UTC), state=run.state)]
        run.error = api.GoogleRpcStatus(code=2, message="a task failed") if run.state == "FAILED" else None
        tasks = self.specs[run.pipeline_version_reference.pipeline_version_id][0].root.dag.tasks
        names = ["graft-s9j8v", "root-driver", "root"]
        names += [name for task in tasks for name in (f"{task}-driver", task, "executor")]
        details = [
            api.V2beta1PipelineTaskDetail(
                display_name=name, state=run.state, state_history=run.state_history,
                child_tasks=None if name == "executor(0)" else [api.PipelineTaskDetailChildTask(pod_name="a-pod")],
            )
            for node in names for name in (node, f"{node}(0)")
        ]  # fmt: skip
        if run.state not in ("PENDING", "RUNNING"):
            details += [api.V2beta1PipelineTaskDetail(execution_id="3") for _ in tasks]
        for detail in details:
            detail.run_id, detail.task_id = identifier, str(uuid4())
            detail.create_time = detail.start_time = detail.end_time = datetime.now(UTC)
        details.sort(key=lambda detail: detail.task_id)
        run.run_details = api.V2beta1RunDetails(task_details=details)
        return run


def check_parameters(spec: PipelineSpec, given: dict[str, Any]) -> None:
    """Check that a run's parameters are those of the pipeline."""
    wanted = spec.root.input_definitions.parameters
    for name, value in given.items():
        if name not in wanted:
            raise Refusal(f"Invalid input error: parameter {name} provided is not required by the pipeline")
        kind = ParameterType.ParameterTypeEnum.Name(wanted[name].parameter_type)
        if not isinstance(value, PYTHON.get(kind, dict)) or (isinstance(value, bool) and kind != "BOOLEAN"):
            raise Refusal(f"Invalid input error: input parameter {name} requires type {kind}, received {value!r}")
    for name, parameter in wanted.items():
        if name not in given and not parameter.is_optional and not parameter.HasField("default_value"):
            raise Refusal(f"Invalid input error: parameter {name} is not optional, yet has neither default nor value")
