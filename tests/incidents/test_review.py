"""What the approver reads: every fact under the seal, and what differs from the version in force."""

from copy import deepcopy
from datetime import date
from html import unescape

import pytest
from django.urls import reverse

from incidents import facts, lifecycle, notices, review
from incidents.models import ContractScope, NoticeVersion
from incidents.review import Change
from members.models import Contract
from tests.incidents.test_notices import draft, submitted  # noqa: F401 - fixtures


def leaves(value, path=()):
    """The path of each value of a snapshot."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        if isinstance(item, dict | list):
            yield from leaves(item, (*path, key))
        else:
            yield (*path, key)


def put(snapshot, path, value):
    changed = deepcopy(snapshot)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


def said(checked) -> str:
    return "\n".join(
        f"{section.title}|{line.label}|{''.join(part.text for part in line.now)}"
        for section in checked.sections
        for line in section.lines
    )


# The numbers of rows, which nobody reads: the names beside them say the same.
UNREAD = {"operator_id", "id"}


def test_whatever_changes_the_seal_changes_what_the_approver_reads(submitted):  # noqa: F811
    incident = submitted.incident
    contracts = list(Contract.objects.all()[:2])
    ContractScope.objects.create(incident=incident, contract=contracts[0], rule="include")
    ContractScope.objects.create(incident=incident, contract=contracts[1], rule="exclude")
    snapshot = facts.of(incident).snapshot()
    shown = said(review.of(submitted, facts.from_snapshot(snapshot)))
    paths = [path for path in leaves(snapshot) if path[-1] not in UNREAD]
    assert len(paths) > 150
    for path in paths:
        known = any(word in path[-1] for word in ("_on", "window_from", "window_until"))
        changed = facts.from_snapshot(put(snapshot, path, "2021-05-17" if known else "AUTRE"))
        assert notices.facts_digest(changed) != notices.facts_digest(facts.of(incident))
        assert said(review.of(submitted, changed)) != shown, path


def test_every_text_of_the_version_is_there(submitted):  # noqa: F811
    shown = said(review.of(submitted, notices.facts_of(submitted)))
    for name in NoticeVersion.TEXTS:
        assert getattr(submitted, name) in shown
    assert "Changement important|oui" in shown


def line(checked, key, label, change=None):
    [section] = [section for section in checked.sections if section.key == key]
    [found] = [
        line
        for line in section.lines
        if line.label == label and (change is None or line.change == change)
    ]
    return found


def different(parts) -> list[str]:
    return [part.text for part in parts if part.differs]


def test_a_text_that_changed_is_marked_word_by_word(draft, cast):  # noqa: F811
    draft.headline = draft.headline.replace("Attaque", "Attaques")
    draft.change_note = "Une correction."
    draft.save()
    checked = review.of(draft, notices.facts_of(draft))
    assert checked.other.number == 1
    headline = line(checked, "textes", "Titre")
    assert headline.change == Change.CHANGED
    assert (different(headline.before), different(headline.now)) == (["Attaque"], ["Attaques"])
    assert line(checked, "textes", "Ce qui a changé").change == Change.CHANGED
    assert checked.differences == 2


def test_a_claim_recorded_since_is_marked_with_its_source_and_its_date(draft, cast):  # noqa: F811
    lifecycle.record_claim(
        draft.incident.targets.first(),
        category="TELEPHONE",
        state="exposee",
        source="Courriel de Viamedis",
        stated_on=date(2024, 3, 1),
        by=cast.auteur,
    )
    checked = review.of(draft, notices.facts_of(draft))
    claim = line(checked, "operateur-viamedis-donnees", "Numéro de téléphone")
    assert claim.change == Change.CHANGED
    now = "".join(part.text for part in claim.now)
    assert now == "exposée · Courriel de Viamedis, le 1er mars 2024"
    assert "non exposée" in "".join(part.text for part in claim.before)
    same = line(checked, "operateur-almerys-donnees", "Numéro de téléphone")
    assert same.change == Change.SAME


def test_what_was_added_and_what_was_taken_away_are_told_apart(draft):  # noqa: F811
    incident = draft.incident
    incident.steps.filter(kind="employeur").delete()
    incident.steps.create(kind="autre", actor="Almerys", text="Un audit est en cours.")
    checked = review.of(draft, notices.facts_of(draft))
    added = line(checked, "mesures", "Autre mesure · Almerys")
    gone = line(checked, "mesures", "Employeur informé · Mutuelle du Rivage")
    assert (added.change, gone.change) == (Change.NEW, Change.REMOVED)
    assert not gone.now


def test_before_a_first_publication_nothing_is_marked(cast, february_2024):
    first = notices.latest(february_2024)
    notices.withdraw(first, by=cast.approbateur, reason="Essai")
    version = notices.revise(first, author=cast.auteur)
    checked = review.of(version, notices.facts_of(version))
    assert checked.other is None
    assert checked.differences == 0


@pytest.mark.parametrize(("move", "who"), [("submit", "auteur"), ("publish", "approbateur")])
def test_author_and_approver_read_the_whole_version_before_they_confirm(
    as_staff,
    cast,
    draft,  # noqa: F811
    move,
    who,
):
    draft.change_note = "Almerys précise les dates."
    draft.save()
    if move == "publish":
        notices.submit(draft, by=cast.auteur)
    target = draft.incident.targets.last()
    target.window_source = "Lettre d'Almerys du 12 février"
    target.save()
    browser = as_staff(getattr(cast, who))
    response = browser.get(reverse(f"admin:incidents_noticeversion_{move}", args=[draft.pk]))
    page = unescape(response.content.decode())
    for shown in (
        "Almerys précise les dates.",
        draft.what_to_do.splitlines()[0],
        "Information de la mutuelle à ses adhérents, février 2024, le 9 février 2024",
        "du 1er au 7 février",
        "Plainte déposée",
        "L'opticien peut attendre un accord",
        "tous les contrats",
        "dpo@mutuelle-du-rivage.example",
        "2 différences avec la version 1, en vigueur.",
        "Lettre",
        "<del>",
    ):
        assert shown in page, shown
