"""On-demand views as row functions, and feature services as lists with a request.

A service becomes the list for `@kp.decision(features=…)` and the event type of its
request: the keys it looks up by and the values that come with it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kingpost.integrations.feast.declarations import (
    Call,
    Declarations,
    EventType,
    NameAllocator,
    RowFunction,
    ServiceList,
    chain_text,
    identifier,
    literal,
)
from kingpost.integrations.feast.functions import RowExpression, row_expressions
from kingpost.integrations.feast.model import (
    FeatureView,
    OnDemandView,
    Projection,
    RequestSource,
    Service,
    ValueKind,
)
from kingpost.integrations.feast.names import Names
from kingpost.integrations.feast.report import Line, Reason, Report
from kingpost.integrations.feast.row_syntax import Parameter, Unturned
from kingpost.integrations.feast.views import DeclaredView

__all__ = ["ServiceMapper"]

_INFINITE = Reason(
    "a division by zero, or the logarithm of 0, has no value here (NaN); pandas gives infinity",
    "nothing to do if the model takes NaN; else write the case out",
)
_BY_HAND = "write it as a `@kp.feature` function of one row; its source is quoted at the end"


@dataclass
class _Needs:
    """What features read, for the request and the list of a service."""

    keys: dict[str, ValueKind] = field(default_factory=dict[str, ValueKind])
    fields: dict[str, ValueKind] = field(default_factory=dict[str, ValueKind])
    looked_up: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    functions: list[str] = field(default_factory=list[str])

    def add(self, other: "_Needs") -> None:
        """Add what another one needs."""
        self.keys |= other.keys
        self.fields |= other.fields
        for view, features in other.looked_up.items():
            held = self.looked_up.setdefault(view, [])
            held += [one for one in features if one not in held]
        self.functions += [one for one in other.functions if one not in self.functions]


@dataclass(frozen=True)
class _Output:
    """An on-demand feature that was declared."""

    function: str
    kind: ValueKind
    needs: _Needs


@dataclass(frozen=True)
class _Origin:
    """Where an input comes from."""

    parameter: Parameter
    needs: _Needs


class ServiceMapper:
    """Turns on-demand views and services into declarations, after the views."""

    def __init__(
        self,
        views: Mapping[str, DeclaredView],
        source_names: Names,
        names: NameAllocator,
        made: Declarations,
        report: Report,
    ) -> None:
        self._views, self._source_names = views, source_names
        self._names, self._made, self._report = names, made, report
        self._outputs: dict[str, dict[str, _Output]] = {}
        self._requested: dict[str, list[str]] = {}

    def declare_on_demand(self, view: OnDemandView) -> None:
        """Declare what can be of an on-demand view, a function per output."""
        if view.name in self._outputs:
            self._report.missing(
                "on-demand view", view.name, view.at, "another view has this name",
                "give one of the two another name",
            )  # fmt: skip
            return
        made = self._outputs[view.name] = {}
        origins = self._origins(view)
        turned = self._turned(view, origins)
        for one in view.fields:
            name = f"{view.name}:{one.name}"
            value = turned.get(one.name)
            if one.kind in (None, "str"):
                self._report.missing(
                    "on-demand feature", name, one.at, f"is {one.dtype}, and a feature is a number",
                    "write it where it is used, or as a code",
                )  # fmt: skip
            elif isinstance(value, RowExpression):
                made[one.name] = self._function(view, one.name, one.kind, value, origins)
                function = made[one.name].function
                checks = (_INFINITE,) if value.may_fail else ()
                self._report.expressed("on-demand feature", name, one.at, function, checks)
            elif value is not None:
                what = value.what if value.at.file == one.at.file else f"{value.at}: {value.what}"
                at = value.at if value.at.file == one.at.file else one.at
                self._report.missing("on-demand feature", name, at, what, _BY_HAND)
        missing = [one.name for one in view.fields if one.name not in made]
        if view.function is not None and missing:
            self._made.left_out += [
                f"on-demand view {view.name!r}, {view.at}: {', '.join(missing)}",
                *("  " + line for line in view.function.source.split("\n")),
                "",
            ]
        if made:
            became = ", ".join(one.function for one in made.values())
            self._report.expressed("on-demand view", view.name, view.at, became, view.checks)
        else:
            self._report.missing(
                "on-demand view", view.name, view.at, "none of its features could be expressed",
                "see its features",
            )  # fmt: skip

    def _turned(
        self, view: OnDemandView, origins: Mapping[str, _Origin]
    ) -> dict[str, RowExpression | Unturned]:
        outputs = [one.name for one in view.fields]
        if view.function is None:
            return {}
        try:
            if view.mode not in ("pandas", "python"):
                raise Unturned(view.at, f"its mode is {view.mode!r}")
            return row_expressions(
                view.function,
                {name: origin.parameter for name, origin in origins.items()},
                outputs,
                self._source_names,
                by_row=view.mode == "python" and view.singleton,
            )
        except Unturned as error:
            return dict.fromkeys(outputs, error)
        except RecursionError:
            return dict.fromkeys(outputs, Unturned(view.at, "is nested too deeply"))

    def _origins(self, view: OnDemandView) -> dict[str, _Origin]:
        """Return each input by the names that the function may use for it."""
        found: dict[str, _Origin] = {}
        for one in view.inputs:
            if isinstance(one, RequestSource):
                for value in one.fields:
                    if value.kind is not None:
                        name = identifier(value.name)
                        needs = _Needs(fields={name: value.kind})
                        found[value.name] = _Origin(Parameter(name, value.kind), needs)
            elif isinstance(one.view, FeatureView):
                found |= self._origins_of_view(one)
            else:
                for name, output in self._outputs.get(one.view.name, {}).items():
                    parameter = Parameter(output.function, output.kind)
                    found[name] = _Origin(parameter, output.needs)
        return found

    def _origins_of_view(self, one: Projection) -> dict[str, _Origin]:
        declared = self._views.get(one.view.name)
        if declared is None:
            return {}
        found: dict[str, _Origin] = {}
        for name, feature in declared.features.items():
            if one.features is None or name in one.features:
                needs = _Needs(dict(declared.keys), {}, {one.view.name: [name]})
                origin = _Origin(Parameter(feature, "float"), needs)
                found[name] = found[f"{one.view.name}__{name}"] = origin
        for key, kind in declared.keys.items():
            found.setdefault(key, _Origin(Parameter(key, kind), _Needs(keys={key: kind})))
        return found

    def _function(
        self,
        view: OnDemandView,
        output: str,
        kind: ValueKind,
        value: RowExpression,
        origins: Mapping[str, _Origin],
    ) -> _Output:
        name = self._names.take(output, f"{view.name}_{output}")
        expression, returns = value.text, "float"
        if kind == "bool":
            returns = "bool"
            if not value.is_truth:
                expression = f"bool({expression})"
        needs = _Needs()
        used = {parameter.name for parameter in value.parameters}
        for origin in origins.values():
            if origin.parameter.name in used:
                needs.add(origin.needs)
        needs.functions.append(name)
        shared = (f"Feast on-demand view {view.name!r}, {view.at}", *view.about)
        first = not self._outputs[view.name]
        self._made.body.append(
            RowFunction(
                name,
                tuple((one.name, one.kind) for one in value.parameters),
                returns,
                expression,
                shared if first else (),
                value.needs_math,
            )
        )
        return _Output(name, "bool" if kind == "bool" else "float", needs)

    def declare_service(self, service: Service) -> None:
        """Declare a service: its request and the list of its features."""
        for name, at, reason in service.problems:
            self._report.missing("service feature", f"{service.name}:{name}", at, *reason)
        asked, checks = _Needs(), list[Reason]()
        for one in service.features:
            self._ask(service, one, asked)
        if not (asked.looked_up or asked.functions):
            self._report.missing(
                "feature service", service.name, service.at, "none of its features was expressed",
                "see its features",
            )  # fmt: skip
            return
        whole = _Needs()
        whole.add(asked)
        for outputs in self._outputs.values():
            for output in outputs.values():
                if output.function in asked.functions:
                    whole.add(output.needs)
        features = list(self._listed(asked, whole, checks))
        request = self._request(service.name, whole, service.at)
        variable = self._names.take(service.name, f"{service.name}_features")
        comments = (f"Feast feature service {service.name!r}, {service.at}", *service.about)
        self._made.body.append(ServiceList(variable, tuple(features), comments))
        clash = sorted(_repeated(self._feature_names(whole)))
        if clash:
            checks.append(
                Reason(
                    f"{', '.join(clash)} is the name of features of two views",
                    "take one of the two, or give the key field of one view another name",
                )
            )
        became = f"{variable}, {request}"
        self._report.expressed("feature service", service.name, service.at, became, checks)

    def _ask(self, service: Service, one: Projection, asked: _Needs) -> None:
        name = f"{service.name}:{one.view.name}"
        if isinstance(one.view, OnDemandView):
            outputs = self._outputs.get(one.view.name, {})
            chosen = [key for key in outputs if one.features is None or key in one.features]
            for key in chosen:
                asked.functions.append(outputs[key].function)
            missing = not chosen
            unknown = [key for key in one.features or () if key not in outputs]
        else:
            declared = self._views.get(one.view.name)
            known: Iterable[str] = declared.features if declared else ()
            chosen = [key for key in known if one.features is None or key in one.features]
            unknown = [key for key in one.features or () if key not in chosen]
            missing = not chosen
            if declared and chosen:
                asked.add(_Needs(dict(declared.keys), {}, {one.view.name: chosen}))
        if missing or unknown:
            what = f"{', '.join(unknown) or one.view.name} is not expressed"
            self._report.missing("service feature", name, service.at, what, "see it above")

    def _listed(self, asked: _Needs, whole: _Needs, checks: list[Reason]) -> Iterable[str]:
        """Write the features of a service, each after what it needs."""
        for view, wanted in whole.looked_up.items():
            declared = self._views[view]
            extra = [one for one in wanted if one not in asked.looked_up.get(view, ())]
            if extra:
                checks.append(
                    Reason(
                        f"also lists {', '.join(declared.features[one] for one in extra)}, "
                        "which an on-demand feature reads",
                        "a model takes every listed feature; nothing to do if it may",
                    )
                )
            if not declared.selectable or set(wanted) == set(declared.features):
                yield from declared.groups
            else:
                keys = tuple(map(literal, declared.keys))
                fields = [literal(declared.selectable[one]) for one in wanted]
                latest = Call("latest", (*fields, *declared.words))
                yield chain_text((Call(declared.stream), Call("by", keys), latest), indent=5)
        yield from (one for one in self._function_order() if one in whole.functions)

    def _function_order(self) -> Sequence[str]:
        return [one.function for outputs in self._outputs.values() for one in outputs.values()]

    def _feature_names(self, whole: _Needs) -> Iterable[str]:
        for view, wanted in whole.looked_up.items():
            declared = self._views[view]
            listed = wanted if declared.selectable else declared.features
            yield from {declared.features[one] for one in listed}

    def declare_requests(self, requests: Iterable[RequestSource]) -> None:
        """Report the request sources; one that no service reads gets an event type of its own."""
        for one in requests:
            for value in one.fields:
                if value.kind is None:
                    self._report.missing(
                        "request field", f"{one.name}:{value.name}", value.at,
                        f"no field holds {value.dtype}", "send it as numbers or as text",
                    )  # fmt: skip
            known: dict[str, ValueKind] = {
                identifier(value.name): value.kind for value in one.fields if value.kind is not None
            }
            within = [made for made, names in self._requested.items() if known.keys() & set(names)]
            if not within and known:
                needs = _Needs(fields=known)
                for outputs in self._outputs.values():
                    for output in outputs.values():
                        if output.needs.fields.keys() & known.keys():
                            needs.add(output.needs)
                within = [self._request(one.name, needs, one.at)]
            if within:
                self._report.expressed("request source", one.name, one.at, ", ".join(within))
            else:
                self._report.missing(
                    "request source", one.name, one.at, "none of its fields has a kind",
                    "see its fields",
                )  # fmt: skip

    def _request(self, name: str, needs: _Needs, at: Line) -> str:
        """Declare the event that asks for a decision."""
        values = needs.fields | needs.keys
        key = "id" if "id" not in values else "request_id"
        time = "at" if "at" not in values else "asked_at"
        made = self._names.take_type(f"{name}_request")
        fields = [(key, "kp.Key[str]"), (time, "kp.EventTime"), *values.items()]
        comments = (f"What a request brings for {name!r}, {at}",)
        self._made.body.append(EventType(made, comments, tuple(fields)))
        self._requested[made] = list(needs.fields)
        return made


def _repeated(names: Iterable[str]) -> set[str]:
    seen: set[str] = set()
    return {name for name in names if name in seen or seen.add(name)}
