"""Errors that are the user's to repair: they print a message, never a traceback."""


class UserError(Exception):
    """A problem with a file, a setting or the surroundings, told as place, fact and remedy."""
