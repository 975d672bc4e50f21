"""How is an EPP document read without believing it? For both directions, by the same rules.

Read with the standard library's parser. A document type declaration is refused where it begins,
before it can define an entity: RFC 5730 knows none. The size is the transport's `max_frame`. No
error quotes the document, which may hold a password.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

__all__ = ["EPP", "EPP_NAMESPACE", "DocumentError", "child_text", "root_of"]

EPP_NAMESPACE = "urn:ietf:params:xml:ns:epp-1.0"
EPP = f"{{{EPP_NAMESPACE}}}"


class DocumentError(ValueError):
    """These octets are not an EPP document of the kind expected."""


class _NoDoctype(TreeBuilder):
    def doctype(self, *_declaration: object) -> None:
        raise DocumentError("declares a document type")


def root_of(document: bytes) -> Element:
    """Return the `<epp>` element of `document` (RFC 5730, section 2.1).

    Raises:
        DocumentError: not XML, or another root, or a document type.
    """
    parser = XMLParser(target=_NoDoctype())
    try:
        parser.feed(document)
        root: Element = parser.close()
    except ParseError as error:
        raise DocumentError(f"is not XML: {error}") from None
    except (LookupError, ValueError) as error:  # an encoding that nobody knows
        if isinstance(error, DocumentError):
            raise
        raise DocumentError(f"is in no known encoding ({type(error).__name__})") from None
    if root.tag != f"{EPP}epp":
        raise DocumentError("has no <epp> root")
    return root


def child_text(parent: Element, path: str) -> str | None:
    """Return the text at `path`, white space collapsed as XML Schema's `token` has it, or None."""
    text = parent.findtext(path)
    return None if text is None else " ".join(text.split())
