"""Claims with a message that only its subject's key opens, and what an erasure leaves of them.

    python examples/personal_claims.py

It keeps nothing. In an application of your own the declaration is all there is to it: `kingpost run`
opens the keys of its data directory, and `kingpost erase customer C42` destroys one.
"""

import tempfile
from pathlib import Path
from typing import Annotated

import kingpost as kp
from kingpost.contracts import contract_of
from kingpost.subjects import SqliteSubjectKeys, SubjectName, SubjectVault, read_master_key


class Claim(kp.Event):
    id: kp.Key[str]
    at: kp.EventTime
    customer: kp.Subject[str]
    amount: Annotated[float, kp.Range(ge=0), kp.Resolution("0.01")]
    message: Annotated[str, kp.Personal()]
    iban: Annotated[str | None, kp.Personal("drop")] = None


def main() -> None:
    contract = contract_of(Claim)
    bodies = [
        f'{{"id": "{at}", "at": "2026-03-01T12:00:00Z", "customer": "{customer}", "amount": 20, '
        f'"message": "I am {name} and I fell in Rome", "iban": "IT60 X054"}}'.encode()
        for at, (customer, name) in enumerate((("C42", "Ann"), ("C43", "Bob")))
    ]
    with tempfile.TemporaryDirectory() as name:
        data = Path(name)
        master = read_master_key(data / "subject_keys.master", may_make=True)
        vault = SubjectVault(SqliteSubjectKeys(data / "subject_keys.sqlite"), master)
        contract.desk.vault = vault
        stored = [contract.protect("acme", contract.decode(body), 0).body for body in bodies]
        print("stored:", stored[0].decode())
        print("before:", *[contract.decode_stored(body).message for body in stored], sep="\n  ")
        vault.destroy([(SubjectName("acme", "customer", "C42"), 1)])
        print("after:", *[contract.decode_stored(body).message for body in stored], sep="\n  ")
        vault.close()


if __name__ == "__main__":
    main()
