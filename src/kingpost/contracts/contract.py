"""The contract of an event: its fields and how a row is checked against them.

One row has one verdict, whatever door it comes through: a JSON body, a line of a file, a
row of a table. `columns.py` checks a million typed rows at once and hands every row it
does not wave through to `Contract.convert`, so that verdicts cannot differ.
"""

import hashlib
import math
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from functools import cache, cached_property, partial
from typing import Generic, Literal, TypeVar, get_type_hints

import msgspec

from kingpost.contracts.errors import ContentClosed, ContentUnreadable, ContractViolation, NaiveTime
from kingpost.contracts.event import Event, Policy, Vector
from kingpost.contracts.instant import FIRST_US, LAST_US, Instant
from kingpost.contracts.personal import (
    PersonalContent,
    PersonalPart,
    ProtectedContent,
    Vault,
    Withheld,
    split_body,
)
from kingpost.core import Place

__all__ = [
    "Contract",
    "EventKey",
    "Field",
    "FieldRole",
    "Kind",
    "Scalar",
    "greatest_multiple",
    "is_writable",
    "moment_from",
]

Kind = Literal["text", "integer", "number", "boolean", "time", "vector"]
FieldRole = Literal["key", "event_time", "known_time", "value"]
Scalar = str | int | float | bool | None
EventKey = int | str
E_co = TypeVar("E_co", bound=Event, covariant=True)

greatest_multiple = 2**53
"""No value may be more than this many times its field's resolution from zero."""

_SCHEMA_TYPES: dict[Kind, str] = {
    "text": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "time": "string",
    "vector": "array",
}
_AT = re.compile(r"(?P<problem>.*?)(?: - at `\$\.?(?P<field>[^`]*)`)?", re.DOTALL)
_MISMATCH = re.compile(r"Expected (?P<expected>.*?)(?:, got (?P<found>.*))?", re.DOTALL)
_NAMED = re.compile(r"Object (missing required|contains unknown) field `(.*)`", re.DOTALL)
_LONGEST_NAME = 100
_GREATEST_FLOAT32 = (2 - 2**-23) * 2.0**127


@dataclass(frozen=True)
class Field:
    """One field of a contract.

    Attributes:
        digits: Decimal digits that count; None for a number without a resolution and for
            fields that are not numeric.
        bounds: `ge`, `gt`, `le`, `lt`, `min_length`, `max_length` as declared; both lengths
            of a vector are its dimension.
        personal: What is stored of its content; None when it is not about a person.
        is_subject: Whether it names whom the personal fields are about.
    """

    name: str
    kind: Kind
    role: FieldRole
    digits: int | None
    optional: bool
    required: bool
    default: Scalar
    bounds: Mapping[str, float]
    choices: tuple[str, ...] = ()
    personal: Policy | None = None
    is_subject: bool = False

    @property
    def scale(self) -> int:
        """Multiples of the resolution in one unit; 1 for whole numbers and booleans."""
        return 10 ** (self.digits or 0)

    @property
    def is_exact(self) -> bool:
        """Whether values are whole multiples of a declared resolution."""
        return self.digits is not None

    @property
    def dimension(self) -> int:
        """How many numbers a vector has; 0 for other fields."""
        return int(self.bounds["max_length"]) if self.kind == "vector" else 0

    def multiple(self, value: float) -> int:
        """Return the value as a whole number of resolutions, half to even."""
        return round(value * self.scale)


class VaultDesk:
    """Where the process that reads a data directory lays the vault of a contract.

    Attributes:
        vault: None until then: what is encrypted is refused, never taken for something else.
    """

    __slots__ = ("vault",)

    def __init__(self) -> None:
        self.vault: Vault | None = None

    def __reduce__(self) -> tuple[type["VaultDesk"], tuple[()]]:
        return VaultDesk, ()  # keys do not travel with a contract


