"""From draft to banner in the admin: who may do what, and every move by POST."""

import re
from datetime import date, timedelta
from html import unescape

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from incidents import banners, facts, lifecycle, notices
from incidents.models import Acknowledgement, Claim, Incident, NoticeVersion
from members.models import AuditEvent
from members.models.category import DataCategory
from portal.demo.incident import NOTICE, WINDOW_SOURCE
from tests.cast import nobody_left_to_inform
from tests.forms import typed, untouched
from tests.incidents.test_notices import draft, submitted  # noqa: F401 - fixtures


def at(name, row=None):
    return reverse(f"admin:incidents_{name}", args=[row.pk] if row else [])


def text(response) -> str:
    return unescape(response.content.decode())


def inline(prefix, *rows):
    """What a formset posts for added rows."""
    posted = {f"{prefix}-TOTAL_FORMS": len(rows), f"{prefix}-INITIAL_FORMS": 0}
    for number, row in enumerate(rows):
        posted |= {f"{prefix}-{number}-{name}": value for name, value in row.items()}
    return posted


@pytest.fixture
def desk(cast):
    from members.models import Operator

    return Operator.objects.get(code="OCEANE")


def create_incident(browser, operator):
    return browser.post(
        at("incident_add"),
        {
            "reference": "2026-01-essai",
            "title": "Essai",
            "detected_on": "2026-01-10",
            "dpo_name": "Le délégué",
            "dpo_email": "dpo@mutuelle.example",
            **inline(
                "targets",
                {
                    "operator": operator.pk,
                    "window_source": "Appel du 10 janvier",
                    "detected_on": "2026-01-10",
                    "what_happened": "Un accès volé.",
                },
            ),
            **inline("steps", {"kind": "cnil", "actor": "Nous", "text": "CNIL informée."}),
            **inline("services"),
            **inline("scope"),
            **inline("domain_scope"),
        },
    )


def test_from_the_first_call_to_the_banner(client, as_staff, cast, desk):
    browser = as_staff(cast.auteur)
    assert create_incident(browser, desk).status_code == 302
    incident = Incident.objects.get(reference="2026-01-essai")
    assert (incident.state, incident.created_by) == ("draft", cast.auteur)
    target = incident.targets.get()
    claims = inline(
        "claims",
        {
            "category": "NIR",
            "state": "exposee",
            "source": "Appel",
            "stated_on": "2026-01-10",
            "confidence": "dite",
        },
    )
    answer = browser.post(
        at("target_change", target),
        {"window_source": "Appel", "detected_on": "2026-01-10", "what_happened": "Vol.", **claims},
    )
    assert answer.status_code == 302
    assert Claim.objects.live().get(target=target).category == "NIR"
    answer = browser.post(
        at("noticeversion_add"), {"incident": incident.pk, "material": "on", **typed(NOTICE)}
    )
    version = incident.versions.get()
    assert answer.url == at("noticeversion_changelist")
    assert (version.number, version.author, version.state) == (1, cast.auteur, "draft")
    browser.post(at("noticeversion_submit", version))
    assert not banners.current()

    browser = as_staff(cast.approbateur)
    page = browser.get(at("noticeversion_publish", version))
    read = page.context["hidden"]["read"]
    browser.post(at("noticeversion_publish", version), {"read": read})
    version.refresh_from_db()
    assert (version.state, version.approver) == ("published", cast.approbateur)
    banners.drop()
    assert [notice.reference for notice in banners.current()] == ["2026-01-essai"]
    actions = AuditEvent.objects.filter(action__startswith="incident.").order_by("pk")
    assert [event.action for event in actions] == [
        "incident.created",
        "incident.target_changed",
        "incident.claim_recorded",
        "incident.version_started",
        "incident.version_submitted",
        "incident.version_published",
    ]
    browser.post(at("incident_close", nobody_left_to_inform(incident)))
    incident.refresh_from_db()
    assert incident.is_closed


