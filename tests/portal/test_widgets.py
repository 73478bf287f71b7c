"""One-line inputs are the same to the byte as Django's templates write them."""

import pytest
from django import forms
from django.forms.renderers import DjangoTemplates
from django.utils.safestring import mark_safe
from hypothesis import given
from hypothesis import strategies as st

from portal.widgets import INPUTS, Renderer

DJANGO, OURS = DjangoTemplates(), Renderer()
WIDGETS = [
    forms.TextInput,
    forms.PasswordInput,
    forms.HiddenInput,
    forms.EmailInput,
    forms.NumberInput,
    forms.DateInput,
]
words = st.text(max_size=20) | st.sampled_from(['"><script>', "l'été & l'hiver", "<b>", "\0"])
names = st.sampled_from(
    ["autocomplete", "id", "class", "required", "aria-describedby", "value", "x<y"]
)


@pytest.mark.parametrize("widget", WIDGETS)
@given(
    value=st.none() | words | st.integers() | st.booleans() | st.just(mark_safe("<i>sûr</i>")),
    attrs=st.dictionaries(names, words | st.booleans() | st.integers() | st.none()),
)
def test_an_input_is_the_same_as_django_s(widget, value, attrs):
    one = widget(attrs)
    assert one.render("nom", value, renderer=OURS) == one.render("nom", value, renderer=DJANGO)


def test_our_forms_are_written_so(rf):
    from members.forms import SignInForm

    form = SignInForm(initial={"next": "/espace/"})
    assert isinstance(form.renderer, Renderer)
    assert {field.widget.template_name for field in form.fields.values()} <= INPUTS
