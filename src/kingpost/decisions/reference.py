"""The training reference of a bundle: what monitors and explanations compare with.

The rule: it belongs to the model version that the bundle names and is kept among its
artefacts, so it is never that of another model.
"""

from typing import Protocol

from kingpost.decisions.bundle import Bundle, read_bundle
from kingpost.monitoring import Profile, decode_profile
from kingpost.registry import ArtefactStore, ModelVersion, RegisteredBundle, UnknownBundle

__all__ = ["Models", "profile_of", "profile_of_bundle"]


class Models(Protocol):
    """Where bundles and model versions are read, as from a `ControlLog`."""

    def bundle(self, decision: str, digest: str) -> RegisteredBundle:
        """Find a bundle by its digest."""
        ...

    def models(self, name: str) -> tuple[ModelVersion, ...]:
        """Return the versions of a model, oldest first."""
        ...


def profile_of(
    control: Models, store: ArtefactStore, decision: str, bundle: bytes
) -> Profile | None:
    """Return the reference that a bundle's model was trained on.

    Args:
        bundle: Its digest, 32 bytes, as a record has it.

    Returns:
        None when the bundle is not known, or its model is of a time before there were any.

    Raises:
        ArtefactMissing, ArtefactCorrupt: The reference is not what was registered.
        NewerDocument, NewerProfile: A later version of Kingpost wrote it.
    """
    try:
        registered = control.bundle(decision, bundle.hex())
    except UnknownBundle:
        return None
    return profile_of_bundle(control, store, read_bundle(registered))


def profile_of_bundle(control: Models, store: ArtefactStore, bundle: Bundle) -> Profile | None:
    """Return the same of a bundle that was read already."""
    for version in control.models(bundle.model_name):
        if version.number == bundle.model_number and version.artefacts.profile:
            return decode_profile(store.get(version.artefacts.profile))
    return None
