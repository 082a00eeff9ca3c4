"""The inference service: which models there are, and what each transport asks of them.

    inference = Inference(engine.served, shell, health, keys, metrics, clock, settings, guards)
    inference.infer("fraud", None, call, request, told)

It knows no transport: REST, gRPC and TensorFlow Serving's form read their messages into the
same few, and write the same few back.
"""

from collections.abc import Mapping
from importlib import metadata

from kingpost.access import Fields, KeyRing, MissingScope, Principal
from kingpost.core import Clock, KingpostError
from kingpost.decisions import ServedDecision
from kingpost.serving.extraction import ExtractionGuard
from kingpost.serving.health import Health
from kingpost.serving.metrics import Metrics
from kingpost.serving.oip.decision_model import DecisionModel
from kingpost.serving.oip.errors import ModelNotFound, ModelVersionNotFound
from kingpost.serving.oip.messages import (
    Call,
    InferRequest,
    ModelMetadata,
    ServerMetadata,
    Told,
)
from kingpost.serving.oip.raw_model import SUFFIX, RawModel
from kingpost.serving.problems import code_of
from kingpost.serving.settings import ServingSettings
from kingpost.serving.shell import Shell

__all__ = ["EXTENSIONS", "Inference"]

EXTENSIONS = ("binary_tensor_data",)
"""What is taken beyond the protocol's core, by the names that its users know."""


class Inference:
    """Every model that is served, for every transport.

    Attributes:
        models: By name: each decision, and the model behind it unless the decision has an
            exposure.
    """

    def __init__(
        self,
        served: Mapping[str, ServedDecision],
        shell: Shell,
        health: Health,
        keys: KeyRing,
        metrics: Metrics,
        clock: Clock,
        settings: ServingSettings,
        guards: Mapping[str, ExtractionGuard],
    ) -> None:
        self._health, self._keys, self.clock = health, keys, clock
        self.models: dict[str, DecisionModel | RawModel] = {}
        for one in served.values():
            shared = (one, shell, metrics, clock, self._charge)
            guard = guards.get(one.decision.name)
            decision = DecisionModel(*shared, max_waiting=settings.max_waiting, guard=guard)
            self.models[decision.metadata.name] = decision
            if one.decision.exposure is None:  # else its scores are not to be had in full
                model = RawModel(*shared, max_waiting=settings.max_waiting)
                self.models[model.metadata.name] = model
        self._release = metadata.version("kingpost")

    def swap(self, decision: str, served: ServedDecision) -> None:
        """Let another bundle answer for a decision and the model behind it."""
        for name in (decision, decision + SUFFIX):
            self.models[name].swap(served)

    def server(self) -> ServerMetadata:
        """Say what this server is."""
        return ServerMetadata("kingpost", self._release, EXTENSIONS)

    def not_ready(self) -> KingpostError | None:
        """Say why requests should go elsewhere; None when they need not."""
        try:
            self._health.ready()
        except KingpostError as error:
            return error
        return None

    def caller(self, authorization: bytes | None) -> tuple[Principal, Fields]:
        """Return who asks, by the header that says so, and take a request from what it has left.

        Raises:
            RateLimited: It has none left.
            KingpostError: It is not let in; see `KeyRing.check`.
        """
        principal = self._keys.check(authorization)
        if principal.limits is None:
            return principal, ()
        return principal, self._keys.charge(principal, rows=0, cost=0)

    def model(self, name: str, version: str | None) -> DecisionModel | RawModel:
        """Find a model.

        Args:
            version: None or empty for the one that runs.

        Raises:
            ModelNotFound, ModelVersionNotFound: There is no such one.
        """
        model = self.models.get(name)
        if model is None:
            raise ModelNotFound
        runs = model.metadata.versions
        if version and version not in runs:
            raise ModelVersionNotFound(runs[0])
        return model

    def model_metadata(self, name: str, version: str | None) -> ModelMetadata:
        """Say what a model takes and gives; raises as `model` does."""
        return self.model(name, version).metadata

    def permitted(
        self, name: str, version: str | None, principal: Principal
    ) -> DecisionModel | RawModel:
        """Find a model for somebody who wants to ask it.

        Raises:
            ModelNotFound, ModelVersionNotFound: There is no such one.
            MissingScope: The caller may not ask it.
        """
        model = self.model(name, version)
        if not principal.may("decide", model.scope):
            raise MissingScope(f"decide:{model.scope}")
        return model

    def infer(
        self, name: str, version: str | None, call: Call, request: InferRequest, told: Told
    ) -> Fields:
        """Ask a model; the answer is durable before it is told.

        Returns:
            As `ServedModel.infer`.

        Raises:
            KingpostError: The request cannot be taken; nothing was done, and `told` is never
                called.
        """
        return self.permitted(name, version, call.principal).infer(call, request, told)

    def _charge(self, principal: Principal, rows: int, cost: float) -> Fields:
        if principal.limits is None:
            return ()
        return self._keys.charge(principal, requests=0, rows=rows, cost=cost)

    def refused(self, name: str, error: Exception) -> None:
        """Count a request that was not taken."""
        model = self.models.get(name)
        if model is not None:
            model.count_refusal(code_of(error))
