"""Errors a user can cause, told in one line."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can mend.

    The message is one line: what was expected, what came, what to do. Commands print it and exit
    with a code other than 0; nodes log it, put it on /diagnostics and go to the error state.
    """
