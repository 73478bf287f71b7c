"""Two administrators publish what no approver could: each with a reason, neither its author."""

from html import unescape
from threading import Barrier, Thread

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.urls import reverse
from django_otp.plugins.otp_totp.models import TOTPDevice

from incidents import facts, notices
from incidents.models import NoticeVersion
from members.models import AuditEvent, User
from portal import roles
from tests.incidents.test_notices import draft, refused, submitted  # noqa: F401 - fixtures

REASON = "Le délégué est injoignable depuis hier."


def text(response) -> str:
    return unescape(response.content.decode())


def at(name, version):
    return reverse(f"admin:incidents_noticeversion_{name}", args=[version.pk])


@pytest.fixture
def administrator(cast):
    """`administrator("odile")` is a colleague of that role."""
    roles.sync()
    group = Group.objects.get(name=roles.ADMINISTRATION)

    def make(identifiant):
        user = User.objects.create_user(identifiant, name=identifiant.title(), is_staff=True)
        user.groups.add(group)
        TOTPDevice.objects.create(user=user, name="application", confirmed=True)
        return user

    return make


@pytest.fixture
def odile(administrator):
    return administrator("odile")


@pytest.fixture
def pascal(administrator):
    return administrator("pascal")


@pytest.fixture
def incomplete(draft, cast):  # noqa: F811
    """Submitted without what was done, nor words for employers."""
    draft.incident.steps.all().delete()
    draft.change_note = "Une précision."
    draft.audiences = {"support": draft.audiences["support"]}
    draft.save()
    notices.submit(draft, by=cast.auteur, for_emergency=True)
    return draft


def read(version) -> str:
    return notices.as_read(version, facts.of(version.incident))


def first_word(version, by):
    notices.call_emergency(version, by=by, reason=REASON, read=read(version))


def second_word(version, by):
    notices.publish_in_emergency(version, by=by, reason=REASON, read=read(version))


def test_what_is_incomplete_takes_two_and_both_are_named(cast, incomplete, odile, pascal):
    with pytest.raises(notices.Incomplete):
        notices.approve(incomplete, by=cast.approbateur)
    first_word(incomplete, odile)
    assert incomplete.is_submitted
    second_word(incomplete, pascal)
    assert incomplete.is_published
    assert (incomplete.emergency_by, incomplete.approver) == (odile, pascal)
    assert incomplete.is_emergency
    called = AuditEvent.objects.get(action="incident.emergency_called")
    shown = AuditEvent.objects.filter(action="incident.version_published").latest("pk")
    assert (called.actor, shown.actor) == (odile, pascal)
    missing = ["employer.what_happened", "employer.what_to_do", "steps"]
    assert called.details["missing"] == shown.details["missing"] == missing
    assert shown.details["emergency"] is True
    assert notices.verify() is None


def test_what_is_complete_takes_two_as_well_when_nobody_else_can_approve(submitted, odile, pascal):  # noqa: F811
    first_word(submitted, odile)
    second_word(submitted, pascal)
    assert submitted.is_published


def test_the_same_person_twice_is_not_two(incomplete, odile):
    first_word(incomplete, odile)
    with pytest.raises(notices.NotAnotherPerson):
        second_word(incomplete, odile)
    assert refused(
        NoticeVersion.objects.filter(pk=incomplete.pk),
        state="published",
        approver=odile,
        published_at=incomplete.created_at,
        approval_reason=REASON,
        facts={},
        digest="x",
    )


def test_the_author_gives_neither_word(cast, incomplete, odile):
    for word in (first_word, second_word):
        with pytest.raises(notices.AuthorCannotApprove):
            word(incomplete, cast.auteur)
    row = NoticeVersion.objects.filter(pk=incomplete.pk)
    assert not row.call_emergency(by=cast.auteur, reason=REASON, facts_digest="x")
    assert refused(
        row,
        emergency_by=cast.auteur,
        emergency_at=incomplete.created_at,
        emergency_reason=REASON,
        emergency_facts="x",
    )


def test_there_is_no_second_word_without_a_first(incomplete, odile):
    with pytest.raises(notices.NotAnotherPerson):
        second_word(incomplete, odile)


def test_a_first_word_holds_for_the_facts_that_were_read(incomplete, odile, pascal):
    first_word(incomplete, odile)
    incomplete.incident.targets.update(what_happened="Tout autre chose.")
    with pytest.raises(notices.NotAnotherPerson):
        second_word(incomplete, pascal)
    with pytest.raises(notices.FactsChanged):
        notices.publish_in_emergency(incomplete, by=pascal, reason=REASON, read="x")
    first_word(incomplete, pascal)
    second_word(incomplete, odile)
    assert (incomplete.emergency_by, incomplete.approver) == (pascal, odile)


