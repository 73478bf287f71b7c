"""The form of a draft: the member's texts, those of the other audiences, hints beside each."""

from django import forms
from django.contrib.admin.widgets import AdminTextareaWidget
from django.core.exceptions import ValidationError
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents import notices, plain_language
from incidents.admin.lines import LinesField
from incidents.models import NoticeVersion
from incidents.models.wording import APART, OTHERS, OWN_MINIMUM, WRITTEN, Audience, own_texts

# the name of a field of the form → (audience, topic) of the text that is typed there
OWN = {f"{audience}_{topic}": (audience, topic) for audience in OTHERS for topic in WRITTEN}


def fields_of(audience: Audience) -> list[str]:
    return [name for name, (of, _topic) in OWN.items() if of == audience]


def _help(audience, topic):
    if audience not in APART:
        return gettext_lazy("Vide : comme pour l'adhérent.")
    if topic in OWN_MINIMUM:
        return gettext_lazy("Demandé pour soumettre.")
    return gettext_lazy("Vide : rien n'est dit.")


def _capital(topic) -> str:
    return topic.label[0].upper() + topic.label[1:]


def _field(audience, topic) -> LinesField:
    return LinesField(
        label=_capital(topic),
        required=False,
        widget=AdminTextareaWidget(attrs={"rows": 4}),
        help_text=_help(audience, topic),
    )


class TextsForm(forms.ModelForm):
    """What a draft says. `typed` names the columns that changed."""

    locals().update({name: _field(*whose) for name, whose in OWN.items()})

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for name, (audience, topic) in OWN.items():
            self.initial[name] = self.instance.audiences.get(audience, {}).get(topic, "")
        for name in (*NoticeVersion.TEXTS, *OWN):
            if name in self.fields:
                self._advise(name)

    def _advise(self, name: str) -> None:
        bound = self[name]
        told = plain_language.hints(bound.value() or "")
        if told:
            bound.help_text = format_html("{}{}", bound.help_text, as_list(told))

    @property
    def typed(self) -> list[str]:
        return list(
            dict.fromkeys("audiences" if name in OWN else name for name in self.changed_data)
        )

    def clean(self):
        cleaned = super().clean()
        appears, expires = cleaned.get("appears_at"), cleaned.get("expires_at")
        if appears and expires and expires <= appears:
            self.add_error("expires_at", _("La fin suit la parution."))
        texts = {audience: {} for audience in OTHERS}
        for name, (audience, topic) in OWN.items():
            texts[audience][topic] = cleaned.get(name, "")
        self.instance.audiences = own_texts(texts)
        return cleaned


class NewTextsForm(TextsForm):
    def clean(self):
        cleaned = super().clean()
        incident = cleaned.get("incident")
        if incident and incident.is_closed:
            raise ValidationError(_("Cet incident est clos."))
        if incident and notices.under_way(incident).exists():
            raise ValidationError(_("Une autre version est déjà en cours pour cet incident."))
        return cleaned


def as_list(told: list[str]) -> SafeString:
    return format_html(
        '<ul class="hints">{}</ul>', format_html_join("", "<li>{}</li>", ((one,) for one in told))
    )


def in_words(version: NoticeVersion) -> SafeString:
    """The own texts of every audience, for whoever may not change them."""
    told = []
    for audience in OTHERS:
        own = version.audiences.get(audience, {})
        if own:
            texts = format_html_join(
                "",
                "<dt>{}</dt><dd>{}</dd>",
                ((_capital(topic), own[topic]) for topic in WRITTEN if topic in own),
            )
            told.append(format_html("<h3>{}</h3><dl>{}</dl>", audience.label.capitalize(), texts))
    return format_html_join("", "{}", ((one,) for one in told)) or _("Comme pour l'adhérent.")
