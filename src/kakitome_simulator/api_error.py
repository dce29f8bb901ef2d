"""Errors of AWS's APIs, before they are an answer."""

from __future__ import annotations


class ApiError(Exception):
    """An answer of AWS that is an error: HTTP status, type, message."""

    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.message = message


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequestException", message)


def not_found(message: str) -> ApiError:
    return ApiError(404, "NotFoundException", message)


def already_exists(message: str) -> ApiError:
    return ApiError(400, "AlreadyExistsException", message)
