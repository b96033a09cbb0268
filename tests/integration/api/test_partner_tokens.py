"""Tokens that a partner signs: which are accepted, and what they allow."""

import asyncio
import time
from typing import Any

import httpx
import jwt
import pytest

from deployments.api import partner_keys
from deployments.api.errors import ApiError
from deployments.api.partner_keys import PartnerKeysUnavailable
from deployments.api.partner_tokens import PartnerTokenRejected, PartnerTokenVerifier
from deployments.api.settings import PartnerTokenSettings
from tests.integration.api.conftest import run_api_server
from tests.integration.api.test_jobs import create_job
from tests.support.attack_table import make_request
from tests.support.partner import (
    AUDIENCE,
    ISSUER,
    KEY,
    OTHER_KEY,
    claims_of,
    jwk,
    new_key,
    public_pem,
    publish_keys,
    raw_token,
    sign_token,
)

JOBS_URL = "/api/v1/jobs"


def make_verifier(**settings: Any) -> PartnerTokenVerifier:
    given = {"public_key": public_pem(), "issuer": ISSUER, "audience": AUDIENCE} | settings
    verifier = PartnerTokenVerifier.from_settings(PartnerTokenSettings(**given))
    assert verifier is not None
    return verifier


def published(url: str, **settings: Any) -> PartnerTokenVerifier:
    """A verifier with the keys at this URL."""
    return make_verifier(public_key=None, jwks_url=url, jwks_allow_private=True, **settings)


async def reason(verifier: PartnerTokenVerifier, token: str) -> str:
    """Why the token is rejected with 401."""
    with pytest.raises(PartnerTokenRejected) as caught:
        await verifier.verify(token)
    assert caught.value.status_code == 401
    return str(caught.value.detail)


# ---- over HTTP ---------------------------------------------------------------------------------------------


async def test_a_partners_user_works_with_own_jobs_only(
    service_variables: dict[str, str], user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("PUBLIC_KEY", public_pem().replace("\n", "\\n")), ("ISSUER", ISSUER), ("AUDIENCE", AUDIENCE)):
        monkeypatch.setenv(f"VIDEOJOBS_JWT_{name}", value)
    with run_api_server(service_variables, failures_per_minute=2) as api:
        theirs = await create_job(api, "somebody-else")
        headers = {"Authorization": f"Bearer {sign_token(user)}"}
        async with httpx.AsyncClient(base_url=api.base_url, headers=headers) as http:
            answer = await http.post(JOBS_URL, json=make_request())
            assert answer.status_code == 202, answer.text
            assert [job["job_id"] for job in (await http.get(JOBS_URL)).json()["jobs"]] == [answer.json()["job_id"]]
            assert (await http.get(f"{JOBS_URL}/{theirs.id}")).status_code == 404
            job = await api.repository.get_job(answer.json()["job_id"])
            [event] = await api.repository.list_events(job.id)
            assert (job.user_id, event.actor) == (user, f"{user} (token {ISSUER}#{user})")
            http.headers["Authorization"] = f"Bearer {sign_token(user, scope='read')}"
            assert (await http.post(JOBS_URL, json=make_request())).status_code == 403
            http.headers["Authorization"] = f"Bearer {await api.create_token(user)}"
            assert (await http.get(JOBS_URL)).status_code == 200, "our own tokens work as before"
            for _ in range(3):  # a page that polls with an expired token does not lock out its office
                http.headers["Authorization"] = f"Bearer {sign_token(user, exp=int(time.time()) - 3600)}"
                expired = await http.get(JOBS_URL)
            assert (expired.status_code, expired.headers["WWW-Authenticate"]) == (401, 'Bearer error="invalid_token"')
            assert expired.json()["detail"] == "This token is not valid: it has expired; get a new one."
            http.headers["Authorization"] = f"Bearer {sign_token(user, key=OTHER_KEY)}"
            assert [(await http.get(JOBS_URL)).status_code for _ in range(3)] == [401, 401, 429]