def test_a_claim_in_the_admin_supersedes_the_live_one(as_staff, cast, february_2024):
    target = february_2024.targets.first()
    claims = inline(
        "claims",
        {
            "category": "NIR",
            "state": "en_verification",
            "source": "Courriel",
            "stated_on": "2024-02-12",
            "confidence": "ecrite",
        },
    )
    answer = as_staff(cast.auteur).post(
        at("target_change", target),
        {
            "window_from": "2024-02-01",
            "window_until": "2024-02-07",
            "window_source": "Appel",
            "detected_on": "2024-02-01",
            "what_happened": "Vol.",
            **claims,
        },
    )
    assert answer.status_code == 302, text(answer)
    assert Claim.objects.live().get(target=target, category="NIR").state == "en_verification"
    assert Claim.objects.filter(target=target, category="NIR").count() == 2


def fields_of(rows):
    return list(rows.order_by("pk").values())


def test_an_incident_saved_untouched_keeps_every_word_and_every_line(as_staff, cast, february_2024):
    assert february_2024.dpo_address.count("\n") == 2
    target = february_2024.targets.first()
    target.what_happened += "\n\nUn second paragraphe."
    target.save()
    tables = (
        Incident.objects.filter(pk=february_2024.pk),
        february_2024.targets,
        february_2024.steps,
        february_2024.services,
    )
    before = [fields_of(rows) for rows in tables]
    digest = notices.facts_digest(facts.of(february_2024))
    browser = as_staff(cast.auteur)
    url = at("incident_change", february_2024)
    answer = browser.post(url, untouched(browser.get(url), "incident_form"))
    assert answer.status_code == 302, text(answer)
    assert [fields_of(rows) for rows in tables] == before
    assert notices.facts_digest(facts.of(february_2024)) == digest
    event = AuditEvent.objects.get(action="incident.changed")
    assert (event.details["fields"], event.details["rows"]) == ([], {})


def test_a_draft_saved_untouched_keeps_every_paragraph(as_staff, cast, draft):  # noqa: F811
    before = fields_of(NoticeVersion.objects)
    browser = as_staff(cast.auteur)
    url = at("noticeversion_change", draft)
    assert browser.post(url, untouched(browser.get(url), "noticeversion_form")).status_code == 302
    assert fields_of(NoticeVersion.objects) == before


def test_a_correction_that_is_not_important_is_no_error(as_staff, cast, draft):  # noqa: F811
    NoticeVersion.objects.filter(pk=draft.pk)._move(material=False)
    browser = as_staff(cast.support)
    for address in (at("noticeversion_changelist"), at("noticeversion_change", draft)):
        assert "icon-no" not in text(browser.get(address))
    page = strip_tags(text(browser.get(at("noticeversion_change", draft))))
    assert re.search(r"Changement important\s*:\s+non", page)


def test_the_title_of_a_page_is_its_object(as_staff, cast, february_2024):
    page = text(as_staff(cast.auteur).get(at("incident_change", february_2024)))
    assert "Modification de" not in page
    assert f"<h1>{february_2024.reference}</h1>" in page
    assert f"<title>{february_2024.reference} | Incident" in page


# Claims by the page


@pytest.fixture
def almerys(february_2024):
    return february_2024.targets.get(operator__code="ALMERYS")


DOCUMENT = {"source": "Lettre d'Almerys", "stated_on": "2024-02-20", "confidence": "ecrite"}


def test_all_sixteen_categories_are_entered_on_one_page(as_staff, cast, almerys):
    browser = as_staff(cast.auteur)
    assert "Saisir plusieurs affirmations" in text(browser.get(at("target_change", almerys)))
    page = text(browser.get(at("target_claims", almerys)))
    assert page.count("<select") == 1 + len(DataCategory) == 17
    states = dict.fromkeys(DataCategory.values, "en_verification")
    answer = browser.post(at("target_claims", almerys), {**DOCUMENT, **states})
    assert answer.url == at("target_change", almerys)
    live = Claim.objects.live().filter(target=almerys)
    assert {(claim.category, claim.state, claim.source) for claim in live} == {
        (category, "en_verification", "Lettre d'Almerys") for category in DataCategory.values
    }
    assert not Claim.objects.filter(superseded_at__isnull=False, superseded_by=None).exists()
    recorded = AuditEvent.objects.filter(action="incident.claim_recorded", actor=cast.auteur)
    assert recorded.filter(details__state="en_verification").count() == 16


