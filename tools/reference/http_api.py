"""The HTTP reference, from the OpenAPI document that a server gives at `/openapi.json`."""

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from kingpost.serving import PROBLEMS, describe_api
from tools.reference.markdown import code, page, table
from tools.reference.small_app import APPLICATION, SERVED

__all__ = ["describe_http_api"]

_ABOUT = """\
What a server describes at `/openapi.json` and shows at `/docs`, here for a small application with one decision, `risk`,
and two streams, `order` and `outcome`. An installation's own document has its own names and contracts in their place.
[serving.md](../serving.md) says how requests are handled, [errors.md](errors.md) what every code means.

Where a key is needed, it is sent as `Authorization: Bearer kp_…`."""

_REF = "#/components/schemas/"
_METHODS: tuple[Literal["get", "post", "put", "delete", "patch"], ...] = (
    "get",
    "post",
    "put",
    "patch",
    "delete",
)


class _Schema(msgspec.Struct):
    ref: str = msgspec.field(name="$ref", default="")
    type: str | list[str] = ""
    enum: list[object] = []
    format: str = ""
    description: str = ""
    items: "_Schema | bool | None" = None
    any_of: "list[_Schema]" = msgspec.field(name="anyOf", default_factory=list["_Schema"])
    one_of: "list[_Schema]" = msgspec.field(name="oneOf", default_factory=list["_Schema"])
    properties: "dict[str, _Schema]" = {}
    required: list[str] = []
    additional: "_Schema | bool | None" = msgspec.field(name="additionalProperties", default=None)
    minimum: float | None = None
    maximum: float | None = None
    min_length: int | None = msgspec.field(name="minLength", default=None)
    max_length: int | None = msgspec.field(name="maxLength", default=None)


class _Media(msgspec.Struct):
    schema: _Schema = msgspec.field(default_factory=_Schema)
    example: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Body(msgspec.Struct):
    content: dict[str, _Media] = {}
    description: str = ""


class _Parameter(msgspec.Struct):
    name: str
    where: str = msgspec.field(name="in")
    required: bool = False
    description: str = ""
    schema: _Schema = msgspec.field(default_factory=_Schema)


class _Operation(msgspec.Struct):
    summary: str = ""
    description: str = ""
    security: list[dict[str, list[str]]] | None = None
    parameters: list[_Parameter] = []
    body: _Body | None = msgspec.field(name="requestBody", default=None)
    responses: dict[str, _Body] = {}


class _Path(msgspec.Struct):
    get: _Operation | None = None
    post: _Operation | None = None
    put: _Operation | None = None
    patch: _Operation | None = None
    delete: _Operation | None = None


class _Components(msgspec.Struct):
    schemas: dict[str, _Schema] = {}


class _Document(msgspec.Struct):
    paths: dict[str, _Path]
    components: _Components


def describe_http_api() -> str:
    """Return the page."""
    document = msgspec.json.decode(describe_api(APPLICATION, SERVED), type=_Document)
    routes = [
        (path, method, operation)
        for path, item in sorted(document.paths.items())
        for method in _METHODS
        if (operation := getattr(item, method)) is not None
    ]
    overview = table(
        ["route", "what"], [(_route(path, how), each.summary) for path, how, each in routes]
    )
    return page(
        "HTTP API",
        _ABOUT,
        overview,
        *(block for path, how, each in routes for block in _operation(path, how, each)),
        "## Schemas",
        *_schemas(document.components.schemas),
        "## Problems",
        "Every error is `application/problem+json` (`ProblemDocument`).",
        _problems(),
    )


def _route(path: str, method: str) -> str:
    return code(f"{method.upper()} {path}")


def _operation(path: str, method: str, operation: _Operation) -> Iterator[str]:
    yield f"## {method.upper()} {path}"
    needs = "" if operation.security else " No key is needed."
    yield f"{operation.summary}.{needs} {operation.description}".strip()
    rows = [
        (
            code(each.name),
            each.where,
            _type(each.schema) + (", required" if each.required else ""),
            each.description,
        )
        for each in operation.parameters
    ]
    yield table(["parameter", "in", "type", "meaning"], rows)
    if operation.body is not None:
        examples = list[str]()
        for media, content in operation.body.content.items():
            yield f"Body, `{media}`: {_type(content.schema)}"
            examples += [each for each in [_example(content)] if each not in examples]
        yield from examples
    for status, response in sorted(operation.responses.items()):
        for media, content in response.content.items():
            if media != "application/problem+json":
                yield f"Answer {status}, `{media}`: {_type(content.schema)}"
                yield _example(content)
    problems = [
        f"{status}: {', '.join(code(each) for each in response.description.split(', '))}"
        for status, response in sorted(operation.responses.items())
        if "application/problem+json" in response.content
    ]
    yield f"Problems: {'; '.join(problems)}." if problems else ""


def _example(content: _Media) -> str:
    if isinstance(content.example, msgspec.UnsetType):
        return ""
    return f"```json\n{msgspec.json.format(bytes(content.example), indent=2).decode()}\n```"


def _schemas(schemas: Mapping[str, _Schema]) -> Iterator[str]:
    for name, schema in sorted(schemas.items()):
        yield f"### {name}"
        yield _oneline(schema.description)
        rows = [
            (
                code(field),
                _type(each),
                "yes" if field in schema.required else "",
                _oneline(each.description),
            )
            for field, each in schema.properties.items()
        ]
        yield table(["field", "type", "required", "meaning"], rows) or _type(schema)


def _type(schema: _Schema) -> str:
    """Say in a few words what a value must be."""
    if schema.ref:
        name = schema.ref.removeprefix(_REF)
        return f"[{name}](#{name.lower()})"
    if choices := schema.any_of or schema.one_of:
        return " or ".join(_type(each) for each in choices)
    if schema.enum:
        shown = (code(msgspec.json.encode(each).decode()) for each in schema.enum)
        return "one of " + ", ".join(shown)
    kinds = [schema.type] if isinstance(schema.type, str) else schema.type
    if kinds == ["array"] and isinstance(schema.items, _Schema):
        return f"array of {_type(schema.items)}"
    if kinds == ["object"] and isinstance(schema.additional, _Schema):
        return f"object of {_type(schema.additional)} by name"
    text = " or ".join(kind or "anything" for kind in kinds)
    bounds = [
        f"{word} {value:g}"
        for word, value in (
            ("from", schema.minimum),
            ("to", schema.maximum),
            ("at least", schema.min_length),
            ("at most", schema.max_length),
        )
        if value is not None
    ]
    notes = [schema.format, *bounds] if schema.format else bounds
    return f"{text} ({', '.join(notes)})" if notes else text


def _oneline(text: str) -> str:
    return " ".join(text.split())


def _problems() -> str:
    rows = sorted(
        ((each.status, its_code, each.title) for its_code, each in PROBLEMS.items()),
    )
    return table(
        ["status", "code", "title"],
        [(str(status), code(its), title) for status, its, title in rows],
    )
