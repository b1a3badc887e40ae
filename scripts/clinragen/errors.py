"""User-facing errors, shown as a message without a traceback."""


class UserError(Exception):
    """A problem with a file, a setting or the environment; the message names the place, the problem and the remedy."""


class TakenOver(UserError):
    """A newer instance of this job has taken over."""
