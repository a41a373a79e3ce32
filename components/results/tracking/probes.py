"""Runs of probes: one for each candidate and part, known by what came out."""

from components.data.artifacts import Probe
from components.results.tracking import runs, store
from components.results.tracking.store import client

PROBE = "graft.probe"  # digest of its content
MODEL = "probe"


@store.one_line_errors()
@store.repeat_on_conflict
def log_probe(probe: Probe) -> bool:
    """Log a finished probe's scores, parameters and costs as a run; return True, or False if it had a run already.

    Raises:
        UserError: The store does not answer or refuses, or the journal is off.
    """
    return _log_probe(probe, probe.digest)


def log_probe_or_warn(probe: Probe) -> None:
    """Log a probe that its step has just filled; print one line if that fails; nothing if the journal is off."""
    if store.tracking_address() != "off":
        store.attempt(_log_probe, probe, probe.content_digest())


def _log_probe(probe: Probe, digest: str) -> bool:
    """Log a probe whose content has this digest as a run; return True, or False if it had a run already."""
    if runs.find_run(probe.facts.data_set, PROBE, digest):
        return False
    run = runs.create_run(probe, MODEL, {PROBE: digest})
    runs.log_params(run.info.run_id, probe)
    scores = {name: value for name, value in vars(probe.facts).items() if name.startswith("validation_")}
    counts = {"train_images": probe.facts.train_images}
    runs.log_scores(run, scores | counts | runs.work_metrics(probe.record.work))
    client().set_terminated(run.info.run_id, "FINISHED")
    return True
