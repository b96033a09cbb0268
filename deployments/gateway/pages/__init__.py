"""What people see of the front door in a browser. Server-rendered; scripts only add to it."""

from fastapi import FastAPI

from deployments.gateway.pages import job, listing, session, submit
from deployments.gateway.pages.templating import Static


def add_pages(app: FastAPI) -> None:
    """All pages, and their style and scripts."""
    for router in (session.router, listing.router, job.router, submit.pages, submit.router):
        app.include_router(router)
    app.mount("/static", Static(), name="static")
