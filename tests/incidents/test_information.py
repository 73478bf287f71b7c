"""What anybody reads about incidents: the list, one page, a feed, data; kept by proxies, and in bad times."""

import json
import re
from datetime import UTC, date, datetime
from html import unescape
from xml.etree import ElementTree

import pytest
from django.db import OperationalError
from django.test import Client

from incidents import banners, cached, information, lifecycle, notices, public_feed
from incidents.information import Entry, Update
from incidents.models import Incident
from tests.cast import nobody_left_to_inform
from tests.incidents.test_notices import draft, submitted  # noqa: F401 - fixtures

LIST, ATOM, DATA = "/information/", "/information/flux.atom", "/information/index.json"
NOTICE = "/information/2024-02-tiers-payant/"
NS = {"a": "http://www.w3.org/2005/Atom"}
HOSTILE = '<script>alert("1")</script> & ]]> \x0b\u2028 {{ 7 }}'


def text(response) -> str:
    return unescape(response.content.decode()).replace("\u00a0", " ")


def entry(**changes) -> Entry:
    at = datetime(2024, 2, 9, 10, 0, tzinfo=UTC)
    return Entry(
        **{
            "reference": "2024-02-essai",
            "version_id": 1,
            "number": 1,
            "headline": "Essai",
            "summary": "Un essai.",
            "change_note": "",
            "expires_at": None,
            "published_at": at,
            "detected_on": at.date(),
            "closed_at": None,
            "updates": [Update(1, at, None, changes.get("headline", "Essai"), "")],
        }
        | changes
    )


# Pages


def test_every_version_is_told_with_its_date_and_what_changed(client, cast, submitted):  # noqa: F811
    notices.publish(submitted, by=cast.approbateur)
    banners.drop()
    for path in (LIST, NOTICE):
        page = text(client.get(path))
        first, second = (
            page.index("Première publication."),
            page.index("Almerys précise les dates."),
        )
        assert second < first
        assert 'type="application/atom+xml"' in page
        assert "Kervella" not in page


def test_a_withdrawn_version_is_told_without_its_words(client, cast, submitted):  # noqa: F811
    notices.publish(submitted, by=cast.approbateur)
    notices.withdraw(submitted, by=cast.approbateur, reason="Motif interne")
    banners.drop()
    for path in (LIST, NOTICE):
        page = text(client.get(path))
        assert "Version retirée le" in page
        assert "Almerys précise les dates." not in page
        assert "Motif interne" not in page


def test_a_closed_incident_is_past_and_stays_readable(client, cast, february_2024):
    lifecycle.close(nobody_left_to_inform(february_2024), by=cast.approbateur)
    banners.drop()
    page = text(client.get(LIST))
    assert "Aucun incident n'est en cours." in page
    assert "Incidents passés" in page
    assert "Cet incident est clos" in text(client.get(NOTICE))


def test_what_no_longer_interrupts_is_past_and_stays_readable(client, cast, submitted):  # noqa: F811
    notices.publish(submitted, by=cast.approbateur)
    row = {**information._read()[0], "expires_at": "2026-01-01T00:00:00+00:00"}
    cached.remember(information.CACHE_KEY, 30, lambda: [row])
    assert not banners.current()
    assert "Information passée" in text(client.get(LIST))
    assert client.get(NOTICE).status_code == 200


def test_nothing_leaks_before_publication_nor_after_the_last_withdrawal(
    client, cast, february_2024
):
    secret = Incident.objects.create(
        reference="secret", title="Secret", detected_on="2026-01-01", created_by=cast.auteur
    )
    notices.start(secret, author=cast.auteur, headline="Titre secret", public_summary="Secret")
    notices.withdraw(february_2024.versions.get(), by=cast.approbateur, reason="Erreur")
    banners.drop()
    for path in (LIST, ATOM, DATA):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "ecret" not in text(answer)
        assert "2024-02" not in text(answer)
    assert client.get(NOTICE).status_code == 404
    assert client.get("/information/secret/").status_code == 404