def test_no_emergency_publishes_without_operator_or_title(cast, draft, odile):  # noqa: F811
    draft.headline = ""
    draft.save()
    with pytest.raises(notices.Incomplete):
        notices.submit(draft, by=cast.auteur, for_emergency=True)
    draft.refresh_from_db()
    assert draft.is_draft


@pytest.mark.django_db(transaction=True)
def test_of_two_second_words_at_once_one_publishes(incomplete, odile, pascal, administrator):
    first_word(incomplete, odile)
    rene, outcomes, start = administrator("rene"), [], Barrier(2)

    def confirm(person):
        start.wait()
        try:
            second_word(NoticeVersion.objects.get(pk=incomplete.pk), person)
            outcomes.append("published")
        except notices.TooLate:
            outcomes.append("too late")
        finally:
            connection.close()

    threads = [Thread(target=confirm, args=(person,)) for person in (pascal, rene)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["published", "too late"]


# At the desk


def post(browser, version, **posted):
    page = browser.get(at("emergency", version))
    posted = page.context["hidden"] | {"reason": REASON} | posted
    return browser.post(at("emergency", version), posted, follow=True)


def test_from_an_incomplete_draft_to_the_page_that_says_it_was_an_emergency(
    as_staff,
    cast,
    draft,  # noqa: F811
    odile,
    pascal,
):
    draft.incident.steps.all().delete()
    draft.change_note = "Une précision."
    draft.save()
    browser = as_staff(cast.auteur)
    assert "Soumettre pour une urgence" in text(browser.get(at("change", draft)))
    browser.post(at("submit_for_emergency", draft))
    draft.refresh_from_db()
    assert draft.is_submitted
    browser = as_staff(odile)
    assert "Ajoutez les mesures prises ou proposées." in text(browser.get(at("emergency", draft)))
    assert "Ce champ est obligatoire" in text(post(browser, draft, reason=""))
    assert "au plus 250 caractères" in text(post(browser, draft, reason="x" * 251))
    assert "Un autre administrateur doit confirmer." in text(post(browser, draft))
    post(browser, draft)  # again: still one person
    draft.refresh_from_db()
    assert draft.is_submitted
    browser = as_staff(pascal)
    page = text(browser.get(at("emergency", draft)))
    assert f"Odile : {REASON}" in page
    page = text(post(browser, draft))
    assert "La version est publiée en urgence." in page
    assert "Ajoutez les mesures prises ou proposées." in page
    assert page.count(REASON) == 2
    assert "Publiée en urgence par" in text(
        browser.get(at("compare", draft), {"other": draft.incident.versions.get(number=1).pk})
    )


@pytest.mark.parametrize("who", ["auteur", "approbateur", "support"])
def test_who_has_not_the_right_gives_no_word(as_staff, cast, incomplete, who):
    browser = as_staff(getattr(cast, who))
    assert "Publier en urgence" not in text(browser.get(at("change", incomplete)))
    assert browser.get(at("emergency", incomplete)).status_code == 403
    answer = browser.post(at("emergency", incomplete), {"reason": REASON, "read": read(incomplete)})
    assert answer.status_code == 403
    assert not AuditEvent.objects.filter(action="incident.emergency_called").exists()


def test_an_administrator_who_wrote_it_is_told_no(as_staff, cast, incomplete, odile):
    cast.auteur.groups.add(Group.objects.get(name=roles.ADMINISTRATION))
    browser = as_staff(cast.auteur)
    assert "Publier en urgence" not in text(browser.get(at("change", incomplete)))
    assert "L'auteur d'une version ne peut pas l'approuver." in text(post(browser, incomplete))
    incomplete.refresh_from_db()
    assert incomplete.emergency_by is None


def test_a_page_that_said_nothing_appears_yet_publishes_nothing(
    as_staff, incomplete, odile, pascal
):
    browser = as_staff(pascal)
    hidden = browser.get(at("emergency", incomplete)).context["hidden"]
    first_word(incomplete, odile)  # meanwhile
    answer = browser.post(at("emergency", incomplete), hidden | {"reason": REASON}, follow=True)
    assert "Le premier motif vient d'être donné. Relisez la page." in text(answer)
    incomplete.refresh_from_db()
    assert (incomplete.is_submitted, incomplete.emergency_by) == (True, odile)


def test_looking_at_the_page_decides_nothing(as_staff, incomplete, odile):
    as_staff(odile).get(at("emergency", incomplete), {"reason": REASON, "read": read(incomplete)})
    incomplete.refresh_from_db()
    assert incomplete.emergency_by is None