async def test_a_partners_token_is_unknown_without_the_setting(service_variables: dict[str, str]) -> None:
    with run_api_server(service_variables) as api:
        async with httpx.AsyncClient(base_url=api.base_url) as http:
            answer = await http.get(JOBS_URL, headers={"Authorization": f"Bearer {sign_token()}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_unreachable_keys_are_a_503(service_variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    with publish_keys() as server:
        url = server.url
    for name, value in (("JWKS_URL", url), ("JWKS_ALLOW_PRIVATE", "1"), ("ISSUER", ISSUER), ("AUDIENCE", AUDIENCE)):
        monkeypatch.setenv(f"VIDEOJOBS_JWT_{name}", value)
    with run_api_server(service_variables) as api:
        async with httpx.AsyncClient(base_url=api.base_url) as http:
            answer = await http.get(JOBS_URL, headers={"Authorization": f"Bearer {sign_token()}"})
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
            own = {"Authorization": f"Bearer {await api.create_token('ada')}"}
            assert (await http.get(JOBS_URL, headers=own)).status_code == 200


# ---- claims ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"exp": None}, "it has no `exp`"),
        ({"sub": None}, "it has no `sub`"),
        ({"iss": None}, "it has no `iss`"),
        ({"aud": None}, "it has no `aud`"),
        ({"iss": "https://other.example"}, "its `iss` is not the issuer"),
        ({"aud": "another-service"}, "its `aud` is not this service"),
        ({"exp": int(time.time()) - 120}, "it has expired"),
        ({"nbf": int(time.time()) + 3600}, "it is not valid yet"),
        ({"exp": int(time.time()) + 90_000}, "it lasts for more than 24 hours"),
        ({"sub": 7}, "its signature or form is wrong"),
        ({"exp": "soon"}, "its signature or form is wrong"),
        ({"exp": float("inf")}, "its signature or form is wrong"),
    ],
)
async def test_a_token_with_wrong_claims_is_rejected(changes: dict[str, Any], text: str) -> None:
    assert text in await reason(make_verifier(), sign_token(**changes))


async def test_clocks_may_differ_a_little() -> None:
    late = sign_token(exp=int(time.time()) - 10, nbf=int(time.time()) + 10)
    assert (await make_verifier().verify(late)).user_id == "ada"
    strict = make_verifier(leeway_seconds=0)
    assert "has expired" in await reason(strict, sign_token(exp=int(time.time()) - 10))


@pytest.mark.parametrize("user", ["../grace", "ada@example.com", "a b", "", "x" * 65, "ada\n", "ädä"])
async def test_a_sub_that_is_no_user_id_is_a_403(user: str) -> None:
    with pytest.raises(ApiError) as caught:
        await make_verifier().verify(sign_token(user))
    assert caught.value.status_code == 403
    assert "The `sub` of this token cannot be a user here: it must be 1 to 64 letters" in str(caught.value.detail)


@pytest.mark.parametrize(
    ("settings", "changes", "scopes"),
    [
        ({}, {"scope": "read"}, {"read"}),
        ({}, {"scope": "openid read submit"}, {"read", "submit"}),
        ({}, {"scope": "admin"}, None),
        ({}, {"scope": None}, None),
        ({}, {"scope": 7}, None),
        ({}, {"scope": [["read"], "submit"]}, {"submit"}),
        ({"scopes": {"*": ["submit", "read"]}}, {"scope": None}, {"read", "submit"}),
        (
            {"scopes": {"pro": ["submit", "read"]}, "scope_claim": "subscription_tier"},
            {"subscription_tier": "free"},
            None,
        ),
        (
            {"scopes": {"pro": ["submit", "read"]}, "scope_claim": "subscription_tier"},
            {"subscription_tier": "pro"},
            {"submit", "read"},
        ),
        ({"scopes": {"staff": ["admin"]}, "scope_claim": "roles"}, {"roles": ["x", "staff"]}, {"admin"}),
    ],
)
async def test_a_claim_gives_the_scopes(
    settings: dict[str, Any], changes: dict[str, Any], scopes: set[str] | None
) -> None:
    verifier = make_verifier(**settings)
    if scopes is not None:
        assert (await verifier.verify(sign_token(**changes))).scopes == scopes
        return
    with pytest.raises(ApiError, match="allows nothing here") as caught:
        await verifier.verify(sign_token(**changes))
    assert caught.value.status_code == 403


