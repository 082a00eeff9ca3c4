"""Models: every version that was registered, and the card of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kingpost.console.errors import PageNotFound
from kingpost.console.running import decision_names
from kingpost.console.visit import Console, Visit
from kingpost.console.wording import Html
from kingpost.decisions import card_digests, read_bundle
from kingpost.registry import ModelVersion

__all__ = ["models_routes"]

_MOST_DIGITS = 9


class _Version(NamedTuple):
    version: ModelVersion
    runs: Sequence[str]


class _Model(NamedTuple):
    name: str
    versions: Sequence[_Version]


@dataclass(frozen=True)
class _Card:
    version: ModelVersion
    runs: Sequence[str]
    others: Sequence[int]
    html: Html
    text: str


def models_routes(console: Console) -> Sequence[Route]:
    """Return the list of models and the page of a version."""

    def models(request: Request) -> Response:
        visit = console.visit(request)
        return visit.page("models.html", _list(visit), title="Models", section="models")

    def model(request: Request) -> Response:
        visit = console.visit(request)
        view = _card(visit, request.path_params["model"], request.path_params["number"])
        title = f"Model {view.version.name} {view.version.number}"
        return visit.page("model.html", view, title=title, section="models")

    return [Route("/models", models), Route("/models/{model}/{number}", model)]


def _list(visit: Visit) -> Sequence[_Model]:
    names: dict[str, None] = {}
    for served in visit.sources.served.values():
        names[served.decision.model.name] = None
    for decision in decision_names(visit):
        for bundle in visit.sources.control.bundles(decision):
            names[read_bundle(bundle).model_name] = None
    runs = _runs(visit)
    return [
        _Model(
            name,
            [
                _Version(one, runs.get((one.name, one.number), ()))
                for one in reversed(visit.sources.control.models(name))
            ],
        )
        for name in names
    ]


def _runs(visit: Visit) -> Mapping[tuple[str, int], Sequence[str]]:
    """Return which decisions each version answers now."""
    found: dict[tuple[str, int], list[str]] = {}
    for name, served in visit.sources.served.items():
        bundle = visit.sources.bundle_of(name, served.bundle)
        if bundle is not None:
            found.setdefault((bundle.model_name, bundle.model_number), []).append(name)
    return found


def _card(visit: Visit, name: str, number: str) -> _Card:
    versions = visit.sources.control.models(name)
    if not number.isascii() or not number.isdigit() or len(number) > _MOST_DIGITS:
        raise PageNotFound("model version")
    version = next((one for one in versions if one.number == int(number)), None)
    if version is None:
        raise PageNotFound("model version")
    card, card_html = _card_digests(visit, version)
    html = visit.sources.artefacts.get(card_html).decode() if card_html else ""
    text = "" if html else visit.sources.artefacts.get(card).decode()
    runs = _runs(visit).get((version.name, version.number), ())
    return _Card(version, runs, [one.number for one in versions], Html(html), text)


def _card_digests(visit: Visit, version: ModelVersion) -> tuple[str, str]:
    for name, served in visit.sources.served.items():
        if served.decision.model.name == version.name:
            return card_digests(visit.sources.control, name, version)
    return version.artefacts.card, version.artefacts.card_html
