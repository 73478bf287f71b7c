import pytest
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from members.addresses import browser, client_address, counted_address, shown_prefix


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
        (1, "not an address", ""),
        (1, "", ""),
    ],
)
def test_with_proxies_only_what_the_outermost_saw_counts(settings, proxies, forwarded, address):
    settings.TRUSTED_PROXIES = proxies
    assert client_address(request(forwarded=forwarded)) == address


@given(st.text(max_size=80))
def test_no_header_whatever_breaks_a_request(text):
    asked = RequestFactory().get("/")
    asked.META["HTTP_X_FORWARDED_FOR"] = asked.META["REMOTE_ADDR"] = text
    counted_address(client_address(asked))


@pytest.mark.parametrize(
    ("address", "counted", "shown"),
    [
        ("198.51.100.7", "198.51.100.7/32", "198.51.100.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("::ffff:198.51.100.7", "198.51.100.7/32", "198.51.100.0/24"),
        ("", "", ""),
    ],
)
def test_a_home_counts_once_and_is_shown_roughly(address, counted, shown):
    assert (counted_address(address), shown_prefix(address)) == (counted, shown)


def test_a_browser_name_is_cut():
    asked = RequestFactory().get("/", headers={"User-Agent": "x" * 5000})
    assert len(browser(asked)) == 120
