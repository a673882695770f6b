"""The error that the command line shows to its user."""


class UserError(Exception):
    """A request that cannot be carried out. The message is one line for the user."""
