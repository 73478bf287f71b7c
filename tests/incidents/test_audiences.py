"""One notice, six audiences: whose words serve for whom, one rendering for all, a seal on every text."""

from html import unescape

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from incidents import acknowledgements, exposure, facts, notices, renderings
from incidents.completeness import gaps
from incidents.models import Acknowledgement, NoticeVersion
from incidents.models.wording import OTHERS, WRITTEN, Audience, Topic, own_texts
from incidents.templatetags.notices import never_ask
from members.models import AuditEvent, AyantDroit, Delegation
from portal.demo.incident import NOTICE
from tests.forms import typed
from tests.incidents.test_notices import draft, submitted  # noqa: F401 - fixtures

PAGE = "/incidents/2024-02-tiers-payant/"


def text(response) -> str:
    return unescape(response.content.decode())


def at(name, version):
    return reverse(f"admin:incidents_noticeversion_{name}", args=[version.pk])


def of(blocks, topic):
    return next((block for block in blocks if block.topic == topic), None)


# Whose words


def test_without_own_words_an_audience_reads_the_members_unless_it_stands_apart():
    version = NoticeVersion(number=1, **NOTICE | {"audiences": {}})
    for topic in WRITTEN:
        told = {audience: version.text(audience, topic) for audience in Audience}
        assert told.pop(Audience.EMPLOYER) == told.pop(Audience.SUPPORT) == ""
        assert set(told.values()) == {getattr(version, topic)}


def test_own_words_are_kept_in_one_way_and_those_that_say_nothing_are_not():
    assert own_texts({"adult": {"what_to_do": "Lisez."}, "former": {"reassurance": " \u200b"}}) == {
        "adult": {"what_to_do": "Lisez."}
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"martian": {}},
        {"member": {"what_to_do": "x"}},
        {"adult": {"digest": "x"}},
        {"adult": {"what_to_do": 1}},
    ],
)
def test_an_audience_or_a_topic_that_does_not_exist_is_refused(wrong):
    with pytest.raises(ValueError, match="unknown"):
        own_texts(wrong)


@pytest.mark.parametrize("audience", ["employer", "support"])
def test_an_audience_apart_needs_its_own_minimum(draft, audience):  # noqa: F811
    draft.change_note = "Une précision."
    draft.audiences = {**draft.audiences, audience: {"consequences": "Peu."}}
    codes = [gap.code for gap in gaps(draft, facts.of(draft.incident))]
    assert codes == [f"{audience}.what_happened", f"{audience}.what_to_do"]


# The seal


words = st.text(min_size=1, max_size=12).filter(lambda told: any(one.isalnum() for one in told))
everybodys = st.fixed_dictionaries(
    {},
    optional={
        audience.value: st.dictionaries(st.sampled_from([t.value for t in WRITTEN]), words)
        for audience in OTHERS
    },
)


@given(
    texts=everybodys, audience=st.sampled_from(OTHERS), topic=st.sampled_from(WRITTEN), other=words
)
def test_the_seal_covers_every_text_of_every_audience(texts, audience, topic, other):
    version = NoticeVersion(number=1, audiences=own_texts(texts))
    changed = {name: dict(own) for name, own in version.audiences.items()}
    changed.setdefault(audience.value, {})[topic.value] = other
    copy = NoticeVersion(number=1, audiences=own_texts(changed))
    same = copy.audiences == version.audiences
    assert (notices.digest(copy, {}) == notices.digest(version, {})) is same
    if same:
        return
    del changed[audience.value][topic.value]
    without = NoticeVersion(number=1, audiences=own_texts(changed))
    assert notices.digest(without, {}) != notices.digest(copy, {})


def test_a_version_without_other_texts_keeps_the_seal_of_before():
    """As it was computed when versions had one audience: published digests are verified for ever."""
    version = NoticeVersion(number=1, **NOTICE | {"audiences": {}})
    assert (
        notices.digest(version, {"reference": "essai"})
        == "8a94a7f5093ea2c371622aba5006a8874e646686c467f1666b0c66b3f2e01c37"
    )


