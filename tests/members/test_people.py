"""Rules 1 to 4 of the domain: NIR, birth rank, periods inside periods, periods that never overlap."""

import contextlib
from datetime import date

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from members import cover, nir, phones, sealing
from members.models import Adhesion, AyantDroit, CareDomain, Delegation, Holding, Member, Operator
from members.models.category import DataCategory, codes_of, mask_of
from members.models.member import NIR_PURPOSE
from members.models.period import gap_in

KNOWN = [
    "178067512345644",
    "281091300104217",
    "105079205011880",
    "210119935200723",
    "210119935200822",
    "180062A00403319",
    "284122B03302108",
]
TWIN_KEYS = (
    "ZGVtby1vbmx5LWZpZWxkLWVuY3J5cHRpb24ta2V5LTE=",
    "ZGVtby1vbmx5LWZpZWxkLWVuY3J5cHRpb24ta2V5LTI=",
)

postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="exclusion constraints are PostgreSQL's"
)


# NIR


@pytest.mark.parametrize("number", KNOWN)
def test_valid_numbers_are_accepted_with_or_without_spaces(number):
    groups = [number[0], *(number[i : i + 2] for i in (1, 3, 5)), number[7:10], number[10:]]
    assert nir.compact(" ".join(groups).lower()) == nir.compact(number) == number


@pytest.mark.parametrize(
    "number",
    [
        "269054958815780",  # the public specimen
        "178067512345645",  # another key
        "17806751234564",  # one character short
        "578067512345644",  # no such first digit
        "178137512345635",  # no thirteenth month
        "",
        "not a number",
    ],
)
def test_what_is_not_a_nir_is_refused(number):
    with pytest.raises(nir.InvalidNir):
        nir.compact(number)


@given(st.text(max_size=20))
def test_no_text_whatever_breaks_the_check(text):
    with contextlib.suppress(nir.InvalidNir):
        assert len(nir.compact(text)) == 15


@given(st.sampled_from(KNOWN), st.integers(0, 14), st.sampled_from("0123456789"))
def test_one_wrong_digit_is_always_seen(number, position, digit):
    changed = number[:position] + digit + number[position + 1 :]
    if changed != number:
        with pytest.raises(nir.InvalidNir):
            nir.compact(changed)


def test_the_mask_keeps_sex_and_year_only():
    assert nir.masked("281091300104217") == "2 81 •• •• ••• ••• ••"


def test_the_database_holds_the_nir_of_nobody_in_clear(claire):
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM members_member")
        assert "281091300104217" not in str(cursor.fetchall())
    assert Member.objects.get().nir == "281091300104217"


def test_a_member_without_nir_says_why(claire):
    with pytest.raises(IntegrityError), transaction.atomic():
        Member.objects.filter(pk=claire.pk).update(nir_sealed="", nir_digest=None)
    Member.objects.filter(pk=claire.pk).update(
        nir_sealed="", nir_digest=None, nir_absence="en_attente"
    )
    assert Member.objects.get().nir_masked == "Immatriculation en cours"


def test_an_altered_seal_opens_nothing(claire):
    claire.nir_sealed = claire.nir_sealed[:-2] + "AA"
    with pytest.raises(sealing.CannotOpen):
        claire.nir  # noqa: B018


# Key rotation


def test_a_rotation_seals_everything_under_the_new_key_and_the_old_one_can_go(
    claire, settings, capsys
):
    old = settings.FIELD_ENCRYPTION_KEYS
    settings.FIELD_ENCRYPTION_KEYS = [TWIN_KEYS[0], *old]
    assert Member.objects.get().nir == "281091300104217"  # the old key still opens
    call_command("rotate_field_keys")
    settings.FIELD_ENCRYPTION_KEYS = [TWIN_KEYS[0]]
    rotated = Member.objects.get()
    assert rotated.nir == "281091300104217"
    assert rotated.nir_digest == sealing.digest("281091300104217", NIR_PURPOSE)
    call_command("rotate_field_keys")
    assert "adhérents: 0 sealed again." in capsys.readouterr().out


def test_a_rotation_without_the_old_key_changes_nothing_and_says_so(claire, settings):
    settings.FIELD_ENCRYPTION_KEYS = [TWIN_KEYS[1]]
    with pytest.raises(sealing.CannotOpen):
        call_command("rotate_field_keys")
    assert Member.objects.get().nir_sealed == claire.nir_sealed


def test_a_printed_key_is_a_key(settings, capsys):
    call_command("new_field_key")
    settings.FIELD_ENCRYPTION_KEYS = [capsys.readouterr().out.strip()]
    assert sealing.unseal(sealing.seal("secret")) == "secret"


# Phones


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("06 12 34 56 78", "+33612345678"),
        ("+33 6 12 34 56 78", "+33612345678"),
        ("0033612345678", "+33612345678"),
        ("+590 690 00 12 34", "+590690001234"),
        ("+262692123456", "+262692123456"),
    ],
)
def test_mobiles_of_france_and_overseas_are_kept_in_e164(typed, kept):
    assert phones.mobile_e164(typed) == kept


