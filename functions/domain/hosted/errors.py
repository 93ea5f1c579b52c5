"""What `mesh_api` answers when it refuses: the errors of App Mesh's model, and the few that HTTP adds.

botocore reads the code from the header `x-amzn-errortype` and the text from `message`.
"""

from domain.errors import MeshiftError

STATUS = {
    "BadRequestException": 400,
    "LimitExceededException": 400,
    "TooManyTagsException": 400,
    "ForbiddenException": 403,
    "NotFoundException": 404,
    "UnknownOperationException": 404,
    "ConflictException": 409,
    "ResourceInUseException": 409,
    "RequestEntityTooLargeException": 413,
    "TooManyRequestsException": 429,
    "InternalServerErrorException": 500,
    "ServiceUnavailableException": 503,
}


class ApiError(MeshiftError):
    """An answer that is an error: one of App Mesh's codes, and a message for a person."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = STATUS[code]


def bad_request(message: str) -> ApiError:
    return ApiError("BadRequestException", message)


def conflict(message: str) -> ApiError:
    return ApiError("ConflictException", message)


def in_use(message: str) -> ApiError:
    return ApiError("ResourceInUseException", message)


def limit_exceeded(message: str) -> ApiError:
    return ApiError("LimitExceededException", message)


def not_found(message: str) -> ApiError:
    return ApiError("NotFoundException", message)
