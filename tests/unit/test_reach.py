"""Where links may lead: addresses that everybody means the same machine by, and hosts that are allowed."""

import pytest
from pydantic import ValidationError

from tests.unit.good_request import parsed
from videojobs.errors import InvalidRequest
from videojobs.media.reach import Reach, is_public, written_out
from videojobs.settings import Access

INSIDE = {
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
OUTSIDE = ["8.8.8.8", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1", "169.253.1.1", "223.255.255.254"]
OUTSIDE_V6 = ["2606:4700::1111", "2a00:1450:4001::200e", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]


@pytest.mark.parametrize("address", [address for addresses in INSIDE.values() for address in addresses])
def test_an_address_that_means_something_else_here_than_elsewhere_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", OUTSIDE + OUTSIDE_V6)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "0177.0.0.1", "0177.0x0.1"]
)
def test_an_address_is_known_in_every_form_that_a_resolver_takes(host: str) -> None:
    assert written_out(host) == "127.0.0.1"


@pytest.mark.parametrize("host", ["example.com", "1.2.3.4.example.com", "", "localhost"])
def test_a_name_is_no_address(host: str) -> None:
    assert written_out(host) is None


REFUSED_AT_THE_DOOR = [
    *("https://127.0.0.1/", "https://127.1/", "https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/"),
    *("https://017700000001/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[64:ff9b::7f00:1]/"),
    *("https://169.254.169.254/latest/meta-data/", "https://2852039166/", "https://[fd00:ec2::254]/"),
    *("https://localhost/", "https://LOCALHOST:8443/", "https://localhost./", "https://a.localhost/"),
    *("https://metadata.google.internal/", "https://printer.local/", "https://router.home.arpa/"),
    *("https://10.0.0.1:5432/", "https://[fe80::1%25eth0]/", "https://①②⑦.⓪.⓪.①/", "https://0/"),
]


@pytest.mark.parametrize("source", REFUSED_AT_THE_DOOR)
def test_a_link_that_says_itself_that_it_leads_inside_is_refused_at_the_door_with_its_field(source: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parsed(video=source)
    assert [problem.path for problem in caught.value.problems] == ["video"]


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
def test_where_hosts_are_named_no_other_is_asked(monkeypatch: pytest.MonkeyPatch, host: str, *, allowed: bool) -> None:
    monkeypatch.setenv("VIDEOJOBS_INPUT_HOSTS", "Media.example.com, *.files.example.net")
    audio = [{"refId": name, "source": "s3://media/one.wav"} for name in ("audio-1", "audio-2")]
    source = f"https://{host}/v.mp4"
    if allowed:
        assert parsed(video=source, audio=audio).video == source
    else:
        with pytest.raises(InvalidRequest, match=r"video: leads to a host .* VIDEOJOBS_INPUT_HOSTS allows \*\.files"):
            parsed(video=source, audio=audio)


def test_a_named_host_still_has_to_be_public_unless_that_is_allowed_too() -> None:
    named = Access(input_hosts=frozenset({"127.0.0.1"}))
    assert Reach.of_inputs(named).complaint_about_host("127.0.0.1") is not None
    local = named.model_copy(update={"allow_private_inputs": True})
    assert Reach.of_inputs(local).complaint_about_host("127.0.0.1") is None


def test_what_is_allowed_for_results_is_not_allowed_for_inputs_and_the_other_way_round() -> None:
    results = Access(allow_private_results=True, result_hosts=frozenset({"vendor.example.com"}))
    assert Reach.of_results(results).takes("127.0.0.1")
    assert not Reach.of_inputs(results).takes("127.0.0.1")
    assert Reach.of_inputs(results).complaint_about_host("example.com") is None
    assert Reach.of_results(results).complaint_about_host("example.com") is not None
    assert not Reach.of_results(Access(allow_private_inputs=True)).takes("127.0.0.1")


@pytest.mark.parametrize("hosts", ["https://example.com", "example.com/path", "*", "a b", "*.*.com", "example.com:443"])
def test_a_pattern_that_would_never_match_is_an_error_of_the_settings(
    monkeypatch: pytest.MonkeyPatch, hosts: str
) -> None:
    monkeypatch.setenv("VIDEOJOBS_INPUT_HOSTS", hosts)
    with pytest.raises(ValidationError):
        Access()
