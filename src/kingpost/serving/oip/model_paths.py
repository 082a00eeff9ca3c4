"""Every path of the inference protocols, as one ASGI application."""

from collections.abc import Mapping

from kingpost.serving.http import BodyReader, Receive, Scope, Send
from kingpost.serving.oip.inference import Inference
from kingpost.serving.oip.model_route import Door, ModelRoute
from kingpost.serving.oip.rest import RestRoutes
from kingpost.serving.oip.tf_serving import TfServingRoutes
from kingpost.serving.seen import RequestWatch
from kingpost.serving.settings import ServingSettings

__all__ = ["ModelPaths"]


class ModelPaths:
    """Routes to models, over REST and in TensorFlow Serving's form."""

    def __init__(
        self,
        inference: Inference,
        bodies: BodyReader,
        settings: ServingSettings,
        watch: RequestWatch | None = None,
    ) -> None:
        door = Door(inference, bodies, inference.clock, settings, watch)
        self._rest, self._tf_serving = RestRoutes(door), TfServingRoutes(door)

    @staticmethod
    def has(path: str) -> bool:
        """Tell whether a path is one of theirs."""
        return path == "/v2" or path.startswith(("/v2/", "/v1/models/"))

    def fast_routes(self) -> Mapping[bytes, ModelRoute]:
        """Return the routes that a connection of our own may answer, by their paths."""
        return dict([*self._rest.fast_routes(), *self._tf_serving.fast_routes()])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        is_rest = scope["path"].startswith("/v2")
        await (self._rest if is_rest else self._tf_serving)(scope, receive, send)
