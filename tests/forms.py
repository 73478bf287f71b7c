"""What a browser sends when somebody opens a page's form and saves it without touching a field."""

from html.parser import HTMLParser

SILENT = ("submit", "button", "file", "image", "reset")


class _Form(HTMLParser):
    def __init__(self, form_id: str):
        super().__init__()
        self.form_id, self.inside, self.sent = form_id, False, {}
        self.textarea = self.select = None

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form":
            self.inside = attributes.get("id") == self.form_id
        name = attributes.get("name")
        if not self.inside or "disabled" in attributes:
            return
        if tag == "textarea":
            self.textarea = name
            self.sent[name] = ""
        elif tag == "select":
            self.select = None if "multiple" in attributes else name
            self.picked = None
            self.first = None
        elif tag == "option" and self.select:
            value = attributes.get("value", "")
            self.first = value if self.first is None else self.first
            if "selected" in attributes:
                self.picked = value
        elif tag == "input" and name and attributes.get("type") not in SILENT:
            if attributes.get("type") in ("checkbox", "radio") and "checked" not in attributes:
                return
            value = attributes.get("value", "on" if attributes.get("type") == "checkbox" else "")
            # a field of one line drops the ends of lines
            self.sent[name] = value.replace("\r", "").replace("\n", "")

    def handle_endtag(self, tag):
        if tag == "form":
            self.inside = False
        elif tag == "textarea":
            self.textarea = None
        elif tag == "select" and self.select:
            self.sent[self.select] = self.first or "" if self.picked is None else self.picked
            self.select = None

    def handle_data(self, data):
        if self.textarea:
            self.sent[self.textarea] += data


def untouched(response, form_id: str) -> dict[str, str]:
    """The fields of the form `form_id`, as they are sent: lines of a textarea end with CR LF, and the
    newline that follows its tag is no part of it."""
    form = _Form(form_id)
    form.feed(response.content.decode())
    sent = {}
    for name, value in form.sent.items():
        lines = value.replace("\r\n", "\n").removeprefix("\n")
        sent[name] = lines.replace("\n", "\r\n")
    assert sent, f"no form #{form_id}"
    return sent


def typed(notice: dict) -> dict[str, str]:
    """The texts of a notice as the form of a version posts them."""
    posted = {name: text for name, text in notice.items() if name != "audiences"}
    for audience, texts in notice["audiences"].items():
        posted |= {f"{audience}_{topic}": text for topic, text in texts.items()}
    return posted
