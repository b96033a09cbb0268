"""Attacks by what is asked for: ids, paths, tokens, other people's things."""

from urllib.parse import quote

import httpx

from tests.gateway.attacking import API, JOBS, UPLOADS, Scene, get, request, row, rows
from tests.gateway.forms import PROCESS, fields, files
from videojobs.ledger.tokens import Scope

# ---- ids, cursors, paths -----------------------------------------------------------------------------------

rows(
    "a job id that is none",
    (404,),
    {
        name: get(f"{JOBS}/{quote(job_id, safe='')}")
        for name, job_id in {
            "traversal": "../../../../etc/passwd",
            "NUL": "x\0y",
            "SQL": "' OR '1'='1",
            "line break": "x\r\nSet-Cookie: a=b",
            "very long": "x" * 8000,
            "not ASCII": "jöb",
            "bad UTF-8": "\udcff".encode("utf-8", "surrogateescape").decode("latin-1"),
        }.items()
    },
)
rows(
    "a parameter that is none",
    (422,),
    {
        "what": get(f"{JOBS}/x/download", what="../../etc/passwd"),
        "cursor": get(JOBS, cursor="' OR 1=1"),
        "cursor of another form": get(JOBS, cursor="MjAyNi0wMS0wMSB4"),
        "cursor with NUL": get(JOBS, cursor="MjAyNi0wMS0wMVQwMDowMDowMCswMDowMCB4AHk="),
        "limit too small": get(JOBS, limit="-1"),
        "limit too large": get(JOBS, limit="1000000000"),
        "limit of 5000 digits": get(JOBS, limit="9" * 5000),
        "user": get(JOBS, user="../grace"),
        "status": get(JOBS, status="completed' --"),
    },
)
rows(
    "a path that leads elsewhere",
    (404,),
    {
        "up": get("/api/v1/%2e%2e/%2e%2e/etc/passwd"),
        "twice": get("//api/v1/jobs"),
        "documentation": get("/docs"),
    },
)
rows(
    "another method",
    (405,),
    {method: lambda scene, method=method: scene.http.request(method, JOBS) for method in ("PUT", "DELETE", "TRACE")},  # type: ignore[misc]
)


# ---- tokens ------------------------------------------------------------------------------------------------

rows(
    "no valid token",
    (401,),
    {
        "none": lambda scene: scene.without_token(),
        "guessed": lambda scene: scene.without_token(Authorization=f"Bearer vj_{'x' * 43}"),
        "SQL": lambda scene: scene.without_token(Authorization="Bearer ' OR '1'='1"),
        "basic": lambda scene: scene.without_token(Authorization="Basic YWRtaW46YWRtaW4="),
        "very long": lambda scene: scene.without_token(Authorization=f"Bearer {'x' * 10_000}"),
        "empty": lambda scene: scene.without_token(Authorization="Bearer"),
        "a hash of one": lambda scene: scene.without_token(Authorization=f"Bearer {'0' * 64}"),
    },
)


@row("a valid token in the address", 401)
async def _(scene: Scene) -> httpx.Response:
    token = await scene.door.token(scene.user)
    async with httpx.AsyncClient(base_url=scene.door.address) as anybody:
        return await anybody.get(JOBS, params={"token": token, "access_token": token})


@row("a revoked token", 401)
async def _(scene: Scene) -> httpx.Response:
    token, text = await scene.door.ledger.create_token(scene.user, [Scope.READ], "")
    await scene.door.ledger.revoke_token(token.id)
    return await scene.without_token(Authorization=f"Bearer {text}")


@row("a reader's token starts a job", 403)
async def _(scene: Scene) -> httpx.Response:
    async with await scene.door.client(scene.user, Scope.READ) as reader:
        return await reader.post(JOBS, json=request())


@row("a submitter's token reads", 403)
async def _(scene: Scene) -> httpx.Response:
    async with await scene.door.client(scene.user, Scope.SUBMIT) as submitter:
        return await submitter.get(JOBS)


rows(
    "another site's page makes a change by the cookie",
    (403,),
    {
        "without Origin": lambda scene: scene.with_cookie(),
        "its Origin": lambda scene: scene.with_cookie(Origin="https://evil.example"),
        "Origin null": lambda scene: scene.with_cookie(Origin="null"),
        "Origin that is no address": lambda scene: scene.with_cookie(Origin="http://["),
        "Origin that begins alike": lambda scene: scene.with_cookie(Origin=f"{scene.door.address}.evil.example"),
    },
)


# ---- other people's things ---------------------------------------------------------------------------------

rows(
    "somebody else's job",
    (404,),
    {
        "status": lambda scene: scene.http.get(f"{API}/video-editors/pro-job/{scene.victims_job}/status"),
        "details": lambda scene: scene.http.get(f"{JOBS}/{scene.victims_job}"),
        "download": lambda scene: scene.http.get(f"{JOBS}/{scene.victims_job}/download"),
        "events": lambda scene: scene.http.get(f"{JOBS}/{scene.victims_job}/events"),
        "cancel": lambda scene: scene.http.post(f"{JOBS}/{scene.victims_job}/cancel"),
        "retry": lambda scene: scene.http.post(f"{JOBS}/{scene.victims_job}/retry"),
    },
)
rows(
    "somebody else's files",
    (404, 422),
    {
        "completing the upload": lambda scene: scene.http.post(
            f"{UPLOADS}/{scene.victims_upload}/complete", json={"etags": ["x"]}
        ),
        "the upload as a source": lambda scene: scene.json(video=scene.victims_source),
        "by a path through one's own": lambda scene: scene.json(
            video=f"s3://{scene.door.store.bucket}/users/{scene.user}/uploads/../../victim/x.mp4"
        ),
        "another bucket": lambda scene: scene.json(video="s3://backups/database.mp4"),
        "S3 in capitals": lambda scene: scene.json(video=scene.victims_source.replace("s3:", "S3:")),
    },
)
rows(
    "in somebody else's name",
    (403, 422),
    {
        "JSON": lambda scene: scene.json(user_id="victim"),
        "JSON, no text": lambda scene: scene.json(user_id={"$ne": ""}),
        "form": lambda scene: scene.http.post(PROCESS, files=files(), data=fields(user_id="victim")),
        "list": get(JOBS, user="victim"),
    },
)
rows(
    "a source on the server",
    (422,),
    {
        "path": lambda scene: scene.json(video="/etc/passwd"),
        "file": lambda scene: scene.json(video="file:///etc/passwd"),
        "drive": lambda scene: scene.json(video="C:\\Windows\\win.ini"),
        "script": lambda scene: scene.json(video="javascript:alert(1)"),
        "with a password": lambda scene: scene.json(video="https://a:b@example.com/x.mp4"),
    },
)