def test_a_category_left_alone_keeps_its_claim(as_staff, cast, almerys):
    others = Claim.objects.live().filter(target=almerys).exclude(category="NIR")
    before = set(others.values_list("pk", flat=True))
    as_staff(cast.auteur).post(at("target_claims", almerys), {**DOCUMENT, "NIR": "non_exposee"})
    assert set(others.values_list("pk", flat=True)) == before
    assert Claim.objects.live().get(target=almerys, category="NIR").state == "non_exposee"


@pytest.mark.parametrize(
    "posted",
    [
        DOCUMENT,
        {**DOCUMENT, "source": "", "NIR": "exposee"},
        {**DOCUMENT, "stated_on": "hier", "NIR": "exposee"},
        {**DOCUMENT, "stated_on": "2999-01-01", "NIR": "exposee"},
        {**DOCUMENT, "NIR": "exposee", "EMAIL": "perdue"},
    ],
)
def test_an_incomplete_page_of_claims_records_none_of_them(as_staff, cast, almerys, posted):
    before = fields_of(Claim.objects)
    answer = as_staff(cast.auteur).post(at("target_claims", almerys), posted)
    assert answer.status_code == 200
    assert "errorlist" in text(answer)
    assert fields_of(Claim.objects) == before


def test_claims_of_one_page_are_all_recorded_or_none(almerys, cast):
    before = fields_of(Claim.objects)
    with pytest.raises(IntegrityError), transaction.atomic():
        lifecycle.record_claims(
            almerys,
            {"NIR": "non_exposee", "INCONNUE": "exposee"},
            source="Lettre",
            stated_on=date(2024, 2, 20),
        )
    assert fields_of(Claim.objects) == before


@pytest.mark.parametrize("who", ["support", "approbateur"])
def test_only_who_writes_incidents_enters_claims(as_staff, cast, almerys, who):
    browser = as_staff(getattr(cast, who))
    assert browser.get(at("target_claims", almerys)).status_code == 403
    assert browser.post(at("target_claims", almerys), DOCUMENT).status_code == 403
    assert "plusieurs affirmations" not in text(browser.get(at("target_change", almerys)))


def test_nobody_adds_claims_to_a_closed_incident(as_staff, cast, almerys, february_2024):
    lifecycle.close(nobody_left_to_inform(february_2024), by=cast.approbateur)
    assert as_staff(cast.auteur).get(at("target_claims", almerys)).status_code == 403


def save_target(browser, target, *claims, **changes):
    """A POST of the page of `target`, with `changes`, and claims to add."""
    fields = ("window_from", "window_until", "window_source", "detected_on", "what_happened")
    posted = {name: getattr(target, name) or "" for name in fields}
    return browser.post(at("target_change", target), posted | changes | inline("claims", *claims))


def nir(state="exposee", **fields):
    return {
        "category": "NIR",
        "state": state,
        "source": "Courriel",
        "stated_on": "2024-02-12",
        "confidence": "ecrite",
    } | fields


def test_two_states_for_one_category_are_refused_together(as_staff, cast, february_2024):
    target = february_2024.targets.first()
    answer = save_target(as_staff(cast.auteur), target, nir(), nir("non_exposee"))
    assert "Deux affirmations portent sur « Numéro de sécurité sociale »." in text(answer)
    assert Claim.objects.filter(target=target, category="NIR").count() == 1


def test_nobody_states_anything_tomorrow(as_staff, cast, february_2024):
    target = february_2024.targets.first()
    tomorrow = timezone.localdate() + timedelta(days=1)
    answer = save_target(as_staff(cast.auteur), target, nir(stated_on=tomorrow.isoformat()))
    assert "Cette date est dans le futur." in text(answer)
    with pytest.raises(ValidationError):
        Claim.objects.create(
            target=target, category="NIR", state="exposee", source="Appel", stated_on=tomorrow
        )
    assert Claim.objects.filter(target=target, category="NIR").count() == 1


