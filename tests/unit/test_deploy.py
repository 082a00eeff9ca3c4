"""What `deploy/` holds is sound: linted, validated, and of metrics that there are."""

import json
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import kubernetes_validate  # pyright: ignore[reportMissingTypeStubs]  it has none
import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest

from kingpost.core import Settings, SystemClock
from kingpost.serving.job_metrics import job_metrics
from kingpost.serving.metrics import Histogram, Metrics
from kingpost.serving.workflow_counts import WorkflowCounts
from tests.manifests import built
from tests.tiny_app import served

DEPLOY = Path(__file__).parents[2] / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
KUSTOMIZATIONS = ("base", "overlays/gpu", "overlays/jobs", "overlays/scaled")
VERSIONS = ("1.31", "1.34")
OF_PROMETHEUS = {"up"}
kustomizations = pytest.mark.parametrize("name", KUSTOMIZATIONS)


def exposed() -> set[str]:
    """Return the names of all time series that a server exposes."""
    metrics = Metrics(served())
    metrics.watch(lambda: {"payment": 1}, lambda: None, lambda: None)
    metrics.watch_workflows(WorkflowCounts(lambda: {("order", "queued"): 1}, SystemClock()))
    metrics.watch_jobs(partial(job_metrics, (), 0, Histogram((1.0,))))
    registry = CollectorRegistry()
    registry.register(metrics)
    text = generate_latest(registry).decode()
    names = set(re.findall(r"^# TYPE (\w+) (?:gauge|counter)$", text, re.MULTILINE))
    for name in re.findall(r"^# TYPE (\w+) histogram$", text, re.MULTILINE):
        names |= {f"{name}_bucket", f"{name}_sum", f"{name}_count"}
    return names


def names_in(expression: str) -> set[str]:
    """Return the metrics that an expression of PromQL reads."""
    outside = re.sub(
        r"\{[^}]*\}|\[[^\]]*\]|\b(?:by|without|ignoring|on)\s*\([^)]*\)", "", expression
    )
    return set(re.findall(r"\b(?:kingpost_\w+|up)\b", outside))


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DEPLOY / "prometheus/rules.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return json.loads((DEPLOY / "grafana/kingpost.json").read_text())["panels"]


