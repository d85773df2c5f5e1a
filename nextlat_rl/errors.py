"""The one exception a user can cause."""


class UserError(Exception):
    """Bad input. The message is one line that names the thing and the remedy; commands print it and exit with code 2."""