def test_what_a_target_said_before_stays_in_the_trail(as_staff, cast, february_2024):
    target = february_2024.targets.first()
    answer = save_target(
        as_staff(cast.auteur), target, window_from="2024-01-28", window_source="Courriel"
    )
    assert answer.status_code == 302, text(answer)
    event = AuditEvent.objects.get(action="incident.target_changed")
    assert event.actor == cast.auteur
    assert event.details == {
        "incident": february_2024.reference,
        "operator": "VIAMEDIS",
        "before": {"window_from": "2024-02-01", "window_source": WINDOW_SOURCE},
        "after": {"window_from": "2024-01-28", "window_source": "Courriel"},
    }


def test_days_that_do_not_go_with_those_another_wrote_meanwhile_are_refused(cast, february_2024):
    target, others = february_2024.targets.first(), february_2024.targets.first()
    target.window_from = date(2024, 2, 1)
    others.window_until = date(2024, 2, 3)
    lifecycle.change_target(others, ["window_until"], by=cast.auteur)
    target.window_from = date(2024, 2, 5)
    with pytest.raises(lifecycle.Moved):
        lifecycle.change_target(target, ["window_from"], by=cast.auteur)
    assert AuditEvent.objects.filter(action="incident.target_changed").count() == 1


def incident_page(incident, **changes):
    """What the page of `incident` posts: its targets as they are, without another row."""
    posted = {
        "title": incident.title,
        "detected_on": incident.detected_on,
        "dpo_name": incident.dpo_name,
        "dpo_email": incident.dpo_email,
        "dpo_address": incident.dpo_address,
        "public_phone": incident.public_phone,
        **inline("steps"),
        **inline("services"),
        **inline("scope"),
        **inline("domain_scope"),
    }
    targets = list(incident.targets.all())
    posted |= {"targets-TOTAL_FORMS": len(targets), "targets-INITIAL_FORMS": len(targets)}
    for number, target in enumerate(targets):
        fields = ("window_from", "window_until", "window_source", "detected_on", "what_happened")
        own = {name: getattr(target, name) or "" for name in fields}
        own |= {"id": target.pk, "incident": incident.pk, "operator": target.operator_id}
        posted |= {f"targets-{number}-{name}": value for name, value in own.items()}
    return posted | changes


def test_claims_never_move_to_another_operator(as_staff, cast, february_2024, desk):
    page = incident_page(
        february_2024,
        **{"targets-0-operator": desk.pk, "targets-0-window_source": "Courriel"},
    )
    answer = as_staff(cast.auteur).post(at("incident_change", february_2024), page)
    assert answer.status_code == 302, text(answer)
    target = february_2024.targets.first()
    assert (target.operator.code, target.window_source) == ("VIAMEDIS", "Courriel")
    event = AuditEvent.objects.get(action="incident.target_changed")
    assert event.details["after"] == {"window_source": "Courriel"}
    with pytest.raises(IntegrityError, match="target_keeps_its_operator"), transaction.atomic():
        february_2024.targets.filter(pk=target.pk).update(operator=desk)


def test_an_operator_leaves_an_incident_while_nothing_is_claimed_of_it(
    as_staff, cast, february_2024, desk
):
    browser = as_staff(cast.auteur)
    page = incident_page(february_2024, **{"targets-0-DELETE": "on"})
    answer = browser.post(at("incident_change", february_2024), page)
    assert "objets liés et protégés" in text(answer)
    wrong = february_2024.targets.create(
        operator=desk, detected_on="2024-02-01", what_happened="Une erreur de saisie."
    )
    page = incident_page(february_2024, **{"targets-2-DELETE": "on"})
    assert browser.post(at("incident_change", february_2024), page).status_code == 302
    assert not february_2024.targets.filter(pk=wrong.pk).exists()
    assert february_2024.targets.count() == 2


