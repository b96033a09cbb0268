"""Attacks through identifiers: ids, paths, tokens, and other users' resources."""

import base64
from typing import Final
from urllib.parse import quote

import httpx

from tests.support.attack_table import (
    API,
    JOBS_URL,
    UPLOADS_URL,
    Attack,
    AttackContext,
    attack_case,
    attack_cases,
    get_with_params,
    make_request,
)
from tests.support.multipart_forms import PROCESS_URL, form_fields, form_files
from videojobs.db.tokens import Scope

# ---- ids, cursors, paths -----------------------------------------------------------------------------------

attack_cases(
    "a job id that is none",
    (404,),
    {
        name: get_with_params(f"{JOBS_URL}/{quote(job_id, safe='')}")
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
attack_cases(
    "a parameter that is none",
    (422,),
    {
        "what": get_with_params(f"{JOBS_URL}/x/download", what="../../etc/passwd"),
        "cursor": get_with_params(JOBS_URL, cursor="' OR 1=1"),
        "cursor of another form": get_with_params(JOBS_URL, cursor="MjAyNi0wMS0wMSB4"),
        "cursor with NUL": get_with_params(JOBS_URL, cursor="MjAyNi0wMS0wMVQwMDowMDowMCswMDowMCB4AHk="),
        "limit too small": get_with_params(JOBS_URL, limit="-1"),
        "limit too large": get_with_params(JOBS_URL, limit="1000000000"),
        "limit of 5000 digits": get_with_params(JOBS_URL, limit="9" * 5000),
        "user": get_with_params(JOBS_URL, user="../grace"),
        "status": get_with_params(JOBS_URL, status="completed' --"),
        "page": get_with_params(JOBS_URL, page="-1"),
        "page of 5000 digits": get_with_params(f"{JOBS_URL}/", page="9" * 5000),
        "page size": get_with_params(f"{JOBS_URL}/", page_size="1000000000"),
        "status filter": get_with_params(f"{JOBS_URL}/", status_filter="completed' --"),
        "page and cursor": get_with_params(JOBS_URL, page="1", cursor="MjAyNi0wMS0wMSB4"),
    },
)
attack_cases(
    "a path that leads elsewhere",
    (404,),
    {
        "up": get_with_params("/api/v1/%2e%2e/%2e%2e/etc/passwd"),
        "twice": get_with_params("//api/v1/jobs"),
        "documentation": get_with_params("/docs"),
    },
)
attack_cases(
    "another method",
    (405,),
    {
        method: lambda scene, method=method: scene.http.request(method, JOBS_URL)  # type: ignore[misc]
        for method in ("PUT", "DELETE", "TRACE")
    },
)


# ---- tokens ------------------------------------------------------------------------------------------------

attack_cases(
    "no valid token",
    (401,),
    {
        "none": lambda scene: scene.get_without_token(),
        "guessed": lambda scene: scene.get_without_token(Authorization=f"Bearer vj_{'x' * 43}"),
        "SQL": lambda scene: scene.get_without_token(Authorization="Bearer ' OR '1'='1"),
        "basic": lambda scene: scene.get_without_token(Authorization="Basic YWRtaW46YWRtaW4="),
        "very long": lambda scene: scene.get_without_token(Authorization=f"Bearer {'x' * 10_000}"),
        "empty": lambda scene: scene.get_without_token(Authorization="Bearer"),
        "a hash of one": lambda scene: scene.get_without_token(Authorization=f"Bearer {'0' * 64}"),
    },
)


@attack_case("a valid token in the address", 401)
async def _(scene: AttackContext) -> httpx.Response:
    token = await scene.api.create_token(scene.user)
    async with httpx.AsyncClient(base_url=scene.api.base_url) as anybody:
        return await anybody.get(JOBS_URL, params={"token": token, "access_token": token})


@attack_case("a revoked token", 401)
async def _(scene: AttackContext) -> httpx.Response:
    token, text = await scene.api.repository.create_token(scene.user, [Scope.READ], "")
    await scene.api.repository.revoke_token(token.id)
    return await scene.get_without_token(Authorization=f"Bearer {text}")


@attack_case("a reader's token starts a job", 403)
async def _(scene: AttackContext) -> httpx.Response:
    async with await scene.api.create_client(scene.user, Scope.READ) as reader:
        return await reader.post(JOBS_URL, json=make_request())


@attack_case("a submitter's token reads", 403)
async def _(scene: AttackContext) -> httpx.Response:
    async with await scene.api.create_client(scene.user, Scope.SUBMIT) as submitter:
        return await submitter.get(JOBS_URL)


attack_cases(
    "another site's page makes a change by the cookie",
    (403,),
    {
        "without Origin": lambda scene: scene.post_with_cookie(),
        "its Origin": lambda scene: scene.post_with_cookie(Origin="https://evil.example"),
        "Origin null": lambda scene: scene.post_with_cookie(Origin="null"),
        "Origin that is no address": lambda scene: scene.post_with_cookie(Origin="http://["),
        "Origin that begins alike": lambda scene: scene.post_with_cookie(Origin=f"{scene.api.base_url}.evil.example"),
    },
)


attack_cases(
    "a link that is none",
    (404, 422),
    {
        "guessed": lambda scene: scene.open_link("A" * 96),
        "short": lambda scene: scene.open_link("A"),
        "very long": lambda scene: scene.open_link("A" * 8000),
        "traversal": lambda scene: scene.open_link("..%2F..%2Fetc%2Fpasswd"),
        "NUL": lambda scene: scene.open_link("A" * 40 + "%00"),
        "not Base64": lambda scene: scene.open_link("A" * 37),
        "no job's id in it": lambda scene: scene.open_link("_" * 60),
        "a job id": lambda scene: scene.open_link(scene.victim_job),
        "signed with no key": lambda scene: scene.open_link(forged_link(scene.victim_job)),
        "with another value of download": lambda scene: scene.open_link("A" * 96 + "?download=../x"),
    },
)


def forged_link(job_id: str) -> str:
    return base64.urlsafe_b64encode(b"\xff" * 4 + b"\0" * 16 + job_id.encode()).decode().rstrip("=")


# ---- other users' resources --------------------------------------------------------------------------------

attack_cases(
    "somebody else's job",
    (404,),
    {
        "status": lambda scene: scene.http.get(f"{API}/video-editors/pro-job/{scene.victim_job}/status"),
        "details": lambda scene: scene.http.get(f"{JOBS_URL}/{scene.victim_job}"),
        "download": lambda scene: scene.http.get(f"{JOBS_URL}/{scene.victim_job}/download"),
        "events": lambda scene: scene.http.get(f"{JOBS_URL}/{scene.victim_job}/events"),
        "cancel": lambda scene: scene.http.post(f"{JOBS_URL}/{scene.victim_job}/cancel"),
        "retry": lambda scene: scene.http.post(f"{JOBS_URL}/{scene.victim_job}/retry"),
        "status for the jobs page": lambda scene: scene.http.get(f"{JOBS_URL}/{scene.victim_job}/status"),
        "revoking its links": lambda scene: scene.http.post(f"{JOBS_URL}/{scene.victim_job}/links/revoke"),
    },
)
attack_cases(
    "somebody else's files",
    (404, 422),
    {
        "completing the upload": lambda scene: scene.http.post(
            f"{UPLOADS_URL}/{scene.victim_upload}/complete", json={"etags": ["x"]}
        ),
        "the upload as a source": lambda scene: scene.post_json(video=scene.victim_source),
        "by a path through one's own": lambda scene: scene.post_json(
            video=f"s3://{scene.api.store.bucket}/users/{scene.user}/uploads/../../victim/x.mp4"
        ),
        "another bucket": lambda scene: scene.post_json(video="s3://backups/database.mp4"),
        "S3 in capitals": lambda scene: scene.post_json(video=scene.victim_source.replace("s3:", "S3:")),
    },
)
attack_cases(
    "in somebody else's name",
    (403, 422),
    {
        "JSON": lambda scene: scene.post_json(user_id="victim"),
        "JSON, no text": lambda scene: scene.post_json(user_id={"$ne": ""}),
        "form": lambda scene: scene.http.post(PROCESS_URL, files=form_files(), data=form_fields(user_id="victim")),
        "list": get_with_params(JOBS_URL, user="victim"),
    },
)
attack_cases(
    "a source on the server",
    (422,),
    {
        "path": lambda scene: scene.post_json(video="/etc/passwd"),
        "file": lambda scene: scene.post_json(video="file:///etc/passwd"),
        "drive": lambda scene: scene.post_json(video="C:\\Windows\\win.ini"),
        "script": lambda scene: scene.post_json(video="javascript:alert(1)"),
        "with a password": lambda scene: scene.post_json(video="https://a:b@example.com/x.mp4"),
    },
)


# ---- webhooks: a way to make the server send requests ------------------------------------------------------

ENDPOINTS_URL: Final = f"{API}/webhook-endpoints"
DELIVERIES_URL: Final = f"{API}/webhook-deliveries"
_PRIVATE_URLS: Final = {
    "the machine itself": "https://127.0.0.1/",
    "its name": "https://localhost/",
    "one number": "https://2130706433/",
    "octal": "https://0177.0.0.1/",
    "IPv6": "https://[::1]/",
    "IPv4 in IPv6": "https://[::ffff:127.0.0.1]/",
    "the cloud's keys": "https://169.254.169.254/latest/meta-data/",
    "an inner name": "https://postgres.internal:5432/",
    "plain http": "http://example.com/",
    "file": "file:///etc/passwd",
    "gopher": "gopher://example.com/",
    "a password": "https://admin:admin@example.com/",
    "a line break": "https://example.com/\r\nX-Evil: 1",
    "a host after a backslash": "https://example.com\\@127.0.0.1/",
}


def _create_endpoint(url: str) -> Attack:
    return lambda scene: scene.http.post(ENDPOINTS_URL, json={"url": url})


def _name_callback(url: str) -> Attack:
    return lambda scene: scene.post_json(callback_url=url)


attack_cases(
    "a webhook into the private network",
    (422,),
    {name: _create_endpoint(url) for name, url in _PRIVATE_URLS.items()},
)
attack_cases(
    "a callback into the private network",
    (422,),
    {name: _name_callback(url) for name, url in _PRIVATE_URLS.items()},
)
attack_cases(
    "a webhook id that is none",
    (404, 422),
    {
        "traversal": get_with_params(f"{ENDPOINTS_URL}/{quote('../../jobs', safe='')}"),
        "NUL": get_with_params(f"{DELIVERIES_URL}/{quote('msg_' + chr(0), safe='')}"),
        "SQL": get_with_params(f"{DELIVERIES_URL}/{quote(chr(39) + ' OR 1=1', safe='')}"),
        "a filter": get_with_params(DELIVERIES_URL, endpoint_id="' OR 1=1"),
        "a cursor": get_with_params(DELIVERIES_URL, cursor="' OR 1=1"),
        "somebody's deliveries": get_with_params(f"{DELIVERIES_URL}/msg_{'0' * 32}"),
    },
)
attack_cases(
    "a webhook endpoint with more than it has",
    (400, 415, 422),
    {
        "a secret": lambda scene: scene.http.post(
            ENDPOINTS_URL, json={"url": "https://example.com/", "secret": "whsec_bWluZQ=="}
        ),
        "another user": lambda scene: scene.http.post(
            ENDPOINTS_URL, json={"url": "https://example.com/", "user_id": "victim"}
        ),
        "an event of its own": lambda scene: scene.http.post(
            ENDPOINTS_URL, json={"url": "https://example.com/", "events": ["*"]}
        ),
        "a million events": lambda scene: scene.http.post(
            ENDPOINTS_URL, json={"url": "https://example.com/", "events": ["job.failed"] * 50_000}
        ),
        "no JSON": lambda scene: scene.http.post(ENDPOINTS_URL, content=b"url=https://example.com/"),
        "a description that forges a log line": lambda scene: scene.http.post(
            ENDPOINTS_URL, json={"url": "https://example.com/", "description": "a\nb"}
        ),
    },
)