# One rendering


def test_facts_and_texts_of_every_audience_come_through_one_function(february_2024):
    version = notices.latest(february_2024)
    for audience in Audience:
        blocks = renderings.render(version, audience)
        told = "\n".join(line for block in blocks for line in block.lines)
        assert "Viamedis a coupé l'accès à sa plateforme." in told
        assert "Numéro de sécurité sociale" in told
        assert "Non mentionnées par l'opérateur : " in told
        assert "dpo@mutuelle-du-rivage.example" in told
        assert of(blocks, Topic.WHAT_TO_DO).text == version.text(audience, Topic.WHAT_TO_DO)
        assert [block.topic for block in blocks] == [one for one in Topic if of(blocks, one)]


def test_a_borrowed_text_says_so(february_2024):
    version = notices.latest(february_2024)
    blocks = renderings.render(version, Audience.FORMER)
    assert of(blocks, Topic.WHAT_HAPPENED).is_borrowed
    assert not of(blocks, Topic.WHAT_TO_DO).is_borrowed
    assert not any(block.is_borrowed for block in renderings.render(version, Audience.MEMBER))


def test_the_data_of_a_person_are_those_that_the_rule_says_exposed(cast, february_2024):
    Delegation.objects.update(categories=["DATE_NAISSANCE"])
    blocks = renderings.render(notices.latest(february_2024), Audience.MEMBER, cast.bianca)
    told = of(blocks, Topic.DATA).lines
    assert "- Exposées : Date de naissance." in told
    assert any(line.startswith("- Jamais transmises à cet opérateur : ") for line in told)


def test_an_adult_reads_of_himself_alone_and_is_spoken_to(cast, february_2024):
    person = AyantDroit.objects.get(member=cast.antoine, first_names="Aurélie")
    shown = renderings.page(notices.latest(february_2024), Audience.ADULT, person)
    assert [group.names for group in shown.groups] == ["Aurélie Kervella"] or shown.groups[
        0
    ].names == "Vous"
    assert shown.groups[0].headline.startswith("Une partie de vos données")
    told = "\n".join(line for block in renderings.blocks(shown) for line in block.lines)
    assert "Apolline" not in told
    assert "02 61 91 00 10" in told


# The pages


def test_a_former_member_reads_his_own_words_and_the_ledger_says_so(as_member, cast, february_2024):
    cast.bianca.adhesions.update(end="2024-03-31")
    page = text(as_member(cast.bianca).get(PAGE))
    assert "Vous n'êtes plus adhérent" in page
    assert "D'après les éléments connus, notre propre système n'a pas été touché." in page
    assert Acknowledgement.objects.get().shown["audience"] == "former"


def test_a_present_member_is_recorded_as_before(as_member, cast, february_2024):
    page = text(as_member(cast.antoine).get(PAGE))
    assert "Vous n'êtes plus adhérent" not in page
    assert list(Acknowledgement.objects.get().shown) == ["persons"]


def test_the_public_reads_its_own_words(client, cast, draft):  # noqa: F811
    draft.change_note = "Une précision."
    draft.audiences = {**draft.audiences, "public": {"what_to_do": "Rien à faire sans espace."}}
    draft.save()
    notices.submit(draft, by=cast.auteur)
    notices.publish(draft, by=cast.approbateur)
    page = text(client.get("/information/2024-02-tiers-payant/"))
    assert "Rien à faire sans espace." in page
    assert "N'ouvrez ni lien ni pièce jointe" not in page
    assert "Les attaquants se sont servis" in page


def test_what_an_audience_alone_reads_is_frozen_and_verified(cast, draft):  # noqa: F811
    draft.change_note = "Une précision."
    draft.save()
    notices.submit(draft, by=cast.auteur)
    notices.publish(draft, by=cast.approbateur)
    assert notices.verify() is None
    acknowledgements.show(
        cast.antoine, draft, exposure.of_member(cast.antoine, notices.facts_of(draft))
    )