def test_a_page_for_anybody_asks_the_database_nothing_once_warm(
    client, february_2024, django_assert_num_queries
):
    information.renew()
    with django_assert_num_queries(0):
        for path in (LIST, NOTICE, ATOM, DATA, "/information/inconnu/"):
            client.get(path)
    cached.forget_near()  # another process finds it in the shared cache
    with django_assert_num_queries(0):
        client.get(NOTICE)
    cached.forget(information.CACHE_KEY)
    with django_assert_num_queries(1):  # every version that was published, with its incident
        client.get(LIST)


# For programs


def test_the_feed_is_atom_with_an_entry_for_each_version(client, cast, submitted):  # noqa: F811
    notices.publish(submitted, by=cast.approbateur)
    banners.drop()
    answer = client.get(ATOM)
    assert answer["Content-Type"] == "application/atom+xml; charset=utf-8"
    feed = ElementTree.fromstring(answer.content)
    assert feed.tag == "{http://www.w3.org/2005/Atom}feed"
    assert feed.find("a:author/a:name", NS).text == "Mutuelle du Rivage"
    for required in ("id", "title", "updated"):  # RFC 4287 §4.1.1, §4.1.2
        assert feed.find(f"a:{required}", NS).text
        assert all(one.find(f"a:{required}", NS).text for one in feed.findall("a:entry", NS))
    links = {one.get("rel"): one.get("href") for one in feed.findall("a:link", NS)}
    assert links["self"].endswith(ATOM)
    assert links["alternate"].endswith(LIST)
    entries = feed.findall("a:entry", NS)
    assert [one.find("a:title", NS).text[-11:] for one in entries] == ["(version 2)", "(version 1)"]
    assert entries[0].find("a:summary", NS).text == "Almerys précise les dates."
    assert len({one.find("a:id", NS).text for one in entries}) == 2
    updated = [one.find("a:updated", NS).text for one in entries]
    assert updated[0] >= updated[1]
    assert all(re.fullmatch(r"[\d-]+T[\d:.]+(Z|[+-]\d\d:\d\d)", one) for one in updated)


def test_each_entry_of_the_feed_keeps_the_headline_of_its_own_version(client, cast, draft):  # noqa: F811
    draft.headline, draft.change_note = "Un autre titre", "Le titre change."
    draft.save()
    notices.submit(draft, by=cast.auteur)
    notices.publish(draft, by=cast.approbateur)
    banners.drop()
    entries = ElementTree.fromstring(client.get(ATOM).content).findall("a:entry", NS)
    assert [one.find("a:title", NS).text for one in entries] == [
        "Un autre titre (version 2)",
        "Attaque chez nos opérateurs de tiers payant, février 2024 (version 1)",
    ]


def test_the_public_reads_the_day_that_was_published_and_not_what_was_typed_since(
    client, february_2024
):
    lifecycle.change(february_2024, {"detected_on": date(2024, 1, 2)})
    banners.drop()
    assert json.loads(client.get(DATA).content)["incidents"][0]["detected_on"] == "2024-02-01"


def test_hostile_words_stay_words(settings):
    hostile = entry(headline=HOSTILE, summary=HOSTILE)
    feed = ElementTree.fromstring(public_feed.atom([hostile]))
    told = feed.find("a:entry/a:summary", NS)
    assert told.get("type") == "html"
    assert "<" not in told.text  # a reader shows HTML: these are its escaped words
    assert unescape(told.text) == HOSTILE.replace("\x0b", "")
    assert feed.find("a:entry/a:title", NS).text.startswith("<script>")  # a title is plain text
    data = json.loads(json.dumps(public_feed.data([hostile]), ensure_ascii=False))
    assert data["incidents"][0]["headline"] == HOSTILE


def test_a_feed_of_nothing_is_still_a_feed_that_stays_the_same(db, client):
    first, second = client.get(ATOM), client.get(ATOM)
    assert first.content == second.content
    assert ElementTree.fromstring(first.content).find("a:updated", NS).text
    assert json.loads(client.get(DATA).content)["incidents"] == []


