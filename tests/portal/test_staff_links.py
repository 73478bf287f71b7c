"""No staff page shows a link that its reader may not follow."""

import re
from collections import Counter
from datetime import date
from html import unescape
from urllib.parse import urljoin, urlsplit

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from incidents import notices
from members.models import Card
from portal.demo import demandes
from tests.cast import *  # noqa: F403

LINK = re.compile(r"<a\b[^>]*\shref=\"([^\"]+)\"")
ENOUGH = 400
ALIKE = 3  # rows of one table differ by their number


@pytest.fixture
def desk(cast, february_2024):
    """Every page has something to show: a version under way, somebody who read the one in force."""
    notices.revise(notices.latest(february_2024), author=cast.auteur)
    from members import audit

    audit.record("signin.completed", user=cast.antoine.user)
    Card.objects.create(
        member=cast.antoine,
        contract=cast.antoine.adhesions.get().contract,
        number=1,
        code="C" * 16,
        valid_from=date(2024, 1, 1),
        valid_until=date(2024, 12, 31),
        content={},
    )
    demandes.load(cast.support)
    return february_2024


def starts(cast, incident):
    """The pages that a search or a look-up leads to, beside those that links lead to."""
    version = incident.versions.order_by("-number").first()
    yield "/admin/"
    yield f"/admin/members/member/?q={cast.antoine.number}"
    yield f"/admin/members/ayantdroit/?q={cast.antoine.number}"
    yield f"/admin/members/user/?q={cast.antoine.user.identifiant}"
    yield f"/admin/members/smsdevice/?q={cast.antoine.number}"
    yield "/admin/members/demande/"
    yield f"/admin/members/decompte/?q={cast.antoine.number}"
    yield f"/admin/members/card/?q={cast.antoine.number}"
    yield f"/admin/incidents/acknowledgement/?q={cast.antoine.number}"
    yield f"/admin/incidents/attestation/?q={cast.antoine.number}"
    yield (
        reverse("admin:incidents_noticeversion_preview", args=[version.pk])
        + f"?number={cast.antoine.number}"
    )


def links(page: str, address: str) -> set[str]:
    found = set()
    for link in LINK.findall(page):
        whole = urljoin(address, unescape(link))
        parts = urlsplit(whole)
        if not parts.scheme and parts.path:
            found.add(parts.path + (f"?{parts.query}" if "q=" in parts.query else ""))
    return found


def walk(browser, addresses) -> dict[str, int]:
    """The status of every page within reach, of a few that differ by a number only; what the pages of
    members show is for members."""
    seen, alike, waiting = {}, Counter(), list(addresses)
    while waiting and len(seen) < ENOUGH:
        address = waiting.pop()
        shape = re.sub(r"\d+", "#", address)
        if address in seen or alike[shape] >= ALIKE:
            continue
        alike[shape] += 1
        response = browser.get(address)
        seen[address] = response.status_code
        if response.status_code in (301, 302):
            waiting.append(urljoin(address, response.url))
        elif address.startswith("/admin/") and "text/html" in response["Content-Type"]:
            waiting += sorted(links(response.content.decode(), address) - set(seen))
        elif response.streaming:
            b"".join(response.streaming_content)  # a file is closed at its end
    return seen


def test_no_link_is_refused_to_the_agent_who_reads_it(as_staff, as_member, cast, desk, role):
    as_member(cast.antoine).get(reverse("incident", args=[desk.reference]))
    browser = as_staff(getattr(cast, role))
    allowed = [address for address in starts(cast, desk) if browser.get(address).status_code == 200]
    seen = walk(browser, allowed)
    assert len(seen) > 20
    assert not {address: status for address, status in seen.items() if status in (403, 404, 500)}


@pytest.fixture(params=["support", "auteur", "approbateur", "courriers"])
def role(request):
    return request.param


def test_an_agent_without_the_right_to_a_nir_is_not_offered_it(as_staff, cast, desk):
    cast.support.groups.clear()
    rights = Permission.objects.filter(codename__in=["view_member", "view_ayantdroit"])
    cast.support.user_permissions.set(rights)
    browser = as_staff(cast.support)
    page = browser.get(f"/admin/members/member/{cast.antoine.pk}/change/").content.decode()
    assert "/nir/" not in page
    seen = walk(browser, [f"/admin/members/member/{cast.antoine.pk}/change/"])
    assert set(seen.values()) <= {200, 301, 302}


def test_the_first_address_leads_each_to_his_own_first_page(as_staff, as_member, cast, desk):
    assert as_member(cast.antoine).get("/").url == reverse("incident", args=[desk.reference])
    assert as_member(cast.fabien).get("/").url == reverse("incident", args=[desk.reference])
    assert as_staff(cast.support).get("/").url == "/admin/"


def test_the_refusal_that_staff_read_leads_back_to_their_work(as_staff, cast):
    browser = as_staff(cast.support)
    refused = browser.get("/espace/")
    assert refused.status_code == 403
    found = links(refused.content.decode(), "/espace/")
    assert "/" in found
    assert browser.get("/", follow=True).status_code == 200
