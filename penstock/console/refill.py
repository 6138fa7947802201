"""A refused form as it comes back: what was typed, and the error at its field. Works on the page's HTML, so that every
form of the console does so without a word of its own. Secrets are not given back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from html.parser import HTMLParser

_VOID = frozenset({"input", "br", "hr", "img", "meta", "link"})
_SECRET_TYPES = frozenset({"password", "file"})
_ERROR_ID = "refused"


@dataclass(frozen=True)
class Refusal:
    """A form that was not taken. action: the path that it was sent to. fields: what it held, without its form token.

    message, hint: the error in the reader's language. field: the name of the field that it speaks of, if known.
    """

    action: str
    fields: Mapping[str, str]
    status: int
    message: str
    hint: str = ""
    field: str | None = None


def refill(html: str, refusal: Refusal) -> str:
    """The page with the form that was refused filled in again; with the error on top where the form is no longer there
    (it may have been taken meanwhile)."""
    forms = _Forms(refusal)
    forms.feed(html)
    forms.close()
    chosen = forms.chosen()
    if chosen is None:
        return html.replace('<main id="content">', f'<main id="content">{_notice(refusal)}', 1)
    names = forms.names[chosen]
    field = refusal.field if refusal.field in names else next(iter(names)) if len(names) == 1 else None
    writer = _Writer(refusal, chosen, field)
    writer.feed(html)
    writer.close()
    return "".join(writer.out)


class _Forms(HTMLParser):
    """Finds the forms that may have been sent: by their action, then by how many hidden values agree."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(convert_charrefs=True)
        self._refusal = refusal
        self._number = -1
        self._inside = False
        self._agree: dict[int, int] = {}
        self.names: dict[int, set[str]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self._number += 1
            self._inside = (given.get("method") or "").lower() == "post" and given.get("action") == self._refusal.action
            if self._inside:
                self._agree[self._number], self.names[self._number] = 0, set()
        elif self._inside and tag in ("input", "select", "textarea", "button") and given.get("name"):
            name = given["name"] or ""
            if given.get("type") == "hidden":
                self._agree[self._number] += self._refusal.fields.get(name) == given.get("value")
            else:
                self.names[self._number].add(name)

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "form"

    def chosen(self) -> int | None:
        """The number of the form on the page, from 0."""
        return max(self._agree, key=lambda number: self._agree[number], default=None)


class _Writer(HTMLParser):
    """Writes the page as it is but for the chosen form, and the <details> around it, which are opened."""

    def __init__(self, refusal: Refusal, chosen: int, field: str | None) -> None:
        super().__init__(convert_charrefs=False)
        self._refusal = refusal
        self._chosen = chosen
        self._at_field = field
        self._number = -1
        self._inside = False
        self._details: list[int] = []  # where in `out` each open one begins
        self._select: str | None = None
        self._option = -1  # where in `out` an option stands whose text is its value
        self._skip: str | None = None  # the text of a textarea that was replaced
        self._after: str | None = None  # the tag after which the error is written
        self.out: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        text = self.get_starttag_text() or ""
        if tag == "details":
            self._details.append(len(self.out))
        if tag == "form":
            self._number += 1
            self._inside = self._number == self._chosen
            self.out.append(text)
            if self._inside:
                self._open_details()
                if self._at_field is None:
                    self.out.append(_notice(self._refusal))
            return
        self.out.append(self._filled(tag, dict(attrs), text) if self._inside else text)

    def handle_endtag(self, tag: str) -> None:
        if tag == "details" and self._details:
            self._details.pop()
        if tag == "form":
            self._inside = False
        if tag == "select":
            self._select = None
        if self._skip == tag:
            self._skip = None
        self.out.append(f"</{tag}>")
        if self._after == tag:
            self.out.append(f'<p class="wrong" id="{_ERROR_ID}" role="alert">{_words(self._refusal)}</p>')
            self._after = None

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.out.append(self.get_starttag_text() or "")

    def handle_data(self, data: str) -> None:
        if self._option == len(self.out) - 1 and data.strip() == self._refusal.fields.get(self._select or "", ""):
            self.out[-1] = self.out[-1].replace("<option", "<option selected", 1)
        if self._skip is None:
            self.out.append(data)

    def handle_entityref(self, name: str) -> None:
        self.handle_data(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.handle_data(f"&#{name};")

    def handle_decl(self, decl: str) -> None:
        self.out.append(f"<!{decl}>")

    def handle_comment(self, data: str) -> None:
        self.out.append(f"<!--{data}-->")

    def _open_details(self) -> None:
        for place in self._details:
            self.out[place] = self.out[place].replace("<details", "<details open", 1)

    def _filled(self, tag: str, attrs: dict[str, str | None], text: str) -> str:
        name, typed = attrs.get("name"), self._refusal.fields
        if tag == "option" and self._select is not None:
            attrs.pop("selected", None)
            if "value" not in attrs:  # its text is its value, and comes next
                self._option = len(self.out)
            elif attrs["value"] == typed.get(self._select, ""):
                attrs["selected"] = None
            return _tag(tag, attrs)
        if tag not in ("input", "select", "textarea") or name is None or name == "csrf":
            return text
        kind = (attrs.get("type") or "text").lower()
        if name == self._at_field and kind != "hidden":
            attrs |= {"aria-invalid": "true", "aria-describedby": _ERROR_ID, "autofocus": None}
            self._after = "label"
        if kind in _SECRET_TYPES:
            return _tag(tag, attrs)
        if tag == "select":
            self._select = name
        elif kind in ("checkbox", "radio"):
            attrs.pop("checked", None)
            if typed.get(name) == (attrs.get("value") or "on"):
                attrs["checked"] = None
        elif tag == "textarea":
            self._skip = "textarea"
            return _tag(tag, attrs) + escape(typed.get(name, ""))
        elif kind != "hidden" or name in typed:
            attrs["value"] = typed.get(name, "")
        return _tag(tag, attrs)


def _tag(tag: str, attrs: Mapping[str, str | None]) -> str:
    words = (name if value is None else f'{name}="{escape(value)}"' for name, value in attrs.items())
    return f"<{' '.join((tag, *words))}>"


def _notice(refusal: Refusal) -> str:
    return f'<p class="told bad" id="{_ERROR_ID}" role="alert">{_words(refusal)}</p>'


def _words(refusal: Refusal) -> str:
    hint = f" · <span>{escape(refusal.hint)}</span>" if refusal.hint else ""
    return f"<strong>{escape(refusal.message)}</strong>{hint}"
