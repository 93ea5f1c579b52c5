"""What a person got wrong in calling the command."""


class BadInput(Exception):
    """The input cannot be read, or the command line makes no sense; the message is one line."""