@dataclass(frozen=True)
class Contract(Generic[E_co]):
    """What an event must look like.

    Attributes:
        name: The event type in snake case; the name of its stream and its routes.
        desk: Where a vault is laid that opens personal content.
    """

    name: str
    type: type[E_co]
    fields: tuple[Field, ...]
    place: Place
    desk: VaultDesk = dataclass_field(default_factory=VaultDesk, compare=False)

    @cached_property
    def by_name(self) -> Mapping[str, Field]:
        """The fields by name."""
        return {field.name: field for field in self.fields}

    @cached_property
    def key(self) -> Field:
        """The field that identifies an event."""
        return next(field for field in self.fields if field.role == "key")

    @cached_property
    def event_time(self) -> Field:
        """The field that says when it happened."""
        return next(field for field in self.fields if field.role == "event_time")

    @cached_property
    def known_time(self) -> Field | None:
        """The field that says when it became known, if there is one."""
        return next((field for field in self.fields if field.role == "known_time"), None)

    @cached_property
    def description(self) -> bytes:
        """The contract in canonical JSON, as it is stored beside its events."""
        fields: list[dict[str, object]] = [msgspec.to_builtins(field) for field in self.fields]
        for field in fields:  # what is not personal is described as before there was such a thing
            for name in ("personal", "is_subject"):
                if not field[name]:
                    del field[name]
        return msgspec.json.encode({"name": self.name, "fields": fields}, order="sorted")

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the description, in hex."""
        return hashlib.sha256(self.description).hexdigest()

    def decode(self, body: bytes, *, zone: str | None = None) -> E_co:
        """Read one event from JSON.

        Args:
            body: The JSON text, UTF-8.
            zone: What a time without an offset means; None refuses it.

        Raises:
            ContractViolation: The body breaks the contract.
        """
        decoder = self._decoder if zone is None else self._zoned_decoder(zone)
        try:
            event = decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise self._violation(error) from None
        if self._needs_check and (violation := self._out_of_reach(event)):
            raise violation
        if self._vector_rounding:
            self._round_vectors(event)
        return event

    def decode_stored(self, body: bytes) -> E_co:
        """Read an event that an earlier version of the contract accepted.

        Fields that were removed since are passed over, fields that were added take their
        default. Personal content is opened; what cannot be read is `Withheld`.

        Raises:
            ContentClosed: It has personal content, and no vault was given to open it.
            ContentUnreadable: A later version of Kingpost encrypted it.
            KingpostError: Personal content was altered.
        """
        if self.subject is not None:
            clear, part = self._apart(body)
            if part is not None:
                event = self._clear_decoder.decode(clear)
                values = self.vault.open(self.name, clear, part)
                return self._whole(event, clear, values)
        try:
            event = self._decoder.decode(body)  # as it was then: the contract is the same
        except msgspec.ValidationError:
            event = msgspec.convert(
                {k: v for k, v in msgspec.json.decode(body).items() if k in self.by_name},
                self.type,
                dec_hook=moment_from,
            )
        self._round_vectors(event)
        return event

    @cached_property
    def subject(self) -> Field | None:
        """The field that names whom personal content is about; None when there is none."""
        return next((field for field in self.fields if field.is_subject), None)

    @cached_property
    def personal(self) -> tuple[Field, ...]:
        """The fields whose content is personal."""
        return tuple(field for field in self.fields if field.personal)

    @property
    def vault(self) -> Vault:
        """What encrypts and opens personal content.

        Raises:
            ContentClosed: None was given.
        """
        if self.desk.vault is None:
            raise ContentClosed(self.name)
        return self.desk.vault

    def open_body(self, body: bytes) -> bytes:
        """Return a stored body with its personal content, as far as it can be read.

        Raises:
            ContentClosed, KingpostError: As in `decode_stored`.
        """
        if self.subject is None or self._apart(body)[1] is None:
            return body
        return self.encode(self.decode_stored(body))

    def protect(self, tenant: str, event: Event, offset: int) -> ProtectedContent:
        """Return an event with personal content as it is stored.

        Args:
            offset: No earlier than where the journal will hold it.

        Raises:
            ContentClosed: No vault was given to encrypt it.
            KingpostError: A key cannot be made or read.
        """
        subject = self.subject
        assert subject is not None
        values = {
            policy: {
                field.name: getattr(event, field.name)
                for field in self.personal
                if field.personal == policy
            }
            for policy in ("encrypt", "digest", "drop")
        }
        content = PersonalContent(
            tenant,
            self.name,
            subject.name,
            str(getattr(event, subject.name)),
            self.clear_body(event),
            values["encrypt"],
            values["digest"],
            tuple(values["drop"]),
        )
        return self.vault.protect(content, offset)

    def withheld(self, event: Event) -> tuple[str, ...]:
        """Return the personal fields whose content could not be read."""
        return tuple(
            field.name
            for field in self.personal
            if isinstance(getattr(event, field.name), Withheld)
        )

    def decode_protected(self, body: bytes) -> E_co:
        """Read an event as `decode_stored` does, its personal content left encrypted.

        Raises:
            ContentUnreadable: A later version of Kingpost encrypted it.
        """
        if self.subject is not None:
            clear, part = self._apart(body)
            if part is not None:
                names = (*part.fields, *part.digests, *part.dropped)
                encrypted = dict.fromkeys(names, Withheld(Withheld.ENCRYPTED))
                return self._whole(self._clear_decoder.decode(clear), clear, encrypted)
        return self.decode_stored(body)

    def stored_digest(self, body: bytes) -> bytes | None:
        """Return the digest of a request by what is stored of it; None when its key is gone.

        Raises:
            ContentClosed, KingpostError: As in `decode_stored`.
        """
        if self.subject is not None:
            clear, part = self._apart(body)
            if part is not None:
                return self.vault.digest(self.name, clear, part)
        return hashlib.sha256(body).digest()

    def clear_body(self, event: Event) -> bytes:
        """Write one event as JSON without its personal fields."""
        names = (field.name for field in self.fields if not field.personal)
        return msgspec.json.encode(
            {name: getattr(event, name) for name in names}, enc_hook=_text_of
        )

    def _apart(self, body: bytes) -> tuple[bytes, PersonalPart | None]:
        try:
            return split_body(body)
        except msgspec.MsgspecError as error:
            raise ContentUnreadable(self.name, str(error)) from None

    def _whole(
        self, stored: msgspec.Struct, clear: bytes, personal: Mapping[str, str | None]
    ) -> E_co:
        """Put the fields of a stored event together."""
        before: dict[str, object] = {}  # what was in the clear before it was declared personal
        if any(field.name not in personal for field in self.personal):
            before = msgspec.json.decode(clear, type=dict[str, object])
        values: dict[str, object] = {}
        for field in self.fields:
            if not field.personal:
                values[field.name] = getattr(stored, field.name)
            elif field.name in personal:
                values[field.name] = personal[field.name]
            else:
                values[field.name] = before.get(field.name, field.default)
        event = self.type(**values)
        self._round_vectors(event)
        return event

    @cached_property
    def _clear_decoder(self) -> msgspec.json.Decoder[msgspec.Struct]:
        """Read the fields that are not personal, and pass over those removed since."""
        hints = get_type_hints(self.type, include_extras=True)
        fields = [
            (field.name, hints[field.name])
            if field.required
            else (field.name, hints[field.name], field.default)
            for field in self.fields
            if not field.personal
        ]
        kind = msgspec.defstruct(f"{self.type.__name__}Clear", fields, kw_only=True)
        return msgspec.json.Decoder(kind, dec_hook=moment_from)

    def convert(
        self, row: Mapping[str, object], *, text: bool = False, zone: str | None = None
    ) -> E_co:
        """Read one event from named values.

        Args:
            row: A value per field; one that is not there takes its default.
            text: All values are text, as in CSV: `"1.5"` is a number, `"[1.5, 2]"` a vector,
                `""` is None where the field may be None, else not there.
            zone: What a time without an offset means; None refuses it.

        Raises:
            ContractViolation: The row breaks the contract.
        """

        try:
            if text:
                may_miss = self._may_miss
                row = {
                    name: value or None
                    for name, value in row.items()
                    if value != "" or name in may_miss
                }
                row.update(self._vectors_in(row))
            event = msgspec.convert(
                row, self.type, strict=not text, dec_hook=partial(moment_from, zone=zone)
            )
        except msgspec.MsgspecError as error:
            raise self._violation(error) from None
        except UnicodeEncodeError:
            raise self._half_a_pair(row) from None
        violation = self._out_of_reach(event) or self._unwritable(event)
        if text and not violation:
            violation = self._emptied(event, row)
        if violation:
            raise violation
        self._round_vectors(event)
        return event

    def without_missing(self, row: Mapping[str, object]) -> dict[str, object]:
        """Read the None of a table as it is meant: as None where the field may be None,
        else as no value, so that the default counts."""
        may_miss = self._may_miss
        return {name: value for name, value in row.items() if value is not None or name in may_miss}

    def encode(self, event: Event) -> bytes:
        """Write one event as JSON; `decode` reads it again."""
        return msgspec.json.encode(event, enc_hook=_text_of)

    def key_body(self, key: EventKey) -> bytes:
        """Write the key of an event alone, as JSON."""
        return msgspec.json.encode(key)

    def key_from(self, body: bytes) -> EventKey:
        """Read what `key_body` wrote."""
        return msgspec.json.decode(body, type=int if self.key.kind == "integer" else str)

    def key_from_text(self, text: str) -> EventKey:
        """Read the key of an event from plain text, such as part of a path.

        Raises:
            ContractViolation: No event can have it: its type or its length.
        """
        try:
            key: EventKey = msgspec.convert(text, _key_type(self.type, self.key.name), strict=False)
        except msgspec.ValidationError as error:
            violation = self._violation(error)
            raise ContractViolation(
                self.name, self.key.name, violation.expected, violation.found
            ) from None
        if isinstance(key, int) and abs(key) > greatest_multiple:
            raise ContractViolation(
                self.name, self.key.name, f"a number within ±{greatest_multiple:g}", "a larger one"
            )
        if isinstance(key, str) and not is_writable(key):
            raise ContractViolation(
                self.name, self.key.name, "Unicode text", "half a surrogate pair"
            )
        return key

    @cached_property
    def key_only(self) -> "Contract[Event]":
        """The contract of rows that hold nothing but the key of an event."""
        namespace = {
            "__module__": self.type.__module__,
            "__annotations__": {self.key.name: _key_type(self.type, self.key.name)},
        }
        kind = type(self.type)(f"{self.type.__name__}Key", (Event,), namespace)
        return Contract(self.name, kind, (self.key,), self.place)

    def json_schema(self) -> dict[str, object]:
        """Return the JSON Schema (2020-12, as OpenAPI 3.1 uses it) of one event."""
        return {
            "type": "object",
            "title": self.type.__name__,
            "description": (self.type.__doc__ or "").strip(),
            "properties": {field.name: _schema_of(field) for field in self.fields},
            "required": [field.name for field in self.fields if field.required],
            "additionalProperties": False,
        }

    @cached_property
    def _decoder(self) -> msgspec.json.Decoder[E_co]:
        return msgspec.json.Decoder(self.type, dec_hook=moment_from)

    def _zoned_decoder(self, zone: str) -> msgspec.json.Decoder[E_co]:
        decoder = self._zoned_decoders.get(zone)
        if decoder is None:
            decoder = msgspec.json.Decoder(self.type, dec_hook=partial(moment_from, zone=zone))
            self._zoned_decoders[zone] = decoder
        return decoder

    @cached_property
    def _zoned_decoders(self) -> dict[str, msgspec.json.Decoder[E_co]]:
        return {}

    @cached_property
    def _may_miss(self) -> frozenset[str]:
        return frozenset(field.name for field in self.fields if field.optional)

    @cached_property
    def _texts(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields if field.kind == "text")

    @cached_property
    def _reaches(self) -> tuple[tuple[str, float], ...]:
        return tuple(
            (field.name, _reach(field))
            for field in self.fields
            if field.kind in ("number", "integer")
        )

    @cached_property
    def _needs_check(self) -> bool:
        """Whether bounds alone do not keep every number within reach of its resolution."""
        for name, reach in self._reaches:
            bounds = self.by_name[name].bounds
            low = bounds.get("ge", bounds.get("gt", -math.inf))
            high = bounds.get("le", bounds.get("lt", math.inf))
            if low < -reach or high > reach:
                return True
        return False

    def _out_of_reach(self, event: Event) -> ContractViolation | None:
        for name, reach in self._reaches:
            value = getattr(event, name)
            if value is not None and not -reach <= value <= reach:
                return ContractViolation(
                    self.name, name, f"a finite number within ±{reach:g}", _size_of(value)
                )
        return None

    @cached_property
    def _vectors(self) -> tuple[Field, ...]:
        return tuple(field for field in self.fields if field.kind == "vector")

    @cached_property
    def _vector_rounding(
        self,
    ) -> list[tuple[Field, Callable[..., bytes], Callable[[bytes], Vector]]]:
        forms = [(field, struct.Struct(f"{field.dimension}f")) for field in self._vectors]
        return [(field, form.pack, form.unpack) for field, form in forms]

    def _round_vectors(self, event: Event) -> None:
        """Round the vectors of an event that nobody else has seen yet."""
        for field, pack, unpack in self._vector_rounding:
            value: Vector | None = getattr(event, field.name)
            if value is None:
                continue
            if len(value) != field.dimension:
                raise ContractViolation(
                    self.name, field.name, f"{field.dimension} numbers", f"{len(value)} of them"
                )
            try:
                rounded = unpack(pack(*value))
            except OverflowError:
                rounded = (math.inf,)
            if not math.isfinite(sum(rounded)):  # doubles: as many floats cannot overflow them
                at = next(at for at, one in enumerate(value) if not _is_float32(one))
                raise ContractViolation(
                    self.name,
                    f"{field.name}[{at}]",
                    f"a finite number within ±{_GREATEST_FLOAT32:g}",
                    _size_of(value[at]),
                )
            msgspec.structs.force_setattr(event, field.name, rounded)

    def _vectors_in(self, row: Mapping[str, object]) -> dict[str, object]:
        """Read the vectors of a row of texts, which hold them as JSON arrays."""
        found: dict[str, object] = {}
        for field in self._vectors:
            text = row.get(field.name)
            if isinstance(text, str):
                try:
                    found[field.name] = msgspec.json.decode(text, type=Vector)
                except (msgspec.MsgspecError, UnicodeEncodeError):
                    expected = f"{field.dimension} numbers as a JSON array"
                    raise ContractViolation(
                        self.name, field.name, expected, "another text"
                    ) from None
        return found

    def _emptied(self, event: Event, row: Mapping[str, object]) -> ContractViolation | None:
        """Refuse a text such as `null` that was read as None: only an empty one is."""
        for name in self._may_miss:
            if row.get(name) is not None and getattr(event, name) is None:
                declared = self.by_name[name]
                return ContractViolation(self.name, name, declared.kind, "another text")
        return None

    def _unwritable(self, event: Event) -> ContractViolation | None:
        for name in self._texts:
            value = getattr(event, name)
            if value is not None and not is_writable(value):
                return self._half_a_pair({name: value})
        return None

    def _half_a_pair(self, row: Mapping[str, object]) -> ContractViolation:
        at_fault = (n for n, v in row.items() if isinstance(v, str) and not is_writable(v))
        return ContractViolation(
            self.name, next(at_fault, ""), "Unicode text", "half a surrogate pair"
        )

    def _violation(self, error: Exception) -> ContractViolation:
        if isinstance(error, UnicodeDecodeError):
            return ContractViolation(self.name, "", "UTF-8 text", "other bytes")
        if isinstance(error, RecursionError):
            return ContractViolation(self.name, "", "flat values", "values nested too deep")
        problem, field = _split(str(error))
        if named := _NAMED.fullmatch(problem):
            if named[1] == "missing required":
                return ContractViolation(self.name, named[2], "a value", "nothing")
            return ContractViolation(
                self.name,
                named[2][:_LONGEST_NAME],
                f"one of {', '.join(self.by_name)}",
                "an unknown field",
            )
        declared = self.by_name.get(field)
        if declared is not None and problem.startswith("Invalid enum value"):
            allowed = ", ".join(map(repr, declared.choices))
            return ContractViolation(self.name, field, f"one of {allowed}", "another text")
        if declared is not None and declared.kind == "time":
            expected = "an ISO 8601 time with an offset, as 2018-08-01T12:00:00Z"
            found = "a time without one" if NaiveTime.__name__ in problem else "something else"
            return ContractViolation(self.name, field, expected, found)
        if mismatch := _MISMATCH.fullmatch(problem):
            found = mismatch["found"] or "a value outside it"
            return ContractViolation(self.name, field, mismatch["expected"], found)
        return ContractViolation(self.name, field, "valid JSON", problem.removeprefix("JSON is "))


def moment_from(kind: type, value: object, zone: str | None = None) -> object:
    """Read a time for msgspec, which knows no `Instant`; see `Instant.parse`."""
    if kind is not Instant:
        raise TypeError(f"no conversion to {kind}")
    if isinstance(value, Instant):
        if not FIRST_US <= value.us <= LAST_US:
            raise ValueError("a time outside the years 1 to 9999")
        return value
    if not isinstance(value, str):
        raise ValueError("a time is text")  # noqa: TRY004 msgspec translates only a ValueError
    try:
        return Instant.parse(value, zone=zone)
    except NaiveTime as error:
        raise ValueError(NaiveTime.__name__) from error


@cache
def _key_type(event: type[Event], name: str) -> type[int] | type[str]:
    """Return the type of an event's key, with its bounds."""
    hints: dict[str, type[int | str]] = get_type_hints(event, include_extras=True)
    return hints[name]


