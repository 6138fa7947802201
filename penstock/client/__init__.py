"""A typed client of the gateway, sync and async. It stands alone: nothing else of Penstock is imported."""

from penstock.client.async_client import AsyncClient
from penstock.client.client import Client
from penstock.client.core import ModelInfo, Prediction, Retries
from penstock.client.errors import (
    ApiError,
    BadRequest,
    Conflict,
    CreditExhausted,
    Forbidden,
    NotFound,
    QuotaExceeded,
    RateLimited,
    Unauthorised,
    Unavailable,
)

__all__ = [
    "ApiError",
    "AsyncClient",
    "BadRequest",
    "Client",
    "Conflict",
    "CreditExhausted",
    "Forbidden",
    "ModelInfo",
    "NotFound",
    "Prediction",
    "QuotaExceeded",
    "RateLimited",
    "Retries",
    "Unauthorised",
    "Unavailable",
]
