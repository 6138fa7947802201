"""What the verbs take: every field named, unknown ones refused. Amounts are decimal strings."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Body(BaseModel):
    """A JSON object with these fields and no others."""

    model_config = ConfigDict(extra="forbid", strict=True)


class NewCustomer(Body):
    name: str
    email: str
    locale: str = "en"
    address: str = ""
    tax_id: str = ""
    training_consent: bool = False
    ref: str | None = Field(default=None, description="The referral code of the partner who sent them.")
    allow_similar: bool = Field(default=False, description="Though it reads like one that exists, it is another one.")


class CustomerChanges(Body):
    name: str | None = None
    email: str | None = None
    locale: str | None = None
    address: str | None = None
    tax_id: str | None = None
    allow_similar: bool = False


class Archive(Body):
    force: bool = Field(default=False, description="Although invoices are open or credit is left.")
    dry_run: bool = Field(default=False, description="Say what would happen, and change nothing.")


class Erasing(Body):
    yes: bool = Field(default=False, description="Erase; without it, say what would go and what stays.")
    reason: str = Field(default="", max_length=500, description="Why, for the record.")
    keep_years: int = Field(default=10, ge=0, le=100, description="Calendar years that the law keeps books for.")
    leave_credit: bool = Field(default=False, description="Although credit is left: it stays in the books.")


class Consent(Body):
    training: bool


class NewKey(Body):
    customer: str
    name: str = "default"
    products: list[str] | None = None
    requests_per_minute: int | None = Field(default=None, ge=1)
    days: int | None = Field(default=None, ge=1, le=3650, description="Expires after so many days.")
    access: str = Field(default="full", description="full, read-only or billing-only.")
    manages_keys: bool = Field(default=False, description="It makes and ends keys that may do no more than itself.")


class Rotation(Body):
    overlap_hours: int = Field(default=24, ge=0, le=720, description="How long the old key goes on working.")


class NewOperator(Body):
    name: str
    role: str = Field(description="owner, finance, operator or viewer.")


class NewSubscription(Body):
    customer: str
    plan: str
    dry_run: bool = Field(default=False, description="Say what would happen, and change nothing.")


class EndedSubscription(Body):
    customer: str
    dry_run: bool = Field(default=False, description="Say what would happen, and change nothing.")


class NewCredit(Body):
    customer: str
    amount: str = Field(description='In the company\'s currency, e.g. "5.00".')
    operation: str | None = Field(default=None, description="Your own id: the same id counts once.")


class PaymentTerms(Body):
    terms: str = Field(description="prepaid: use stops when credit no longer covers what is owed; or invoice.")


class OwnTax(Body):
    rate: str = Field(description='E.g. "6%", "0%" (exempt), or "company" to end its own.')
    start: str = Field(alias="from", description="The first month, YYYY-MM.")
    reason: str = Field(description="It stands on the customer's invoices.")


class NewLimit(Body):
    customer: str
    product: str
    units: int | None = Field(default=None, description="Units a month; null lifts the limit.")


class SpendLimit(Body):
    amount: str | None = Field(default=None, description="A month, before tax; null lifts the limit.")


class KeyLimits(Body):
    concurrency: int | None = Field(default=None, description="Requests answered at once, in each gateway.")
    money: str | None = Field(default=None, description="What its use may come to in a month, before tax.")


class NewPartner(Body):
    name: str
    email: str
    agreement: str = "referral"
    customer: str | None = Field(default=None, description="The partner's own customer, if it is one.")
    code: str | None = None
    allow_similar: bool = Field(default=False, description="Though it reads like one that exists, it is another one.")


class NewTerms(Body):
    agreement: str | None = Field(default=None, description="Default: the agreement that the partner has.")
    dry_run: bool = Field(default=False, description="Say what would happen, and change nothing.")


class Decision(Body):
    reason: str = Field(description="What you looked at; it is kept.")


class NewPayout(Body):
    operation: str | None = None


class WhichCandidate(Body):
    candidate: str | None = Field(default=None, description="Default: the newest that passed.")


class WhichFeedback(Body):
    ids: list[str] = Field(default=[], description="Ids of corrections; or give the customer.")
    customer: str | None = Field(default=None, description="All of this customer's that wait.")
    product: str | None = Field(default=None, description="With customer: only of this product.")
    reason: str = ""


class Training(Body):
    rungs: list[str] = []


class Resuming(Body):
    customer: str = Field(description="Its id, name or e-mail address.")


class Closing(Body):
    period: str = Field(description='E.g. "2026-11".')
    catch_up: bool = Field(default=False, description="Close the months before it too that were never closed.")


class NewPayment(Body):
    amount: str | None = Field(default=None, description="Default: all that is open.")
    operation: str | None = None
    method: str = "bank transfer"
    keep_rest: bool = Field(default=False, description="Keep what is more than the open amount as credit.")
    from_credit: bool = Field(default=False, description="Take it from the customer's credit.")


class CancelledPayment(Body):
    payment_operation: str = Field(description="The operation id the payment was recorded under.")
    operation: str | None = Field(default=None, description="Your own id: the same id counts once.")


class UsageCorrection(Body):
    customer: str
    product: str
    units: int = Field(description="Signed: -100 takes a hundred units off.")
    reason: str
    operation: str = Field(description="Your own id: the same id counts once.")
    period: str | None = Field(default=None, description="The month it is about (default: this month).")


class NewVoid(Body):
    reason: str
    operation: str | None = None


class NewCreditNote(Body):
    amount: str | None = Field(default=None, description="Tax included. Default: all not yet given back.")
    reason: str
    operation: str | None = None
    in_cash: bool = Field(default=False, description="What was paid goes back in cash, not to the customer's credit.")
    line: int | None = Field(default=None, description="The line it is about. Default: all, by what each still bears.")


class NewRefund(Body):
    amount: str
    reason: str
    operation: str | None = None
    line: int | None = Field(default=None, description="The line it is about. Default: all, by what each still bears.")


class Sending(Body):
    to: str | None = Field(default=None, description="Another address than the customer's.")
    again: bool = False