# The desk


def test_own_texts_are_typed_read_again_and_hinted_at(as_staff, cast, draft):  # noqa: F811
    browser = as_staff(cast.auteur)
    page = text(browser.get(at("change", draft)))
    assert "Vide : comme pour l'adhérent." in page
    assert "Dites à vos salariés de se connecter" in page
    posted = typed(NOTICE) | {"material": "on", "change_note": "Une précision."}
    posted["adult_what_to_do"] = "Une exfiltration a été commise par des inconnus !"
    answer = browser.post(at("change", draft), posted)
    assert answer.status_code == 302, text(answer)
    draft.refresh_from_db()
    assert draft.audiences["adult"] == {"what_to_do": posted["adult_what_to_do"]}
    assert draft.audiences["employer"] == NOTICE["audiences"]["employer"]
    page = text(browser.get(at("change", draft)))
    assert "« exfiltration » : dites plutôt « copie de données »" in page
    assert "« été commise par » : commencez par qui agit." in page
    event = AuditEvent.objects.get(action="incident.version_changed")
    assert set(event.details["fields"]) == {"change_note", "adult_what_to_do"}


def test_hints_refuse_nothing_and_a_wrong_form_keeps_what_was_typed(as_staff, cast, draft):  # noqa: F811
    posted = typed(NOTICE) | {"headline": "", "adult_consequences": "mot " * 25}
    page = text(as_staff(cast.auteur).post(at("change", draft), posted))
    assert "Phrase de 25 mots" in page
    assert "mot mot mot" in page
    draft.refresh_from_db()
    assert "adult" not in draft.audiences


def test_who_may_not_change_a_version_reads_its_other_texts_in_words(as_staff, cast, submitted):  # noqa: F811
    page = text(as_staff(cast.approbateur).get(at("change", submitted)))
    assert "Dites à vos salariés de se connecter" in page
    assert 'name="employer_what_to_do"' not in page


def test_every_audience_is_previewed(as_staff, cast, submitted):  # noqa: F811
    browser = as_staff(cast.auteur)
    for audience in Audience:
        asked = {"audience": audience.value}
        if audience in renderings.OF_A_PERSON:
            asked["number"] = cast.antoine.number
        answer = browser.get(at("preview", submitted), asked)
        assert answer.status_code == 200
        assert submitted.text(audience, Topic.WHAT_TO_DO).splitlines()[0] in text(answer)
        details = AuditEvent.objects.filter(action="incident.previewed").latest("pk").details
        assert details["audience"] == audience.value
        assert ("member" in details) == (audience in renderings.OF_A_PERSON)
    assert not Acknowledgement.objects.exists()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"audience": "former"}, "Donnez le numéro d'un adhérent."),
        ({"audience": "adult", "number": "F"}, "Aucun ayant droit majeur"),
        ({"audience": "martian"}, "martian"),
        ({"number": "NUL"}, "caractère nul"),
        ({"audience": "adult", "number": "A", "adult": "B"}, "Sélectionnez un choix valide"),
    ],
)
def test_a_wrong_preview_says_why(as_staff, cast, submitted, asked, told):  # noqa: F811
    numbers = {"A": cast.antoine.number, "F": cast.fabien.number, "NUL": "1\0"}
    stranger = AyantDroit.objects.exclude(member=cast.antoine).first()
    asked = asked | {"number": numbers.get(asked.get("number"), "")}
    if "adult" in asked:
        asked["adult"] = stranger.pk
    page = text(as_staff(cast.auteur).get(at("preview", submitted), asked))
    assert told in page
    assert not AuditEvent.objects.filter(action="incident.previewed").exists()