def test_the_list_says_which_version_is_in_force_without_reading_its_facts(
    as_staff, cast, february_2024
):
    browser = as_staff(cast.auteur)
    with CaptureQueriesContext(connection) as asked:
        page = text(browser.get(at("incident_changelist")))
    assert '<td class="field-version_in_force">1</td>' in page
    assert not [query for query in asked if '."facts"' in query["sql"]]


def test_saving_an_incident_writes_what_was_typed(as_staff, cast, february_2024):
    page = incident_page(february_2024, title="Un autre titre")
    assert as_staff(cast.auteur).post(at("incident_change", february_2024), page).status_code == 302
    february_2024.refresh_from_db()
    assert (february_2024.title, february_2024.state) == ("Un autre titre", "live")


def test_staff_read_that_a_correction_needs_no_other_reading(as_staff, cast, february_2024):
    from incidents import acknowledgements, exposure
    from tests.incidents.test_pages import correct

    def shown(version):
        people = exposure.of_member(cast.antoine, notices.facts_of(version))
        acknowledgements.show(cast.antoine, version, people)

    first = notices.latest(february_2024)
    shown(first)
    acknowledgements.acknowledge(cast.antoine, first)
    shown(correct(first, cast, material=False))
    page = text(as_staff(cast.support).get(f"/admin/members/member/{cast.antoine.pk}/change/"))
    assert "Déjà lue en version 1" in page
    shown(correct(first, cast, material=True))
    page = text(as_staff(cast.support).get(f"/admin/members/member/{cast.antoine.pk}/change/"))
    assert "Déjà lue" not in page


def test_the_author_cannot_publish_even_with_a_crafted_request(as_staff, cast, submitted):  # noqa: F811
    from django.contrib.auth.models import Group

    from portal import roles

    cast.auteur.groups.add(Group.objects.get(name=roles.APPROVAL))
    browser = as_staff(cast.auteur)
    change = text(browser.get(at("noticeversion_change", submitted)))
    assert "Approuver et publier" not in change
    read = notices.as_read(submitted, notices.facts_of(submitted))
    answer = browser.post(at("noticeversion_publish", submitted), {"read": read}, follow=True)
    assert "L'auteur d'une version ne peut pas l'approuver." in text(answer)
    submitted.refresh_from_db()
    assert not submitted.is_published


@pytest.mark.parametrize("move", ["publish", "emergency"])
def test_nobody_approves_a_text_that_its_author_may_still_change(as_staff, cast, draft, move):  # noqa: F811
    from django.contrib.auth.models import Group

    from portal import roles

    draft.change_note = "Une précision."
    draft.save()
    cast.approbateur.groups.add(Group.objects.get(name=roles.ADMINISTRATION))
    browser = as_staff(cast.approbateur)
    for ask in (browser.get, browser.post):
        answer = ask(at(f"noticeversion_{move}", draft), follow=True)
        assert answer.redirect_chain[0][0] == at("noticeversion_change", draft)
        assert "Cette version n'attend pas de décision." in text(answer)
    draft.refresh_from_db()
    assert draft.is_draft


def test_no_version_is_begun_from_one_of_a_closed_incident(as_staff, cast, february_2024):
    version = notices.latest(february_2024)
    lifecycle.close(nobody_left_to_inform(february_2024), by=cast.approbateur)
    browser = as_staff(cast.auteur)
    assert "Nouvelle version à partir" not in text(browser.get(at("noticeversion_change", version)))
    answer = browser.post(
        at("noticeversion_revise", version), {"reason": "Une coquille corrigée"}, follow=True
    )
    assert "Cet incident est clos." in text(answer)
    assert february_2024.versions.count() == 1


@pytest.mark.parametrize("move", ["submit", "publish", "withdraw", "revise", "preview"])
def test_support_makes_no_move(as_staff, cast, submitted, move):  # noqa: F811
    browser = as_staff(cast.support)
    assert browser.get(at("noticeversion_change", submitted)).status_code == 200
    assert browser.get(at(f"noticeversion_{move}", submitted)).status_code == 403
    assert browser.post(at(f"noticeversion_{move}", submitted)).status_code == 403


