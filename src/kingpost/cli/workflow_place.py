"""Where an installation keeps its workflows, and which ones its application declares.

The rule: DBOS, which takes more than a second to load, is loaded only where the application
declares a workflow, or a retraining, which is one.
"""

from collections.abc import Callable
from typing import Any

from kingpost import workflows
from kingpost.cli.place import data_directory
from kingpost.cli.retraining import retraining_workflows, retrainings_of
from kingpost.core import Settings, SystemClock
from kingpost.decisions import Application
from kingpost.workflows import BadWorkflow, People, Schedule, Workflow

__all__ = [
    "every_workflow",
    "has_workflows",
    "open_workflows",
    "schedules_of",
    "workflow_database",
    "workflows_of",
]


def workflow_database(settings: Settings) -> "workflows.WorkflowDatabase":
    """Return where workflows are kept: the setting `workflow_store`, or a file in `data_dir`.

    Raises:
        WorkflowStoreUnfit: It can keep none.
        PartitionRenamed: See `data_directory`.
    """
    return workflows.WorkflowDatabase(settings.workflow_store or data_directory(settings).workflows)


def workflows_of(application: Application) -> dict[str, Workflow[..., Any]]:
    """Return the workflows that an application's file defines or schedules, by name.

    Raises:
        BadWorkflow: Two of them, or two schedules, have the same name.
    """
    found: dict[str, Workflow[..., Any]] = {}
    named: list[Workflow[..., Any]] = [
        one for one in application.names.values() if isinstance(one, Workflow)
    ]
    scheduled = [one.workflow for one in schedules_of(application).values()]
    for one in (*named, *scheduled):
        if found.setdefault(one.name, one) is not one:
            problem = "two workflows are called so"
            raise BadWorkflow(f"workflow {one.name!r}", problem, "give one of them name=…")
    return found


def every_workflow(
    settings: Settings,
    application: Application,
    people: Callable[[], People | None] = lambda: None,
) -> dict[str, Workflow[..., Any]]:
    """Return the workflows of an application, those of its retrainings among them, by name.

    Args:
        people: Gives the inbox; only who runs them needs one.

    Raises:
        BadWorkflow, ApplicationError: See `workflows_of` and `retrainings_of`.
    """
    return retraining_workflows(settings, application, people) | workflows_of(application)


def has_workflows(application: Application) -> bool:
    """Tell whether there is anything for a worker to run.

    Raises:
        BadWorkflow, ApplicationError: See `workflows_of` and `retrainings_of`.
    """
    return bool(workflows_of(application) or retrainings_of(application))


def schedules_of(application: Application) -> dict[str, Schedule]:
    """Return the schedules that an application's file defines, by name.

    Raises:
        BadWorkflow: Two of them have the same name.
    """
    found: dict[str, Schedule] = {}
    for one in application.names.values():
        if isinstance(one, Schedule) and found.setdefault(one.name, one) is not one:
            problem = "two schedules are called so"
            raise BadWorkflow(f"schedule {one.name!r}", problem, "rename one")
    return found


def open_workflows(settings: Settings, application: Application) -> "workflows.Workflows | None":
    """Open the workflows of all tenants; None where the application declares none.

    Raises:
        BadWorkflow: See `workflows_of`.
        ExtraMissing: The extra `workflows` is not installed.
        WorkflowStoreFailed, WorkflowStoreUnfit: The database cannot be opened.
    """
    declared = every_workflow(settings, application)
    if not declared:
        return None
    return workflows.Workflows(workflow_database(settings), clock=SystemClock(), declared=declared)
