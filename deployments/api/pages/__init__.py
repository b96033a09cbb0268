"""The pages for people. Rendered on the server; scripts only enhance them."""

from fastapi import FastAPI

from deployments.api.pages import job, job_list, lecture, session, submit, webhooks
from deployments.api.pages.templating import StaticAssets


def add_pages(app: FastAPI) -> None:
    """Add all pages with their styles and scripts."""
    for router in (
        session.router,
        job_list.router,
        job.router,
        submit.page_router,
        submit.router,
        lecture.router,
        webhooks.router,
    ):
        app.include_router(router)
    app.mount("/static", StaticAssets(), name="static")
