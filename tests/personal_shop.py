"""The small application of `cli_app` with personal fields, and what finds them where they are not
to be."""

import base64
from collections.abc import Iterable, Iterator
from pathlib import Path

import duckdb

from tests.cli_app import SOURCE, kingpost, write_history

__all__ = ["APP", "SCOPES", "found_in", "personal_of", "prepare_personal_shop"]

APP = (
    SOURCE.replace(
        '    customer: str\n    amount: Annotated[float, kp.Range(ge=0), kp.Resolution("0.01")]\n',
        "    customer: kp.Subject[str]\n"
        '    amount: Annotated[float, kp.Range(ge=0), kp.Resolution("0.01")]\n'
        "    name: Annotated[str, kp.Personal()]\n"
        '    email: Annotated[str | None, kp.Personal("digest")] = None\n'
        '    iban: Annotated[str | None, kp.Personal("drop")] = None\n',
    )
    .replace(
        "\nrisk = kp.decision(",
        "\n@kp.feature\ndef name_length(name: str) -> float:\n    return float(len(name))\n\n\n"
        "risk = kp.decision(",
    )
    .replace("at_night, to_usual]", "at_night, to_usual, name_length]")
)
SCOPES = [word for one in ("decide", "ingest", "records", "erase") for word in ("--scope", one)]


def personal_of(customer: str) -> dict[str, str]:
    """Return what is personal of a customer."""
    return {
        "name": f"Zoë Quillfeather-{customer}-of-Nowhere",
        "email": f"quillfeather.{customer}@post.example",
        "iban": f"XX99-QUILL-{customer}-0000-4242",
    }


def prepare_personal_shop(directory: Path) -> str:
    """Ingest a history, train, approve and make a key; return its secret."""
    directory.mkdir(exist_ok=True)
    (directory / "shop_app.py").write_text(APP)
    write_history(directory, rows=1500)
    lines = (directory / "orders.csv").read_text().splitlines()
    rows = [f"{lines[0]},name,email,iban"]
    for line in lines[1:]:
        personal = personal_of(line.split(",")[2])
        rows.append(",".join([line, *personal.values()]))
    (directory / "orders.csv").write_text("\n".join(rows) + "\n")
    for stream in ("order", "chargeback"):
        kingpost(directory, "ingest", "shop_app.py", stream, f"{stream}s.csv", "--json")
    kingpost(directory, "train", "shop_app.py", "--json")
    kingpost(directory, "approve", "shop_app.py", "--reason", "a test", "--by", "ann", "--json")
    return str(kingpost(directory, "keys", "create", *SCOPES, "--json")["secret"])


def found_in(paths: Iterable[Path], texts: Iterable[str]) -> list[str]:
    """Look for texts in files and folders, as they are and in other forms; return what is found."""
    forms = {text: list(_forms(text)) for text in texts}
    found: list[str] = []
    for path in paths:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file():
                for content in _contents(file):
                    found += [
                        f"{file}: {text}"
                        for text, every in forms.items()
                        if any(form in content for form in every)
                    ]
    return found


def _contents(file: Path) -> Iterator[bytes]:
    yield file.read_bytes()
    if file.suffix == ".parquet":  # its pages are compressed
        with duckdb.connect() as database:
            rows = database.execute("SELECT COLUMNS(*)::VARCHAR FROM read_parquet(?)", [str(file)])
            yield str(rows.fetchall()).encode()


def _forms(text: str) -> Iterator[bytes]:
    """Yield a text as MessagePack, JSON and SQLite hold it, in UTF-16, hex and base64."""
    plain = text.encode()
    yield plain
    yield text.encode("unicode_escape")
    yield text.encode("ascii", "backslashreplace")
    yield text.encode("utf-16-le")
    yield text.encode("utf-16-be")
    yield plain.hex().encode()
    for shift in range(3):  # what stands before it moves its bits
        whole = base64.b64encode(b"\0" * shift + plain)
        start, end = (4 if shift else 0), len(whole) - 4
        yield whole[start:end]
        yield whole[start:end].replace(b"+", b"-").replace(b"/", b"_")
