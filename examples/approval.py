"""A refund that waits for a person, also while nothing runs.

    kingpost workflows start examples/approval.py refund --input '{"order": "o-7", "euros": 80}'
    kingpost work examples/approval.py

The question is in the inbox: in the console, in the API and in `kingpost review`. Stop the
worker, answer, and start it again: the refund goes on.
"""

from pathlib import Path

import kingpost as kp

LEDGER = Path("refunds.txt")


@kp.step
def pay(order: str, euros: float) -> str:
    """Pay it back; who is asked twice with the same key pays once."""
    key = kp.effect_key()
    paid = LEDGER.read_text() if LEDGER.exists() else ""
    if key not in paid:
        LEDGER.write_text(f"{paid}{key} {order} {euros:.2f}\n")
    return f"{euros:.2f} € paid for {order}"


@kp.workflow
async def refund(order: str, euros: float) -> str:
    if euros > 50:
        answer = await kp.ask(
            "refunds",
            f"Pay {euros:.2f} € back for {order}?",
            about={"order": order, "euros": euros},
            within="2d",
            remind="1d",
            escalate_to="refunds-lead",
        )
        if not answer.is_yes:
            return f"refused by {answer.by}: {answer.reason}"
        euros = float(str(answer.value["euros"]))  # they may have made it less
    return await kp.run(pay, order, euros)
