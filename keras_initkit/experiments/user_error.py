"""The error of the person at the command line."""


class UserError(Exception):
    """What was asked for cannot be done. The message is one line, for that person."""
