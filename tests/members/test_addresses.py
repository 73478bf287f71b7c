import pytest
from django.test import RequestFactory, override_settings
from hypothesis import given
from hypothesis import strategies as st

from members.addresses import WITH_PORT, browser, client_address, counted_address, shown_prefix
from members.models import AuditEvent


def request(remote="203.0.113.9", forwarded=None):
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    return RequestFactory().get("/", REMOTE_ADDR=remote, headers=headers)


def test_without_a_trusted_proxy_the_header_means_nothing():
    assert client_address(request(forwarded="198.51.100.7")) == "203.0.113.9"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (1, "198.51.100.7", "198.51.100.7"),
        (1, "6.6.6.6, 198.51.100.7", "198.51.100.7"),
        (2, "6.6.6.6, 198.51.100.7, 10.0.0.1", "198.51.100.7"),
        (2, "198.51.100.7", "203.0.113.9"),  # fewer hops than proxies: the header did not pass them
        (1, "198.51.100.7:4711", "198.51.100.7"),
        (1, "6.6.6.6, [2001:db8::1]:4711", "2001:db8::1"),
        (1, "[2001:db8::1]", "2001:db8::1"),
        (1, "fe80::1%eth0", "fe80::1"),
        (1, "[fe80::1%eth0]:4711", "fe80::1"),
        (1, "fe80::1%" + "a" * 5000, "fe80::1"),
        (1, "not an address", "203.0.113.9"),
        (1, "198.51.100.7:x", "203.0.113.9"),
        (1, "198.51.100.777", "203.0.113.9"),
        (1, "[]:1", "203.0.113.9"),
        (1, "%eth0", "203.0.113.9"),
        (1, "", "203.0.113.9"),
    ],
)
def test_with_proxies_only_what_the_outermost_saw_counts(settings, proxies, forwarded, address):
    settings.TRUSTED_PROXIES = proxies
    assert client_address(request(forwarded=forwarded)) == address


@given(st.text(max_size=80) | st.from_regex(WITH_PORT, fullmatch=True))
def test_no_header_whatever_breaks_a_request_or_counts_under_nothing(text):
    asked = RequestFactory().get("/")
    asked.META["HTTP_X_FORWARDED_FOR"] = asked.META["REMOTE_ADDR"] = text
    for proxies in (0, 1):
        with override_settings(TRUSTED_PROXIES=proxies):
            address = client_address(asked)
        assert len(address) <= AuditEvent._meta.get_field("address").max_length
        assert counted_address(address)


def test_two_people_behind_proxies_that_write_ports_are_not_counted_together(settings):
    settings.TRUSTED_PROXIES = 1
    counted = {
        counted_address(client_address(request(forwarded=f"198.51.100.{home}:{port}")))
        for home in (7, 8)
        for port in (4711, 4712)
    }
    assert counted == {"198.51.100.7/32", "198.51.100.8/32"}


@pytest.mark.parametrize(
    ("address", "counted", "shown"),
    [
        ("198.51.100.7", "198.51.100.7/32", "198.51.100.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("::ffff:198.51.100.7", "198.51.100.7/32", "198.51.100.0/24"),
        ("", "unknown", ""),
    ],
)
def test_a_home_counts_once_and_is_shown_roughly(address, counted, shown):
    assert (counted_address(address), shown_prefix(address)) == (counted, shown)


def test_a_browser_name_is_cut():
    asked = RequestFactory().get("/", headers={"User-Agent": "x" * 5000})
    assert len(browser(asked)) == 120
