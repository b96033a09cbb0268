"""What people see of the front door in a browser. Server-rendered; scripts only add to it."""

from fastapi import FastAPI

from deployments.api.pages import job, job_list, lecture, session, submit
from deployments.api.pages.templating import StaticAssets


def add_pages(app: FastAPI) -> None:
    """All pages, and their style and scripts."""
    for router in (session.router, job_list.router, job.router, submit.page_router, submit.router, lecture.router):
        app.include_router(router)
    app.mount("/static", StaticAssets(), name="static")