def test_who_writes_may_not_publish_and_who_publishes_may_not_write(as_staff, cast, submitted):  # noqa: F811
    assert as_staff(cast.auteur).get(at("noticeversion_publish", submitted)).status_code == 403
    assert as_staff(cast.approbateur).get(at("noticeversion_add")).status_code == 403


def test_looking_at_a_move_changes_nothing(as_staff, cast, submitted):  # noqa: F811
    browser = as_staff(cast.approbateur)
    for move in ("publish", "withdraw"):
        assert browser.get(at(f"noticeversion_{move}", submitted)).status_code == 200
    submitted.refresh_from_db()
    assert submitted.state == "submitted"


def test_what_is_missing_is_listed_before_the_submission(as_staff, cast, draft):  # noqa: F811
    browser = as_staff(cast.auteur)
    page = text(browser.get(at("noticeversion_submit", draft)))
    assert "Dites ce qui a changé depuis la version précédente." in page
    browser.post(at("noticeversion_submit", draft))
    draft.refresh_from_db()
    assert draft.is_draft


def test_a_submitted_version_is_read_only(as_staff, cast, submitted):  # noqa: F811
    browser = as_staff(cast.auteur)
    answer = browser.post(at("noticeversion_change", submitted), {"headline": "Autre"})
    assert answer.status_code == 403
    assert NoticeVersion.objects.get(pk=submitted.pk).headline == NOTICE["headline"]


def test_only_one_version_is_written_at_a_time(as_staff, cast, draft):  # noqa: F811
    answer = as_staff(cast.auteur).post(
        at("noticeversion_add"), {"incident": draft.incident.pk, **typed(NOTICE)}
    )
    assert "Une autre version est déjà en cours pour cet incident." in text(answer)


def test_a_preview_shows_what_a_member_would_read_and_is_recorded(as_staff, cast, submitted):  # noqa: F811
    browser = as_staff(cast.approbateur)
    address = at("noticeversion_preview", submitted)
    assert "Aucun adhérent n'a ce numéro." in text(browser.get(address, {"number": "0"}))
    page = text(browser.get(address, {"number": cast.antoine.number}))
    assert "Aperçu avant publication" in page
    assert "Aurélie Kervella" in page
    assert not Acknowledgement.objects.exists()
    event = AuditEvent.objects.get(action="incident.previewed")
    assert (event.actor, event.user) == (cast.approbateur, cast.antoine.user)


@pytest.mark.parametrize(
    ("moves", "title"),
    [
        ([], "Aperçu avant publication"),
        ([notices.publish], "Aperçu d'une version publiée"),
        ([notices.publish, notices.withdraw], "Aperçu d'une version retirée"),
    ],
)
def test_a_preview_says_what_became_of_the_version_and_that_the_look_is_recorded(
    as_staff,
    cast,
    submitted,  # noqa: F811
    moves,
    title,
):
    for move in moves:
        move(
            submitted,
            by=cast.approbateur,
            **({"reason": "Essai"} if move == notices.withdraw else {}),
        )
    page = text(
        as_staff(cast.approbateur).get(
            at("noticeversion_preview", submitted), {"number": cast.antoine.number}
        )
    )
    assert title in page
    assert "Rien n'est enregistré pour elle" in page
    assert "votre consultation, elle, l'est." in page


def test_staff_read_the_ledger_and_nobody_writes_it(as_member, as_staff, cast, february_2024):
    as_member(cast.antoine).get(reverse("incident", args=[february_2024.reference]))
    row = Acknowledgement.objects.get()
    browser = as_staff(cast.support)
    page = text(browser.get(at("acknowledgement_change", row)))
    assert "Aurélie Kervella" in page
    assert browser.post(at("acknowledgement_change", row), {}).status_code == 403
    found = browser.get(at("acknowledgement_changelist"), {"q": cast.antoine.number})
    assert "Antoine Kervella" in text(found)
    assert "Antoine Kervella" not in text(browser.get(at("acknowledgement_changelist")))


def test_a_member_never_reaches_the_desk(as_member, cast, submitted):  # noqa: F811
    answer = as_member(cast.antoine).get(at("noticeversion_preview", submitted))
    assert answer.status_code in (302, 403)