@pytest.mark.parametrize(
    "typed",
    ["01 23 45 67 89", "+44 7911 123456", "+1 415 555 2671", "0612", "abc", "08 92 00 00 00"],
)
def test_other_phones_are_refused_in_french(typed):
    with pytest.raises(ValidationError) as refused:
        phones.mobile_e164(typed)
    assert refused.value.messages[0].endswith(".")


def test_the_database_refuses_a_phone_that_is_not_e164(claire):
    with pytest.raises(IntegrityError), transaction.atomic():
        Member.objects.update(phone="06 12 34 56 78")


# Beneficiaries


def child(member, rank=1, start=date(2019, 1, 1), end=None, reference="01", **fields):
    person = AyantDroit(
        member=member,
        reference=reference,
        link="enfant",
        birth_name="Vasseur",
        first_names="Lou",
        birth_date=date(2010, 11, 3),
        birth_rank=rank,
        start=start,
        end=end,
        nir_absence="en_attente",
        **fields,
    )
    return person


def test_twins_need_different_ranks(covered):
    child(covered.member).save()
    with pytest.raises(IntegrityError), transaction.atomic():
        child(covered.member, reference="02").save()
    with pytest.raises(ValidationError, match="rangs différents"):
        child(covered.member, reference="02").full_clean()
    child(covered.member, rank=2, reference="02").save()


def test_a_relative_born_on_the_members_day_needs_another_rank_than_his(covered):
    relative = child(covered.member)
    relative.birth_date = covered.member.birth_date
    with pytest.raises(ValidationError, match="rangs différents"):
        relative.full_clean()
    relative.birth_rank = 2
    relative.full_clean()


def test_neither_may_the_member_take_the_day_and_rank_of_a_relative(covered):
    relative = child(covered.member, rank=2)
    relative.save()
    member = covered.member
    member.full_clean()
    member.birth_date, member.birth_rank = relative.birth_date, 2
    with pytest.raises(ValidationError, match="rangs différents"):
        member.full_clean()
    member.birth_rank = 1
    member.full_clean()


@pytest.mark.parametrize("rank", [0, 10])
def test_a_rank_is_from_1_to_9(covered, rank):
    with pytest.raises(IntegrityError), transaction.atomic():
        child(covered.member, rank=rank).save()


def test_an_ayant_droit_is_covered_only_while_the_member_is(covered):
    child(covered.member).full_clean()
    with pytest.raises(ValidationError, match="31/12/2018"):
        child(covered.member, start=date(2018, 12, 31)).full_clean()


def test_an_adhesion_cannot_end_under_the_feet_of_an_ayant_droit(covered):
    child(covered.member).save()
    covered.end = date(2024, 6, 30)
    with pytest.raises(ValidationError, match="01/07/2024"):
        covered.full_clean()


days = st.dates(date(2020, 1, 1), date(2020, 3, 1))


@given(st.lists(st.tuples(days, days), max_size=4), days, days)
def test_the_gap_is_the_first_day_that_no_period_holds(spans, start, end):
    start, end = min(start, end), max(start, end)
    periods = [Adhesion(start=min(span), end=max(span)) for span in spans]
    uncovered = [
        date.fromordinal(day)
        for day in range(start.toordinal(), end.toordinal() + 1)
        if not any(period.holds(date.fromordinal(day)) for period in periods)
    ]
    assert gap_in(start, end, periods) == (uncovered[0] if uncovered else None)


# Delegations and holdings


@pytest.fixture
def viamedis(db):
    return Operator.objects.create(code="VIAMEDIS", name="Viamedis")


@pytest.fixture
def optics(db):
    return CareDomain.objects.create(code="OPTI", label="Optique")


def delegation(operator, contract, start, end=None, domain=None):
    return Delegation(
        operator=operator,
        contract=contract,
        start=start,
        end=end,
        domain=domain,
        categories=["NIR", "ETAT_CIVIL"],
    )


def test_two_delegations_follow_each_other_without_sharing_a_day(viamedis, contract):
    delegation(viamedis, contract, date(2019, 1, 1), date(2023, 12, 31)).save()
    follower = delegation(viamedis, contract, date(2024, 1, 1))
    follower.full_clean()
    follower.save()


