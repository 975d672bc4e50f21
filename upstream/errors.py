"""What the upstream tools raise when something does not fit."""


class UpstreamError(Exception):
    """One line: which file, what was expected, what was found, what to do."""

    def __init__(self, message: str) -> None:
        """Keep `message` on a single line, so that every build front end shows it whole."""
        super().__init__(" ".join(message.split()))