def test_the_dockerfile_has_nothing_to_complain_of() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [hadolint, DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_runs_as_nobody_special_and_from_the_lock() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()

    assert "USER 10001:10001" in lines
    assert any(line.startswith("HEALTHCHECK") for line in lines)
    assert sum("uv sync --locked" in line for line in lines) == 2
    known = {f"KINGPOST_{name.upper()}" for name in vars(Settings())}
    assert set(re.findall(r"KINGPOST_[A-Z_]+", "\n".join(lines))) <= known


@kustomizations
@pytest.mark.parametrize("version", VERSIONS)
def test_manifests_are_valid(name: str, version: str) -> None:
    objects = built(KUBERNETES / name)

    for one in objects.values():
        kubernetes_validate.validate(one, version, strict=True)
    assert {"StatefulSet", "Service", "PodDisruptionBudget", "NetworkPolicy"} <= {
        kind for kind, _ in objects
    }


@kustomizations
def test_pods_are_locked_in_and_bounded(name: str) -> None:
    pod = built(KUBERNETES / name)["StatefulSet", "kingpost"]["spec"]["template"]["spec"]

    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["automountServiceAccountToken"] is False
    for container in (*pod["initContainers"], *pod["containers"]):
        locked = container["securityContext"]
        assert locked["readOnlyRootFilesystem"]
        assert locked["allowPrivilegeEscalation"] is False
        assert locked["capabilities"] == {"drop": ["ALL"]}
        assert {"cpu", "memory"} <= container["resources"]["limits"].keys()
    [server] = pod["containers"]
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= server.keys()
    left_s = pod["terminationGracePeriodSeconds"] - int(
        server["lifecycle"]["preStop"]["exec"]["command"][1]
    )
    assert left_s > Settings().drain_s


def test_the_autoscaler_reads_what_the_adapter_makes_of_real_metrics() -> None:
    scaled = built(KUBERNETES / "overlays/scaled")["HorizontalPodAutoscaler", "kingpost"]["spec"]
    workers = built(KUBERNETES / "overlays/jobs")["HorizontalPodAutoscaler", "kingpost-job-worker"]
    adapter = yaml.safe_load((DEPLOY / "prometheus/adapter.yaml").read_text())["rules"]

    read = {one["pods"]["metric"]["name"] for one in scaled["metrics"]}
    read |= {one["object"]["metric"]["name"] for one in workers["spec"]["metrics"]}
    assert read == {one["name"]["as"] for one in adapter}
    for one in adapter:
        assert names_in(one["metricsQuery"].replace("<<.GroupBy>>", "pod")) <= exposed()


def test_workers_of_jobs_ask_the_server_that_leaves_jobs_to_them() -> None:
    objects = built(KUBERNETES / "overlays/jobs")
    [server] = objects["StatefulSet", "kingpost"]["spec"]["template"]["spec"]["containers"]
    pod = objects["Deployment", "kingpost-job-worker"]["spec"]["template"]
    [worker] = pod["spec"]["containers"]
    scaler = objects["HorizontalPodAutoscaler", "kingpost-job-worker"]["spec"]

    assert "--no-jobs" in server["args"]
    assert worker["args"][-1] == "http://" + objects["Service", "kingpost"]["metadata"]["name"]
    assert pod["metadata"]["labels"]["kingpost-client"] == "true"  # the server's policy lets it in
    assert worker["securityContext"] == server["securityContext"]
    [metric] = scaler["metrics"]
    assert ("Service", metric["object"]["describedObject"]["name"]) in objects


def test_every_server_that_may_run_has_its_partition() -> None:
    objects = built(KUBERNETES / "overlays/scaled")
    [server] = objects["StatefulSet", "kingpost"]["spec"]["template"]["spec"]["containers"]
    listed = next(one for one in server["env"] if one["name"] == "KINGPOST_PARTITIONS")["value"]
    most = objects["HorizontalPodAutoscaler", "kingpost"]["spec"]["maxReplicas"]

    found = [name for name, _ in Settings(partitions=listed).partition_directories]
    assert found == [f"kingpost-{number}" for number in range(most)]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
@kustomizations
def test_kustomize_builds_the_same(name: str) -> None:
    done = subprocess.run(
        ["kubectl", "kustomize", KUBERNETES / name], capture_output=True, text=True, check=True
    )

    theirs = {
        (one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(done.stdout)
    }
    assert theirs == built(KUBERNETES / name)


def test_the_dashboard_and_the_alerts_read_metrics_that_there_are() -> None:
    shown = [target["expr"] for panel in panels() for target in panel["targets"]]
    expressions = [*shown, *(rule["expr"] for rule in rules())]

    assert {name for one in expressions for name in names_in(one)} <= exposed() | OF_PROMETHEUS
    assert all(names_in(one) for one in expressions)
    assert all(one.count("(") == one.count(")") for one in expressions)


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    alerts = [rule for rule in rules() if "alert" in rule]

    assert len(alerts) >= 5
    for alert in alerts:
        assert alert["labels"]["severity"] in ("page", "ticket")
        assert {"summary", "description"} <= alert["annotations"].keys()


def test_compose_has_a_health_check_a_version_and_no_password() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    services = yaml.safe_load(text)["services"]

    assert {"kingpost", "postgres", "redis", "nats"} <= services.keys()
    for name, one in services.items():
        if name == "kingpost":
            assert one["read_only"]
            assert one["cap_drop"] == ["ALL"]
            continue
        assert re.fullmatch(r"[\w/.-]+:v?\d[\w.-]*", one["image"])
        if not one.get("profiles"):
            assert "healthcheck" in one
        assert all(
            ":" not in port or port.startswith("127.0.0.1:") for port in one.get("ports", [])
        )
    assert not re.search(r"PASSWORD: (?!\$\{\w+:\?)", text)
    assert not re.search(r"://\w*:(?!\$\{)[^@/\s]+@", text)