def test_the_data_follow_their_schema(client, cast, february_2024):
    answer = client.get(DATA)
    assert answer["Content-Type"] == "application/json"
    assert answer["X-Content-Type-Options"] == "nosniff"
    told = json.loads(answer.content)
    assert set(told) == {"schema", "publisher", "updated_at", "incidents"}
    (incident,) = told["incidents"]
    assert incident["url"].endswith(NOTICE)
    assert (incident["state"], incident["version"], incident["closed_at"]) == ("live", 1, None)
    assert set(incident) == {
        *("reference", "url", "state", "detected_on", "closed_at", "headline", "summary"),
        *("version", "updates"),
    }
    (update,) = incident["updates"]
    assert set(update) == {"version", "published_at", "withdrawn_at", "change_note"}


# Kept by proxies


def test_proxies_keep_a_minute_and_then_ask_whether_it_changed(client, cast, submitted):  # noqa: F811
    before = {path: client.get(path) for path in (LIST, NOTICE, ATOM, DATA)}
    for path, answer in before.items():
        control = answer["Cache-Control"]
        assert "public" in control
        assert "max-age=60" in control
        assert "stale-if-error=86400" in control
        assert answer["Last-Modified"]
        assert not answer.cookies
        again = client.get(path, headers={"If-None-Match": answer["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert client.post(path).status_code == 405
    notices.publish(submitted, by=cast.approbateur)
    banners.drop()
    for path, answer in before.items():
        again = client.get(path, headers={"If-None-Match": answer["ETag"]})
        assert again.status_code == 200
        assert again["ETag"] != answer["ETag"]


def test_the_page_of_who_is_signed_in_is_kept_by_nobody(as_member, cast, february_2024):
    browser = as_member(cast.antoine)
    for path in (LIST, NOTICE):
        answer = browser.get(path)
        assert answer["Cache-Control"] == "no-store"
        assert "ETag" not in answer
        assert "Me déconnecter" in text(answer)
        assert "Cookie" in Client().get(path)["Vary"]
        assert "Me déconnecter" not in text(Client().get(path))


# In bad times


class Clock:
    def __init__(self):
        self.now = 2_000_000_000.0

    def time(self):
        return self.now

    monotonic = time


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr(cached, "time", Clock())
    return cached.time


def away():
    raise OperationalError("server closed the connection unexpectedly")


def test_what_was_known_last_is_answered_while_the_database_is_away(clock):
    assert cached.remember("key", 30, lambda: 1) == 1
    clock.now += 86_400
    assert cached.remember("key", 30, away) == 1
    cached.forget_near()
    assert cached.remember("key", 30, away) == 1, "another process finds it in the shared cache"
    clock.now += cached.REST + 1
    assert cached.remember("key", 30, lambda: 2) == 2, "the database is back"


def test_a_process_remembers_what_the_shared_cache_lost(clock):
    cached.remember("key", 30, lambda: 1)
    cached.cache.clear()
    clock.now += 86_400
    assert cached.remember("key", 30, away) == 1


def test_a_database_that_is_away_is_left_alone_for_five_seconds(clock):
    asked = []

    def count():
        asked.append(1)
        away()

    for key in ("list", "notice"):
        cached.remember(key, 30, lambda: 1)
    clock.now += 60
    for after in (0, 2, 2.9):  # seconds, 4.9 in all: other pages wait for nothing either
        clock.now += after
        assert [cached.remember(key, 30, count) for key in ("list", "notice") * 25] == [1] * 50
    assert len(asked) == 1
    clock.now += cached.NEAR
    cached.remember("notice", 30, count)
    assert len(asked) == 2


def test_nothing_known_is_no_answer(clock):
    with pytest.raises(OperationalError):
        cached.remember("key", 30, away)


def test_the_latest_of_what_is_known_is_answered(clock):
    cached.remember("key", 30, lambda: "old")
    old = dict(cached._last)
    cached.forget_near()
    clock.now += 60
    cached.remember("key", 30, lambda: "new")  # by another process
    cached.forget_near()
    cached._last.update(old)
    clock.now += 60
    assert cached.remember("key", 30, away) == "new"


def test_publishing_keeps_every_page_at_hand(
    client,
    cast,
    submitted,  # noqa: F811
    django_capture_on_commit_callbacks,
    django_assert_num_queries,
):
    with django_capture_on_commit_callbacks(execute=True):
        notices.publish(submitted, by=cast.approbateur)
    cached.forget_near()
    with django_assert_num_queries(0):  # a process that never read them finds them
        assert "Almerys précise les dates." in text(client.get(NOTICE))
