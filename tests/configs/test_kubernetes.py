"""The manifests of configs/cluster/kubernetes: valid, and their commands are those of this version."""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from g2p_batch.cli import main

FOLDER = Path(__file__).parents[2] / "configs" / "cluster" / "kubernetes"
VERSION = "1.33"


def documents() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(FOLDER.glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            yield f"{path.stem}/{document['metadata']['name']}", document


DOCUMENTS = dict(documents())
CRON, JOB, GPU = "cronjob/g2p-nightly", "job/g2p-run", "job-gpu/g2p-run"
JOBS = {name: found for name, found in DOCUMENTS.items() if found["kind"] in ("Job", "CronJob")}


def job_of(document: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = document["spec"]
    return spec["jobTemplate"]["spec"] if document["kind"] == "CronJob" else spec


def container_of(document: dict[str, Any]) -> dict[str, Any]:
    (container,) = job_of(document)["template"]["spec"]["containers"]
    return dict(container)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_manifest_is_valid(name: str) -> None:
    assert kubernetes_validate.validate(DOCUMENTS[name], VERSION, strict=True) == VERSION


@pytest.mark.parametrize(
    ("name", "value"), [("completions", "eight"), ("podFailurePolicy", {"rules": [{}]}), ("completionModus", "Indexed")]
)
def test_a_wrong_manifest_is_refused(name: str, value: Any) -> None:
    wrong = deepcopy(DOCUMENTS[JOB])
    wrong["spec"][name] = value
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSION, strict=True)


@pytest.mark.parametrize("name", JOBS)
def test_the_options_are_those_of_the_command_line(name: str) -> None:
    args = [argument.replace("$(JOB_COMPLETION_INDEX)", "7") for argument in container_of(JOBS[name])["args"]]
    if name == CRON:
        words, _folder, *options = args
        args = ["generate", words, "-o", "lexicon.parquet", "--run-dir", "run", *options]
    with main.commands[args[0]].make_context(args[0], args[1:]) as context:
        assert context.params


def test_every_index_does_its_part_and_all_parts_are_done() -> None:
    for name in (JOB, GPU):
        spec, container = job_of(JOBS[name]), container_of(JOBS[name])
        assert spec["completionMode"] == "Indexed"
        assert f"$(JOB_COMPLETION_INDEX)/{spec['completions']}" in container["args"]


@pytest.mark.parametrize("name", JOBS)
def test_what_is_stopped_is_started_again_and_what_is_wrong_is_not(name: str) -> None:
    rules = job_of(JOBS[name])["podFailurePolicy"]["rules"]
    container = container_of(JOBS[name])["name"]
    codes = {
        rule["onExitCodes"]["values"][0]: (rule["action"], rule["onExitCodes"]["containerName"])
        for rule in rules
        if "onExitCodes" in rule
    }
    assert codes == {75: ("Ignore", container), 2: ("FailJob", container)}
    assert rules[0] == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}


def test_a_pod_has_the_time_to_drain_before_it_is_terminated() -> None:
    for name in (JOB, GPU):
        hook = container_of(JOBS[name])["lifecycle"]["preStop"]["exec"]["command"]
        assert hook[-1].startswith("kill -USR1 1;")
        assert job_of(JOBS[name])["template"]["spec"]["terminationGracePeriodSeconds"] >= 60


def test_the_gpu_job_differs_in_what_a_gpu_needs_alone() -> None:
    plain, gpu = deepcopy(JOBS[JOB]), deepcopy(JOBS[GPU])
    del gpu["spec"]["template"]["spec"]["tolerations"]
    (container,) = gpu["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"].pop("nvidia.com/gpu") == 1
    assert container["args"][-4:] == ["--workers", "1", "--device", "cuda"]
    container["args"][-4:] = ["--workers", "4"]
    assert gpu == plain
