"""A refused form comes back as it was filled in, with the error at its field, in the reader's language."""

from __future__ import annotations

import re

import pytest
from analytics.harbour import Harbour
from console.conftest import Browser
from fastapi import FastAPI

from penstock.console.guard import GuardedRoute
from penstock.console.refill import Refusal, refill
from penstock.console.words import translate_error

FORM = """<main id="content"><details><summary>Add</summary><form method="post" action="/x">
<input type="hidden" name="csrf" value="new"><input type="hidden" name="operation" value="op_2">
<label>Name<input name="name" required></label><label>Note<textarea name="note">old</textarea></label>
<label>One<select name="one"><option value="">none</option>
<option>a</option><option selected>b</option></select></label>
<label><input type="checkbox" name="yes" value="1">Yes</label><label>Key<input type="password" name="secret"></label>
</form></details></main>"""


def refusal(field: str | None = "name", **fields: str) -> Refusal:
    return Refusal("/x", fields, 422, "wrong <b>", "do this", field)


def test_what_was_typed_is_there_again_and_the_error_at_its_field() -> None:
    html = refill(FORM, refusal(name='A "b"', note="new & old", one="a", yes="1", operation="op_1", secret="s3cret"))
    assert 'value="A &quot;b&quot;"' in html and ">new &amp; old</textarea>" in html
    assert "<option selected>a</option>" in html and "<option>b</option>" in html
    assert 'value="1" checked' in html and 'value="op_1"' in html and 'value="new"' in html
    assert "s3cret" not in html and "<details open>" in html
    assert re.search(
        r'aria-invalid="true" aria-describedby="refused" autofocus[^>]*></label><p class="wrong" id="refused"', html
    )
    assert "wrong &lt;b&gt;" in html


def test_an_error_of_no_field_stands_above_the_form_and_one_without_a_form_above_the_page() -> None:
    assert re.search(r'action="/x"><p class="told bad" id="refused"', refill(FORM, refusal(None, name="A")))
    gone = refill('<main id="content">paid</main>', refusal())
    assert gone.startswith('<main id="content"><p class="told bad"')


def test_in_a_form_of_one_field_the_error_is_at_it() -> None:
    form = '<form method="post" action="/x"><input type="hidden" name="csrf"><label>M<input name="m"></label></form>'
    assert 'aria-invalid="true"' in refill(form, refusal(None, m="2026-13"))


def test_every_form_of_the_console_names_the_page_it_is_on(office: FastAPI) -> None:
    posts = {
        route.path
        for route in office.routes
        if isinstance(route, GuardedRoute) and "POST" in (route.methods or ()) and "{rest" not in route.path
    }
    forms = {path for path in posts if not path.startswith(("/admin", "/sign-"))}
    assert len(forms) > 15
    assert forms - office.state.form_pages.keys() == set()


def test_a_refused_customer_a_limit_and_a_payment_come_back(browser: Browser, harbour: Harbour) -> None:
    back = browser.fill_in("/customers", "/customers", name="Ada", email="nobody", address="Here 1")
    assert back.status_code == 422 and 'value="Ada"' in back.text and ">Here 1</textarea>" in back.text
    assert 'name="email" type="email" required aria-invalid="true"' in back.text
    path = f"/customers/{harbour.quiet}"
    back = browser.fill_in(path, f"{path}/limit", product="helpdesk", units="many")
    assert back.status_code == 422 and 'value="many"' in back.text and "is not a whole number" in back.text
    number = harbour.invoices[harbour.blue]
    back = browser.fill_in(f"/invoices/{number}", f"/invoices/{number}/pay", amount="9999", operation="bank 10")
    assert back.status_code == 409 and 'value="9999"' in back.text and 'value="bank 10"' in back.text


def test_the_error_is_in_the_readers_language(browser: Browser, harbour: Harbour) -> None:
    browser.get("/?lang=zh-CN")
    path = f"/customers/{harbour.quiet}"
    assert "不是整数" in browser.fill_in(path, f"{path}/limit", product="helpdesk", units="many").text


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("'x' is not a whole number", "'x' 不是整数"),
        ("100.00 USD is more than the open amount of 17.24 USD", "100.00 USD 超过了未付金额 17.24 USD"),
        ("tls/a.pem cannot be read: No such file or directory", "无法读取 tls/a.pem：No such file or directory"),
        ("tls/a.key does not belong to the certificate", "tls/a.key 与证书不匹配"),
        ("'x' is no address and no network", "'x' 不是地址，也不是网段"),
        ("'0.0.0.0/0' is everybody", "'0.0.0.0/0' 包括所有人"),
        (
            "the keyring lacks key 8f23ce285f71; it has 0a1b2c3d4e5f, 112233445566",
            "密钥环中缺少密钥 8f23ce285f71，现有：0a1b2c3d4e5f, 112233445566",
        ),
        ("it still seals 1,204 values", "此密钥仍加密着 1,204 项数据"),
        ("this is no keyring, or it was damaged", "这不是密钥环文件，或文件已损坏"),
        ("what nobody has translated", "what nobody has translated"),
    ],
)
def test_errors_are_translated_with_what_they_name(english: str, chinese: str) -> None:
    assert translate_error("zh-CN", english) == chinese
    assert translate_error("en", english) == english
