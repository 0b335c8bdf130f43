"""What a request can end with instead of an answer: status and body as Mastodon gives them."""

from http import HTTPStatus
from typing import Any


class ApiError(Exception):
    """An HTTP status with a JSON body."""

    def __init__(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = headers or {}


_PHRASES = {413: "Content Too Large", 422: "Unprocessable Content"}  # as Rack 3 names them


def phrase(status: int) -> str:
    """The status's name, as Rack::Utils::HTTP_STATUS_CODES has it."""
    return _PHRASES.get(status) or HTTPStatus(status).phrase


def plain(status: int) -> ApiError:
    """The status's own name as the message (Api::BaseController#respond_with_error)."""
    return ApiError(status, {"error": phrase(status)})


def said(status: int, message: str) -> ApiError:
    """A status with a message."""
    return ApiError(status, {"error": message})


def record_not_found() -> ApiError:
    """ActiveRecord::RecordNotFound."""
    return said(404, "Record not found")


def not_permitted() -> ApiError:
    """Mastodon::NotPermittedError."""
    return said(403, "This action is not allowed")


def missing_parameter(name: str) -> ApiError:
    """ActionController::ParameterMissing."""
    return said(400, f"param is missing or the value is empty or invalid: {name}")


def invalid_token(description: str = "The access token is invalid") -> ApiError:
    """401 with Doorkeeper's challenge."""
    return ApiError(
        401,
        {"error": description},
        {
            "WWW-Authenticate": f'Bearer realm="Doorkeeper", error="invalid_token", error_description="{description}"',
            "Cache-Control": "no-store",
        },
    )


def outside_scopes() -> ApiError:
    """403 for a token that lacks the scope."""
    return said(403, "This action is outside the authorized scopes")


def oauth(error: str, description: str, status: int = 400) -> ApiError:
    """An error of the token endpoint (RFC 6749, section 5.2)."""
    headers = {"Cache-Control": "no-store"}
    if status == 401:  # noqa: PLR2004
        headers["WWW-Authenticate"] = f'Bearer realm="Doorkeeper", error="{error}", error_description="{description}"'
    return ApiError(status, {"error": error, "error_description": description}, headers)
