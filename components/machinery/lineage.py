"""Lineage: the digest of what a step's outputs are made from, and what they inherit from its inputs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from components.data.artifact import Artifact
from components.data.content import sha256
from components.data.records import Record
from components.machinery import code
from components.machinery.signature import Step
from components.system.errors import UserError, shorten


def inputs_digest(step: Step, inputs: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """Return the digest of everything that determines a step's outputs: inputs, parameters, code, package versions."""
    digests = {
        key: [one.digest for one in taken] if isinstance(taken, list) else taken.digest for key, taken in inputs.items()
    }
    return sha256(step.name, values, digests, code.code_digest(step.name), code.computing_versions(step.name))


def inherited_manifest(step: Step, inputs: Mapping[str, Artifact | list[Artifact]]) -> dict[str, Any]:
    """Return a dictionary of the `facts`, `parameters` and `lineage` that a step's outputs take over from its inputs.

    Records hand on nothing.

    The artifacts of one list are alternatives: they have their kind's common ground, and what else they differ in is
    left out. Only facts that the kind of an output declares are taken over.

    Raises:
        UserError: Two inputs go back to different runs of one step, or contradict each other in a fact, so that they do
            not belong together.
    """
    manifest: dict[str, Any] = {"facts": {}, "parameters": {}, "lineage": {}}
    sources: dict[str, str] = {}  # the input that a fact comes from
    for key, taken in inputs.items():
        artifacts = taken if isinstance(taken, list) else [taken]
        if not artifacts or isinstance(artifacts[0], Record):
            continue
        manifests, ground = [artifact.manifest for artifact in artifacts], type(artifacts[0]).common_ground
        common = {part: agreed_values([one[part] for one in manifests]) for part in manifest}
        for ancestor in dict.fromkeys(ancestor for one in manifests for ancestor in one["lineage"]):
            digest = common["lineage"].get(ancestor)
            if ancestor in ground if digest is None else manifest["lineage"].get(ancestor, digest) != digest:
                raise UserError(f"{step.name}: its inputs go back to different runs of {ancestor}: make them from one")
        common["facts"] = facts_of_kinds(common["facts"], step.outputs.values())
        for name, fact in common["facts"].items():
            other = manifest["facts"].get(name, fact)
            if other != fact:
                raise UserError(
                    f"{step.name}: its inputs contradict each other: {name} is {shorten(other)} in {sources[name]} and "
                    f"{shorten(fact)} in {key}: make them from the same"
                )
            sources[name] = key
        for part, inherited in manifest.items():
            inherited.update(common[part])
    return manifest


def facts_of_kinds(facts: Mapping[str, Any], kinds: Iterable[type[Artifact]]) -> dict[str, Any]:
    """Return those facts that at least one of some kinds of artifacts declares."""
    return {name: fact for name, fact in facts.items() if any(kind.facts_type.declares(name) for kind in kinds)}


def agreed_values(mappings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the entries that at least one mapping has and no other contradicts; to lack one is no contradiction."""
    return {
        key: value
        for one in mappings
        for key, value in one.items()
        if all(other.get(key, value) == value for other in mappings)
    }


def write_manifests(step: Step, outputs: Mapping[str, Artifact]) -> str:
    """Write the manifests of a step's outputs; return the digest of the output, or one digest of all if several.

    Each manifest has its own digest, and in its lineage, for the step, the one that is returned: if several have it,
    they are known to belong together.
    """
    for output in outputs.values():
        output.manifest["digest"] = output.digest or output.content_digest()
    digests = {key: output.digest for key, output in outputs.items()}
    lineage_digest = sha256(digests) if len(digests) > 1 else next(iter(digests.values()))
    for output in outputs.values():
        output.manifest["lineage"][step.name] = lineage_digest
        output.write_manifest()
    return lineage_digest