@postgresql
@pytest.mark.parametrize("domains", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_the_database_refuses_a_shared_day_for_the_same_domain_or_all(
    viamedis, contract, optics, domains
):
    first, second = (optics if specific else None for specific in domains)
    delegation(viamedis, contract, date(2019, 1, 1), date(2023, 12, 31), first).save()
    with pytest.raises(IntegrityError, match="delegation_no_overlap"), transaction.atomic():
        delegation(viamedis, contract, date(2023, 12, 31), None, second).save()


@pytest.mark.parametrize("domains", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_a_form_refuses_it_too_with_a_sentence(viamedis, contract, optics, domains):
    first, second = (optics if specific else None for specific in domains)
    delegation(viamedis, contract, date(2019, 1, 1), date(2023, 12, 31), first).save()
    with pytest.raises(ValidationError, match="déjà ce contrat"):
        delegation(viamedis, contract, date(2023, 12, 31), None, second).full_clean()


def test_two_domains_may_have_two_operators(viamedis, contract, optics):
    dental = CareDomain.objects.create(code="DENT", label="Dentaire")
    delegation(viamedis, contract, date(2019, 1, 1), None, optics).save()
    other = delegation(viamedis, contract, date(2019, 1, 1), None, dental)
    other.full_clean()
    other.save()


@postgresql
def test_a_member_is_not_twice_under_one_contract(covered):
    with pytest.raises(IntegrityError, match="adhesion_no_overlap"), transaction.atomic():
        Adhesion.objects.create(
            member=covered.member, contract=covered.contract, start=date(2020, 1, 1)
        )


def test_a_period_ends_after_it_starts(covered):
    with pytest.raises(IntegrityError), transaction.atomic():
        Adhesion.objects.update(end=date(2018, 1, 1))


def test_a_purge_needs_its_evidence(viamedis, contract):
    with pytest.raises(IntegrityError), transaction.atomic():
        Holding.objects.create(operator=viamedis, contract=contract, purged_on=date(2024, 1, 1))


def test_only_an_operator_who_served_a_contract_can_hold_its_data(viamedis, contract):
    with pytest.raises(ValidationError, match="jamais géré"):
        Holding(operator=viamedis, contract=contract).full_clean()


def holding(operator, contract, purged_on=None):
    evidence = "Attestation" if purged_on else ""
    return Holding(operator=operator, contract=contract, purged_on=purged_on, evidence=evidence)


def test_a_purge_follows_the_end_of_a_delegation(viamedis, contract):
    delegation(viamedis, contract, date(2019, 1, 1), date(2020, 12, 31)).save()
    with pytest.raises(ValidationError, match="encore en cours ce jour-là"):
        holding(viamedis, contract, date(2020, 12, 30)).full_clean()
    holding(viamedis, contract, date(2020, 12, 31)).full_clean()


def test_each_stay_has_its_holding_and_one_is_open(viamedis, contract):
    delegation(viamedis, contract, date(2019, 1, 1), date(2020, 12, 31)).save()
    delegation(viamedis, contract, date(2022, 1, 1), date(2022, 12, 31)).save()
    for purged_on in (date(2021, 6, 1), None):
        row = holding(viamedis, contract, purged_on)
        row.full_clean()
        row.save()
        with pytest.raises(ValidationError, match="déjà connu"):
            holding(viamedis, contract, purged_on).full_clean()
        with pytest.raises(IntegrityError), transaction.atomic():
            holding(viamedis, contract, purged_on).save()


def test_a_purge_speaks_only_of_what_had_ended(viamedis, covered):
    contract = covered.contract
    delegation(viamedis, contract, date(2019, 1, 1), date(2020, 12, 31)).save()
    delegation(viamedis, contract, date(2022, 1, 1), date(2022, 12, 31)).save()
    holding(viamedis, contract, date(2021, 6, 1)).save()
    (himself,) = cover.places(covered.member)
    assert [(one.since.year, one.state, one.purged_on) for one in himself.places] == [
        (2022, "held", None),
        (2019, "purged", date(2021, 6, 1)),
    ]
    holding(viamedis, contract, date(2023, 6, 1)).save()
    (himself,) = cover.places(covered.member)
    assert [(one.since.year, one.state, one.purged_on) for one in himself.places] == [
        (2022, "purged", date(2023, 6, 1)),
        (2019, "purged", date(2021, 6, 1)),
    ]


def test_a_delegation_sends_something(viamedis, contract):
    row = delegation(viamedis, contract, date(2019, 1, 1))
    row.categories = frozenset()
    with pytest.raises(ValidationError, match="Indiquez les données transmises"):
        row.full_clean()
    with pytest.raises(IntegrityError, match="delegation_sends_something"), transaction.atomic():
        row.save()


# Sets of categories


@given(st.sets(st.sampled_from(DataCategory.values)))
def test_a_set_of_categories_survives_its_mask(codes):
    assert codes_of(mask_of(codes)) == codes


def test_a_set_of_categories_survives_the_database(viamedis, contract):
    delegation(viamedis, contract, date(2019, 1, 1)).save()
    assert Delegation.objects.get().categories == {"NIR", "ETAT_CIVIL"}


def test_the_order_of_the_categories_is_how_they_are_stored_and_never_changes():
    assert [category.value for category in DataCategory] == [
        "ETAT_CIVIL",
        "RANG_NAISSANCE",
        "DATE_NAISSANCE",
        "NIR",
        "NOM_ASSUREUR",
        "GARANTIES_CONTRAT",
        "REFERENCE_INTERNE",
        "BANCAIRE",
        "MEDICAL",
        "REMBOURSEMENTS",
        "ADRESSE_POSTALE",
        "TELEPHONE",
        "EMAIL",
        "NUMERO_CONTRAT",
        "NUMERO_ADHERENT",
        "IDENTIFIANTS_ESPACE",
    ]