# ---- signatures --------------------------------------------------------------------------------------------


def hs256_with_the_public_key() -> str:
    """Algorithm confusion: the public key, which everybody knows, as the secret of an HMAC."""
    secret = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA512)
    header = raw_token({"alg": "HS256", "typ": "JWT"}).rpartition(".")[0]
    signature = secret.sign(header.encode(), public_pem().encode()) * 4
    return raw_token({"alg": "HS256", "typ": "JWT"}, signature)


@pytest.mark.parametrize(
    "token",
    [
        sign_token(key=OTHER_KEY),
        sign_token()[:-8] + "AAAAAAAA",
        raw_token({"alg": "none"}),
        raw_token({"alg": "NONE"}),
        raw_token({"alg": "HS256"}),
        hs256_with_the_public_key(),
        raw_token({"alg": "RS256", "crit": ["x"]}),
        raw_token({"alg": "RS256", "jku": "https://evil.example/jwks.json"}),
        raw_token({"alg": "RS256", "jwk": jwk(OTHER_KEY, None)}),
        raw_token({"alg": ["RS256"]}),
        raw_token({"alg": "RS256", "kid": 7}),
        jwt.encode(claims_of(), OTHER_KEY, algorithm="RS512"),
        jwt.encode(claims_of(), KEY, algorithm="PS256"),
        "a" * 40 + "." + "b" * 40 + "." + "c" * 400,
    ],
)
async def test_a_token_that_the_partner_did_not_sign_is_a_guess(token: str) -> None:
    verifier = make_verifier()
    with pytest.raises(PartnerTokenRejected) as caught:
        await verifier.verify(token)
    assert caught.value.is_guess


def test_our_own_tokens_and_unsigned_ones_are_no_partner_tokens() -> None:
    for text in ("vj_" + "x" * 43, raw_token({"alg": "none"}, b""), "a.b.c", sign_token() + "\n"):
        assert not PartnerTokenVerifier.looks_like_one(text)
    assert PartnerTokenVerifier.looks_like_one(sign_token())


# ---- published keys ----------------------------------------------------------------------------------------


async def test_keys_are_fetched_once_for_many_requests() -> None:
    with publish_keys(jwk(KEY, "one"), jwk(OTHER_KEY, "two")) as server:
        verifier = published(server.url)
        tokens = [sign_token(kid="one"), sign_token(key=OTHER_KEY, kid="two")] * 20
        found = await asyncio.gather(*(verifier.verify(token) for token in tokens))
        assert ({token.user_id for token in found}, server.requests) == ({"ada"}, 1)


async def test_a_new_key_works_at_once_and_a_withdrawn_one_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = time.monotonic()
    monkeypatch.setattr(partner_keys, "monotonic", lambda: clock)
    with publish_keys(jwk(KEY, "old")) as server:
        verifier = published(server.url)
        await verifier.verify(sign_token(kid="old"))
        clock += 60
        server.entries = [jwk(OTHER_KEY, "new")]
        await verifier.verify(sign_token(key=OTHER_KEY, kid="new"))
        assert "no key with the `kid`" in await reason(verifier, sign_token(kid="old"))
        assert server.requests == 2


async def test_made_up_key_ids_cause_no_stream_of_requests() -> None:
    with publish_keys(jwk(KEY, "one")) as server:
        verifier = published(server.url)
        for number in range(20):
            assert "no key with the `kid`" in await reason(verifier, sign_token(key=OTHER_KEY, kid=f"k{number}"))
        assert server.requests == 1