def test_any_two_versions_are_compared(as_staff, cast, submitted):  # noqa: F811
    notices.publish(submitted, by=cast.approbateur)
    third = notices.revise(submitted, author=cast.auteur, reason="Essai")
    first = submitted.incident.versions.get(number=1)
    browser = as_staff(cast.support)
    page = text(browser.get(at("compare", third), {"other": first.pk}))
    assert "avec la version 1." in page
    assert "avec la version 2, en vigueur" in text(
        browser.get(at("compare", third), {"other": submitted.pk})
    )
    assert "Sélectionnez un choix valide" in text(browser.get(at("compare", third), {"other": 0}))
    assert "différence" not in text(browser.get(at("compare", third)))


# Support


def test_support_opens_the_script_of_the_version_in_force_in_one_click(as_staff, cast, submitted):  # noqa: F811
    browser = as_staff(cast.support)
    member = reverse("admin:members_member_change", args=[cast.antoine.pk])
    first = submitted.incident.versions.get(number=1)
    address = f"{at('script', first)}?number={cast.antoine.number}"
    assert address in text(browser.get(member))
    page = text(browser.get(address))
    for told in (
        "Ce que vous dites à l'appelant",
        "Aucune démarche n'est à faire.",
        "Ces données ont fui pour cet adhérent. Ne les demandez jamais",
        "Ne dites rien de ces données avant d'avoir rappelé",
        "Une partie de vos données et des leurs est exposée",
    ):
        assert told in page, told
    event = AuditEvent.objects.get(action="incident.script_read")
    assert (event.user, event.actor) == (cast.antoine.user, cast.support)
    notices.publish(submitted, by=cast.approbateur)
    assert "v2" in text(browser.get(address))


def test_what_never_to_ask_costs_one_statement_for_each_incident(
    cast, february_2024, django_assert_num_queries
):
    with django_assert_num_queries(2):  # the versions in force; what leaked of him, not of his
        told = never_ask(cast.antoine)
    assert "Numéro de sécurité sociale" in told["leaked"]


def test_a_script_without_caller_records_nothing_and_tells_of_nobody(as_staff, cast, february_2024):
    page = text(as_staff(cast.auteur).get(at("script", notices.latest(february_2024))))
    assert "Ce qui ne prouve pas l'identité d'un appelant" in page
    assert "Kervella" not in page
    assert not AuditEvent.objects.filter(action="incident.script_read").exists()


def test_who_may_not_see_members_reads_no_script_about_one(as_staff, cast, february_2024):
    address = at("script", notices.latest(february_2024))
    answer = as_staff(cast.auteur).get(address, {"number": cast.antoine.number})
    assert answer.status_code == 403


def test_before_any_publication_there_is_no_script(as_staff, cast, february_2024):
    version = notices.latest(february_2024)
    notices.withdraw(version, by=cast.approbateur, reason="Essai")
    answer = as_staff(cast.support).get(at("script", version), follow=True)
    assert "il n'y a rien à dire" in text(answer)


# Correction


def test_a_correction_carries_its_reason_and_members_see_what_changed_in_the_banner(
    as_staff, as_member, cast, february_2024
):
    first = notices.latest(february_2024)
    browser = as_staff(cast.auteur)
    assert "Ce champ est obligatoire" in text(browser.post(at("revise", first), {"reason": ""}))
    browser.post(at("revise", first), {"reason": "L'opérateur a écrit"})
    version = february_2024.versions.get(number=2)
    assert version.revision_reason == "L'opérateur a écrit"
    version.change_note = "Les dates sont précisées."
    version.save()
    notices.submit(version, by=cast.auteur)
    notices.publish(version, by=cast.approbateur)
    member = as_member(cast.antoine)
    assert "Les dates sont précisées." in text(member.get("/espace/"))
    assert "L'opérateur a écrit" not in text(member.get(PAGE))
    member.post(f"{PAGE}lu/", {"version": 2})
    assert "Les dates sont précisées." not in text(member.get("/espace/"))
