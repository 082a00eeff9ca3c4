"""Loading a bundle: found, approved, what the running code is, and warm before it answers.

The rule: nothing runs that was not approved, and nothing takes a request that has not
answered one in private.
"""

from kingpost.decisions.application import Application
from kingpost.decisions.bundle import Bundle, approved_bundle, check_bundle, read_bundle
from kingpost.decisions.errors import NotApproved
from kingpost.decisions.reference import profile_of_bundle
from kingpost.decisions.scorers import ready_model
from kingpost.decisions.served import ServedDecision
from kingpost.records import Role
from kingpost.registry import ArtefactStore, ControlLog

__all__ = ["BundleLoader", "running_bundle"]


def running_bundle(control: ControlLog, decision: str) -> Bundle:
    """Return what runs: the champion of the releases, or the newest approval before any.

    Raises:
        NoModel, NotApproved, NewerDocument: See `approved_bundle`.
        UnknownBundle: The champion is not in the log.
    """
    champion = control.releases(decision).champion
    if not champion:
        return approved_bundle(control, decision)
    return read_bundle(control.bundle(decision, champion))


class BundleLoader:
    """Loads bundles of an application."""

    def __init__(self, application: Application, control: ControlLog, store: ArtefactStore) -> None:
        self._application, self._control, self._store = application, control, store

    def running(self, decision: str) -> ServedDecision:
        """Load what runs, see `running_bundle`.

        Raises:
            KingpostError: As `load`.
        """
        return self.load(decision, running_bundle(self._control, decision).digest, Role.CHAMPION)

    def load(self, decision: str, digest: str, role: Role) -> ServedDecision:
        """Load a bundle, try its model in batches and warm it up.

        Raises:
            UnknownBundle, NotApproved: There is none, or nobody approved it.
            BundleMismatch: It is not what the running code is.
            BadModel: Its model cannot be run.
            ArtefactMissing, ArtefactCorrupt: Its bytes are not there, or were changed.
        """
        bundle = read_bundle(self._control.bundle(decision, digest))
        if all(one.bundle != bundle.digest for one in self._control.approvals(decision)):
            raise NotApproved(decision, bundle.digest)
        declared = self._application.decisions[decision]
        check_bundle(bundle, self._application, declared, self._store)
        profile = profile_of_bundle(self._control, self._store, bundle)
        ready = ready_model(declared, self._store.get(bundle.model), profile)
        return ServedDecision(
            declared,
            bytes.fromhex(bundle.digest),
            bytes.fromhex(bundle.model),
            ready.scorer,
            bundle.threshold,
            role,
            ready.finding.batching,
        )
