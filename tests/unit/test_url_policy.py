"""Where links may lead: address forms that mean the same machine, and allowed hosts."""

import pytest
from pydantic import ValidationError

from tests.support.example_request import make_request
from videojobs.errors import InvalidRequest
from videojobs.media.url_policy import UrlPolicy, is_public, parse_ip_literal
from videojobs.settings import AccessSettings

PRIVATE_HOSTS = {
    "this machine": ["127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "::1", "::"],  # noqa: S104
    "private networks": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fd00::1", "fc00::1"],
    "link-local, the clouds' metadata": [
        "169.254.169.254",
        "169.254.170.2",
        "fe80::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
    ],
    "other clouds' metadata": ["100.100.100.200", "192.0.0.192", "168.63.129.16"],
    "multicast and broadcast": ["224.0.0.1", "239.255.255.255", "255.255.255.255", "ff02::1"],
    "reserved": ["240.0.0.1", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.88.99.1"],
    "reserved of IPv6": ["100::1", "2001:db8::1", "3fff::1", "5f00::1", "fec0::1", "4000::1", "64:ff9b:1::1"],
    "IPv4 in IPv6": ["::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "::ffff:10.0.0.1", "::127.0.0.1", "::7f00:1"],
    "through NAT64": ["64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b::10.0.0.1"],
    "through a tunnel": ["2002:7f00:1::1", "2002:a9fe:a9fe::1", "2002:808:808::1", "2001:0:4136:e378::1"],
}
PUBLIC_IPV4 = [
    "8.8.8.8",
    "172.15.255.255",
    "172.32.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "169.253.1.1",
    "223.255.255.254",
]
PUBLIC_IPV6 = ["2606:4700::1111", "2a00:1450:4001::200e", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]


@pytest.mark.parametrize("address", [address for addresses in PRIVATE_HOSTS.values() for address in addresses])
def test_a_private_address_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC_IPV4 + PUBLIC_IPV6)
def test_an_internet_address_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "0177.0.0.1", "0177.0x0.1"]
)
def test_an_ip_address_is_recognized_in_every_notation(host: str) -> None:
    assert parse_ip_literal(host) == "127.0.0.1"


@pytest.mark.parametrize("host", ["example.com", "1.2.3.4.example.com", "", "localhost"])
def test_a_host_name_is_not_an_ip_address(host: str) -> None:
    assert parse_ip_literal(host) is None


REFUSED_SOURCES = [
    *("https://127.0.0.1/", "https://127.1/", "https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/"),
    *("https://017700000001/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[64:ff9b::7f00:1]/"),
    *("https://169.254.169.254/latest/meta-data/", "https://2852039166/", "https://[fd00:ec2::254]/"),
    *("https://localhost/", "https://LOCALHOST:8443/", "https://localhost./", "https://a.localhost/"),
    *("https://metadata.google.internal/", "https://printer.local/", "https://router.home.arpa/"),
    *("https://10.0.0.1:5432/", "https://[fe80::1%25eth0]/", "https://①②⑦.⓪.⓪.①/", "https://0/"),
]


@pytest.mark.parametrize("source", REFUSED_SOURCES)
def test_a_link_to_a_private_address_is_refused_with_its_field(source: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        make_request(video=source)
    assert [problem.path for problem in caught.value.errors] == ["video"]


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("media.example.com", True),
        ("MEDIA.example.com.", True),
        ("a.files.example.net", True),
        ("a.b.files.example.net", True),
        ("files.example.net", False),
        ("evilfiles.example.net", False),
        ("media.example.com.evil.net", False),
        ("example.com", False),
        ("8.8.8.8", False),
    ],
)
def test_only_allowed_hosts_are_accepted(monkeypatch: pytest.MonkeyPatch, host: str, *, allowed: bool) -> None:
    monkeypatch.setenv("VIDEOJOBS_INPUT_HOSTS", "Media.example.com, *.files.example.net")
    audio = [{"refId": name, "source": "s3://media/one.wav"} for name in ("audio-1", "audio-2")]
    source = f"https://{host}/v.mp4"
    if allowed:
        assert make_request(video=source, audio=audio).video == source
    else:
        with pytest.raises(InvalidRequest, match=r"video: leads to a host .* VIDEOJOBS_INPUT_HOSTS allows \*\.files"):
            make_request(video=source, audio=audio)


def test_an_allowed_host_must_still_be_public_by_default() -> None:
    named = AccessSettings(input_hosts=frozenset({"127.0.0.1"}))
    assert UrlPolicy.for_inputs(named).host_error("127.0.0.1") is not None
    local = named.model_copy(update={"allow_private_inputs": True})
    assert UrlPolicy.for_inputs(local).host_error("127.0.0.1") is None


def test_input_and_result_url_policies_are_independent() -> None:
    results = AccessSettings(allow_private_results=True, result_hosts=frozenset({"vendor.example.com"}))
    assert UrlPolicy.for_results(results).allows_address("127.0.0.1")
    assert not UrlPolicy.for_inputs(results).allows_address("127.0.0.1")
    assert UrlPolicy.for_inputs(results).host_error("example.com") is None
    assert UrlPolicy.for_results(results).host_error("example.com") is not None
    assert not UrlPolicy.for_results(AccessSettings(allow_private_inputs=True)).allows_address("127.0.0.1")


@pytest.mark.parametrize("hosts", ["https://example.com", "example.com/path", "*", "a b", "*.*.com", "example.com:443"])
def test_a_host_pattern_that_never_matches_is_refused(monkeypatch: pytest.MonkeyPatch, hosts: str) -> None:
    monkeypatch.setenv("VIDEOJOBS_INPUT_HOSTS", hosts)
    with pytest.raises(ValidationError):
        AccessSettings()
