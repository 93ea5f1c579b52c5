"""The errors of local RAM."""


class RamError(Exception):
    """An error of RAM's API: its code, a message, and the status; 0 is the model's own."""

    def __init__(self, code: str, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.code, self.status = code, status
