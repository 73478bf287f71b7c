"""The page asked for before the sign-in, as the address of the sign-in page carries it."""

from django.utils.http import url_has_allowed_host_and_scheme

LONGEST = 500


def safe_next(url: str, request) -> str:
    """`url` when it is the whole path of a page of this site, else an empty string."""
    allowed = url_has_allowed_host_and_scheme(
        url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return url if allowed and url.startswith("/") and len(url) <= LONGEST else ""