def _text_of(value: object) -> str:
    """Write a time, or what stands for personal content, for msgspec."""
    if isinstance(value, Withheld):
        return str(value)
    if isinstance(value, Instant):
        return value.isoformat()
    raise TypeError(f"no text for {type(value)}")


def is_writable(text: str) -> bool:
    """Say whether a text can be stored as UTF-8: Python allows half a surrogate pair."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _split(message: str) -> tuple[str, str]:
    match = _AT.fullmatch(message)
    return (match["problem"], match["field"] or "") if match else (message, "")


def _is_float32(value: float) -> bool:
    """Say whether a number is a finite float32 once it is rounded."""
    try:
        return math.isfinite(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return False


def _size_of(value: float) -> str:
    return "a larger one" if math.isfinite(value) else "no finite number"


def _reach(field: Field) -> float:
    """Return the largest number that is still a whole multiple of the field's resolution."""
    return greatest_multiple / field.scale if field.digits else greatest_multiple


def _schema_of(field: Field) -> dict[str, object]:
    kind = _SCHEMA_TYPES[field.kind]
    schema: dict[str, object] = {"type": [kind, "null"] if field.optional else kind}
    if field.kind == "time":
        schema["format"] = "date-time"
    if field.choices:
        schema["enum"] = [*field.choices, None] if field.optional else list(field.choices)
    names = {
        "ge": "minimum",
        "gt": "exclusiveMinimum",
        "le": "maximum",
        "lt": "exclusiveMaximum",
        "min_length": "minLength",
        "max_length": "maxLength",
    }
    if field.kind == "vector":
        names |= {"min_length": "minItems", "max_length": "maxItems"}
        limits = {"minimum": -_GREATEST_FLOAT32, "maximum": _GREATEST_FLOAT32}
        schema["items"] = {"type": "number", **limits}
    schema.update({names[bound]: limit for bound, limit in field.bounds.items()})
    if field.kind in ("number", "integer"):
        if not schema.keys() & {"minimum", "exclusiveMinimum"}:
            schema["minimum"] = -_reach(field)
        if not schema.keys() & {"maximum", "exclusiveMaximum"}:
            schema["maximum"] = _reach(field)
    if field.digits and field.kind == "number":
        schema["x-resolution"] = f"{10**-field.digits:.{field.digits}f}"
    if field.personal:
        schema["x-personal"] = field.personal
    if not field.required:
        schema["default"] = field.default
    return schema
