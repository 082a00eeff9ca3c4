"""Why the console lets somebody not in, or does not believe what was sent."""

from kingpost.core import KingpostError

__all__ = [
    "BadField",
    "ForeignRequest",
    "FormRefused",
    "FormTooLarge",
    "IssuerFailed",
    "NoPages",
    "PageNotFound",
    "SignInRefused",
]


class ForeignRequest(KingpostError):
    """A page of another site sent this."""

    code = "foreign_request"

    def __str__(self) -> str:
        return "this was sent from another site's page; nothing was changed: open the console anew"


class FormRefused(KingpostError):
    """A form without the secret of its session, or one that cannot be read."""

    code = "form_refused"

    def __str__(self) -> str:
        return "this form is not of your session; nothing was changed: reload the page, send again"


class FormTooLarge(KingpostError):
    """A form that is too large, too slow or no form."""

    code = "form_too_large"

    def __str__(self) -> str:
        return "this form is larger than any of ours, or no form; nothing was changed"


class NoPages(KingpostError):
    """Somebody known who may open no page."""

    code = "no_pages"

    def __str__(self) -> str:
        return (
            "this opens no page of the console: it lacks the scopes 'records', 'review', "
            "'workflows' and 'audit'"
        )


class SignInRefused(KingpostError):
    """What the issuer sent back lets nobody in."""

    code = "sign_in_refused"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"not signed in: {self.reason}"


class IssuerFailed(KingpostError):
    """The issuer of accounts could not be asked.

    Safe to retry: nobody was let in.
    """

    code = "issuer_failed"
    retry_safe = True

    def __init__(self, issuer: str, reason: str) -> None:
        super().__init__(issuer, reason)
        self.issuer, self.reason = issuer, reason

    def __str__(self) -> str:
        return f"issuer {self.issuer} cannot be asked ({self.reason}); try again, or use an API key"


class PageNotFound(KingpostError):
    """Nothing of this tenant has this address."""

    code = "page_not_found"

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"there is no such {self.what}; it may be another tenant's, or the address is wrong"


class BadField(KingpostError):
    """A form, or an address, that does not say what it should."""

    code = "bad_field"

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(field, expected)
        self.field, self.expected = field, expected

    def __str__(self) -> str:
        return f"{self.field}: {self.expected}"
