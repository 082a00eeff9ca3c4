"""`kingpost conformance`: whether a server speaks the Open Inference Protocol."""

import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import click

from kingpost.cli.output import print_result, printable
from kingpost.serving import (
    ERROR_CHECKS,
    INFER_CHECKS,
    SERVER_CHECKS,
    CheckResult,
    GrpcTarget,
    Target,
    find_model,
    grpc_checks,
    run_checks,
)

__all__ = ["conformance"]

_COLOURS = {"pass": "green", "skip": "yellow", "fail": "red"}


@click.command()
@click.argument("url")
@click.option("--key", envvar="KINGPOST_API_KEY", default="", help="Sent as a bearer token.")
@click.option("--grpc", "address", metavar="HOST:PORT", help="Check its gRPC side there, too.")
@click.option(
    "--model", default="", help="The model to ask; one that the server lists if left out."
)
@click.option(
    "--request",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A request in JSON that the model can answer, its data flat; zeros if left out.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def conformance(
    url: str, key: str, address: str | None, model: str, request: Path | None, as_json: bool
) -> None:
    """Check whether the server at URL speaks the Open Inference Protocol v2.

    It asks for what the protocol says, errors included, of any server. The model is asked some
    dozens of times: of a decision that makes records, so name a request of your own. Exit code 1
    when a check fails.
    """
    results: list[CheckResult] = []
    with ExitStack() as opened:
        body = b"" if request is None else request.read_bytes()
        target = Target(url, key=key, model=model, request=body)
        opened.callback(target.close)
        checks = (*SERVER_CHECKS, *INFER_CHECKS, *ERROR_CHECKS)
        if address is not None:
            grpc = GrpcTarget(address, key=key)
            opened.callback(grpc.close)
            checks += grpc_checks(grpc)
        target.model = model or find_model(target)
        for result in run_checks(checks, target):
            results.append(result)
            if not as_json:
                _print(result)
    counts = Counter(result.verdict for result in results)
    told = {name: counts[name] for name in ("pass", "fail", "skip")}
    if as_json:
        rows: list[object] = [result._asdict() for result in results]
        print_result({"url": url, "model": target.model, **told, "checks": rows}, as_json=True)
    else:
        click.echo(f"{told['pass']} passed, {told['fail']} failed, {told['skip']} left out")
    sys.exit(1 if counts["fail"] else 0)


def _print(result: CheckResult) -> None:
    verdict = click.style(result.verdict, fg=_COLOURS[result.verdict])
    click.echo(f"{verdict}  {result.name}: {result.says}")
    if result.found:
        click.echo(f"      {printable(result.found)}")
