"""`/metrics` for Prometheus."""

import hmac
from ipaddress import ip_address
from typing import Final

from fastapi import APIRouter, HTTPException, Request, Response
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from deployments.api.dependencies import AppStateDep
from deployments.api.metrics import get_metrics
from deployments.api.settings import ApiSettings

router = APIRouter(tags=["operations"])

_PROXY_HEADERS: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request, state: AppStateDep) -> Response:
    """For holders of `metrics_token`; without one, for direct callers on this machine."""
    _authorize(request, state.settings)
    return Response(await get_metrics(request).render(), media_type=CONTENT_TYPE_LATEST)


def _authorize(request: Request, settings: ApiSettings) -> None:
    if settings.metrics_token is not None:
        authorization = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(authorization, b"Bearer " + settings.metrics_token.get_secret_value().encode()):
            raise HTTPException(401, "Send the metrics token.", {"WWW-Authenticate": "Bearer"})
    elif not _is_local_caller(request):
        raise HTTPException(403, "Only callers on the same machine may read this; set a metrics token for others.")


def _is_local_caller(request: Request) -> bool:
    """Whether the caller is on this machine and is not a proxy that forwards someone else's request."""
    host = request.client.host if request.client else ""
    try:
        is_loopback = ip_address(host).is_loopback
    except ValueError:
        return False
    return is_loopback and not any(name in request.headers for name in _PROXY_HEADERS)