async def test_a_token_without_kid_needs_a_single_key() -> None:
    with publish_keys(jwk(KEY, "one")) as server:
        assert (await published(server.url).verify(sign_token())).user_id == "ada"
        server.entries.append(jwk(OTHER_KEY, "two"))
        assert "its header has no `kid`" in await reason(published(server.url), sign_token())


async def test_an_outage_of_the_partner_is_bridged_for_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = time.monotonic()
    monkeypatch.setattr(partner_keys, "monotonic", lambda: clock)
    with publish_keys(jwk(KEY, "one")) as server:
        verifier = published(server.url)
        await verifier.verify(sign_token(kid="one"))
        server.status = 500
        clock += 3500
        await verifier.verify(sign_token(kid="one"))
        clock += 500
        with pytest.raises(PartnerKeysUnavailable):
            await verifier.verify(sign_token(kid="one"))
        server.status = 200
        clock += 60
        await wait_until_accepted(verifier, sign_token(kid="one"))


async def wait_until_accepted(verifier: PartnerTokenVerifier, token: str) -> None:
    """The keys are fetched in the background after an outage."""
    async with asyncio.timeout(10):
        while True:
            try:
                await verifier.verify(token)
                return
            except PartnerKeysUnavailable:
                await asyncio.sleep(0.02)


async def test_nobody_waits_for_a_partner_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = time.monotonic()
    monkeypatch.setattr(partner_keys, "monotonic", lambda: clock)
    with publish_keys(jwk(KEY, "one")) as server:
        verifier = published(server.url)
        await verifier.verify(sign_token(kid="one"))
        server.status = 500
        clock += 400
        await verifier.verify(sign_token(kid="one"))  # this one notices the outage
        server.go_on.clear()
        clock += 40
        async with asyncio.timeout(2):  # the partner does not respond any more
            await verifier.verify(sign_token(kid="one"))
        server.go_on.set()


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (302, b"{}"),
        (404, b"{}"),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b'{"keys": {}}'),
        (200, b'{"keys": []}'),
        (200, b"x" * 100_000),
    ],
)
async def test_an_unusable_key_set_is_unavailable(status: int, content: bytes) -> None:
    with publish_keys() as server:
        server.status, server.content = status, content
        with pytest.raises(PartnerKeysUnavailable):
            await published(server.url).verify(sign_token(kid="one"))


async def test_only_strong_rsa_signing_keys_are_used() -> None:
    weak = new_key(1024)
    symmetric = {"kty": "oct", "k": "c2VjcmV0", "kid": "one", "alg": "HS256"}
    others = [jwk(KEY, "one", use="enc"), jwk(KEY, "one", alg="PS256"), jwk(weak, "one"), symmetric, {"kty": "RSA"}]
    with publish_keys(*others, jwk(OTHER_KEY, "two")) as server:
        assert "no key with the `kid`" in await reason(published(server.url), sign_token(kid="one"))


async def test_a_private_key_address_needs_permission() -> None:
    with publish_keys(jwk(KEY, "one")) as server:
        url = server.url.replace("http:", "https:")
        with pytest.raises(PartnerKeysUnavailable):
            await make_verifier(public_key=None, jwks_url=url).verify(sign_token(kid="one"))
        assert server.requests == 0


# ---- settings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"jwks_url": "https://partner.example/keys"}, "not both"),
        ({"audience": None}, "VIDEOJOBS_JWT_AUDIENCE, too"),
        ({"issuer": None}, "VIDEOJOBS_JWT_ISSUER"),
        ({"public_key": "no key"}, "RSA public key in PEM, of 2048 bits or more"),
        ({"public_key": public_pem(new_key(1024))}, "2048 bits"),
        ({"public_key": None, "jwks_url": "http://partner.example/keys"}, "must begin with https://"),
        ({"scopes": {"pro": ["everything"]}}, "scopes"),
    ],
)
def test_incomplete_settings_are_rejected_at_startup(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make_verifier(**settings)
