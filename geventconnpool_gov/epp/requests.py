"""What does a request ask? Read from the document that is sent, not from the name of a class.

A subclass, a wrapper or an extension may send anything; what it sends decides what may be repeated,
what ends a login, and which clTRID the reply must have.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .documents import EPP, DocumentError, child_text, root_of

__all__ = ["Asked", "read_request"]

# RFC 5730, section 2.9.2: "EPP Query Commands". `<poll op="ack">` takes a message away.
_HARMLESS = {
    ("hello", None),
    ("check", None),
    ("info", None),
    ("poll", "req"),
    ("transfer", "query"),
}
_AFTER_THE_VERB = {f"{EPP}extension", f"{EPP}clTRID"}


@dataclass(frozen=True)
class Asked:
    """One request: `kind` is its verb, `extension` (RFC 5730, section 2.7.1), or `""`: unknown."""

    kind: str
    operation: str | None = None
    transaction: str | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)
    changes_password: bool = False

    @property
    def harmless(self) -> bool:
        """Whether executing it twice does no more than once.

        That is hello, check, info, poll request and transfer query, with a command extension or
        without: a query is read-only, and an extension adds to it what to ask for. Anything that
        is not plainly one of them is taken for a change.
        """
        return (self.kind, self.operation) in _HARMLESS

    def without_secrets(self, text: str) -> str:
        """Return `text`, which the registry wrote, without the passwords that it may quote."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def read_request(document: bytes) -> Asked:
    """Return what `document`, about to be sent, asks.

    Raises:
        DocumentError: it is not an EPP request, so no reply to it could be told from another's.
    """
    root = root_of(document)
    if len(root) != 1:
        raise DocumentError("is not one EPP request")
    wrapper = root[0]
    if wrapper.tag == f"{EPP}hello":
        return Asked("hello")
    if wrapper.tag == f"{EPP}extension":
        return Asked("extension", transaction=child_text(wrapper, ".//{*}clTRID"))
    if wrapper.tag != f"{EPP}command" or not len(wrapper):
        raise DocumentError("is not an EPP request")
    verb, *others = wrapper
    plain = verb.tag.startswith(EPP) and all(other.tag in _AFTER_THE_VERB for other in others)
    return Asked(
        kind=verb.tag.removeprefix(EPP) if plain else "",
        operation=verb.get("op"),
        transaction=child_text(wrapper, f"{EPP}clTRID"),
        secrets=tuple(
            element.text
            for tag in ("pw", "newPW")
            for element in verb.iter(f"{EPP}{tag}")
            if element.text
        ),
        changes_password=verb.find(f"{EPP}newPW") is not None,
    )
