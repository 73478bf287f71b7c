"""What an address may ask of the admin, whoever wrote the page: only what the page itself offers."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django_otp.plugins.otp_totp.models import TOTPDevice

from members.models import AyantDroit, SmsMessage, User
from tests.members.conftest import PASSWORD, make_member
from tests.members.routes import queued_text
from tests.signing import sign_in

LISTS = sorted(model._meta.label for model in admin.site._registry)
LARGE = ["member", "ayantdroit", "user", "smsmessage", "smsdevice"]
EMPTY = ["", " ", "\0", '""', "''", '"', "'", '" "', "\"\" ''"]


@pytest.fixture
def claire(db):
    member = make_member()
    AyantDroit.objects.create(
        member=member,
        reference="01",
        link="enfant",
        birth_name="Vasseur",
        first_names="Lou",
        birth_date="2010-11-03",
        start="2019-01-01",
        nir_absence="en_attente",
    )
    queued_text(member)
    return member


@pytest.fixture
def hugo(db):
    user = User.objects.create_user("hugo", PASSWORD, name="Hugo Lantier", is_staff=True)
    TOTPDevice.objects.create(user=user, name="totp", confirmed=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    return user


@pytest.fixture
def support(hugo):
    """Hugo at work: he may look at everything. An error inside is a page, as in production."""
    browser = Client(raise_request_exception=False)
    return sign_in(browser, hugo, TOTPDevice.objects.get(user=hugo))


def model_of(label):
    return next(model for model in admin.site._registry if model._meta.label == label)


def changelist(model):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


# Filters


@pytest.mark.parametrize("label", LISTS)
def test_no_list_filters_by_a_column_that_it_does_not_offer(support, rf, label):
    model = model_of(label)
    page = admin.site._registry[model]
    offered = {getattr(one, "parameter_name", one) for one in page.list_filter}
    request = rf.get("/")
    request.user = User.objects.get(is_staff=True)
    for column in model._meta.concrete_fields:
        for ending in ("", "__exact", "__startswith", "__gt", "__regex", "__isnull", "__in"):
            allowed = page.lookup_allowed(f"{column.name}{ending}", "x", request)
            assert allowed <= (column.name in offered), f"{column.name}{ending}"
        if column.name not in offered:
            answer = support.get(changelist(model), {f"{column.name}__startswith": "x"})
            assert answer.status_code == (400 if page.has_view_permission(request) else 403)


@pytest.mark.parametrize(
    ("model", "guess"),
    [
        ("member", {"phone__startswith": "+336"}),
        ("member", {"nir_sealed__startswith": "g"}),
        ("member", {"nir_digest__gt": "8"}),
        ("member", {"user__password__startswith": "argon2"}),
        ("user", {"password__startswith": "argon2"}),
        ("user", {"password__regex": "("}),
        ("user", {"member__phone__startswith": "+336"}),
        ("ayantdroit", {"member__phone__startswith": "+336"}),
        ("smsmessage", {"user__password__startswith": "argon2"}),
        ("smsmessage", {"state__regex": "("}),
        ("smsmessage", {"state__exact": "\0"}),
    ],
)
def test_a_guess_in_the_address_is_neither_confirmed_nor_an_error(support, claire, model, guess):
    answer = support.get(f"/admin/members/{model}/", {"q": claire.number, **guess})
    assert answer.status_code == 400
    assert '<html lang="fr">' in answer.content.decode()


def test_the_filters_that_a_page_offers_work(support, claire):
    text = SmsMessage.objects.get()
    for state, found in ((text.state, True), ("failed", False)):
        page = support.get(
            "/admin/members/smsmessage/", {"q": claire.number, "state__exact": state}
        )
        assert page.status_code == 200
        assert (str(text.pk) in page.content.decode()) == found
    page = support.get("/admin/members/delegation/", {"operator__id__exact": "1"})
    assert page.status_code == 200


# Never listed whole


@pytest.mark.parametrize("model", LARGE)
@pytest.mark.parametrize("words", EMPTY)
def test_a_large_list_answers_a_search_and_nothing_else(support, claire, model, words):
    answer = support.get(f"/admin/members/{model}/", {"q": words})
    assert answer.status_code == 200
    assert not answer.context["cl"].result_list


def test_a_search_finds_with_or_without_quotes(support, claire):
    for words in ("vass", '"Vass"', claire.number):
        assert support.get("/admin/members/member/", {"q": words}).context["cl"].result_list


def autocompletion(browser, term):
    return browser.get(
        "/admin/autocomplete/",
        {"app_label": "members", "model_name": "ayantdroit", "field_name": "member", "term": term},
    )


@pytest.mark.parametrize("term", EMPTY)
def test_an_autocompletion_does_not_list_members_either(support, claire, term):
    answer = autocompletion(support, term)
    assert answer.status_code == 200
    assert answer.json()["results"] == []


def test_an_autocompletion_finds_by_number(support, claire):
    (found,) = autocompletion(support, claire.number).json()["results"]
    assert found["id"] == str(claire.pk)


def test_an_autocompletion_of_a_short_list_bears_any_term(support):
    answer = support.get(
        "/admin/autocomplete/",
        {
            "app_label": "members",
            "model_name": "contract",
            "field_name": "employer",
            "term": "\0",
        },
    )
    assert (answer.status_code, answer.json()["results"]) == (200, [])


# Addresses


@pytest.mark.parametrize("path", ["/admin/r/1/1/", "/admin/r/1/abc/", "/admin/r/x/y/"])
def test_no_page_leads_from_any_row_of_any_table_to_the_site(support, path):
    assert support.get(path).status_code == 404
