"""Errors that are the user's to repair: they print a message, never a traceback."""


class UserError(Exception):
    """A problem with a file, a setting or the surroundings, told as place, fact and remedy."""


class TakenOver(UserError):
    """A newer copy of the same job goes on with the work of this one."""
