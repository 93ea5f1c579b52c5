"""The errors of local RAM."""


class RamError(Exception):
    """An error of RAM's API: its code, as in the model, and a message."""

    def __init__(self, code: str, message: str, modelled: bool = True) -> None:
        super().__init__(message)
        self.code, self.modelled = code, modelled
