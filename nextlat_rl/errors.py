"""The one exception a user can cause."""


class UserError(Exception):
    """Bad input; the message is one line that names the thing and the remedy. Commands print it and exit with 2."""
