"""Entries checked against each other, joined by amendments, and split from the questions they are tested by.

Contradictions are errors: a knowledge base is written by people who can mend it. Everything else is counted.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from penstock.core.errors import BadInput
from penstock.datasets.compare import bare, normalise
from penstock.datasets.report import MAX_EXAMPLES, CleaningReport, Example, Finding, Part, shortened
from penstock.datasets.rows import Prepared
from penstock.tasks.knowledge.data.entries import Entry, entry_of
from penstock.tasks.knowledge.data.reader import all_of

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class _Log:
    """Findings as they are made. dropped: rows, not paraphrases, which are parts of a row."""

    findings: list[Finding] = field(default_factory=list)

    def note(self, kind: str, part: Part, examples: Sequence[Example], action: str, dropped: int = 0) -> None:
        if examples:
            self.findings.append(Finding(kind, part, len(examples), dropped, action, tuple(examples[:MAX_EXAMPLES])))


def clean(
    entries: Sequence[Entry],
    tested: Rows | None,
    unanswerable: Rows,
    extra: Rows,
    *,
    test_share: float,
    seed: int,
    today: date,
) -> Prepared:
    """Rows fit for training: entries, and questions without one. tested: test questions as read, or None: some
    paraphrases are set aside instead. unanswerable: questions that no entry answers, to calibrate by. extra: entries
    and withdrawals of an amendment, which go before those of the file. Raises BadInput for what contradicts itself.
    """
    log = _Log()
    merged, aliases = _merged(entries, log)
    current = _unambiguous(_amended(merged, extra, log), log)
    if not current:
        raise BadInput("no entries are left", hint="all of them are withdrawn: add entries to the data")
    if tested is None:
        current, test = _set_aside(current, test_share, seed)
    else:
        test = _resolved(tested, current, aliases | _stood_for(merged, current), {entry.id for entry in entries}, log)
    current = _without_tested(current, test, log)
    if not test:
        hint = 'give paraphrases ("one | two") to some entries, or a test file with the columns question and entry'
        raise BadInput("there is no question to test with", where=current[0].origin, hint=hint)
    asked = _untested(unanswerable, test, log)
    _note_state(current, test, today, log)
    train = [entry.to_json() for entry in sorted(current, key=lambda entry: entry.id)]
    train += [{"question": row["question"], "entry": None, "origin": row["origin"]} for row in asked]
    return Prepared(
        train,
        sorted(test, key=lambda row: (row["question"], row["entry"] or "", row["origin"])),
        CleaningReport(
            read_train=len(entries) + len(unanswerable),
            read_test=len(test) if tested is None else len(tested),
            read_feedback=len(extra),
            rows_train=len(train),
            rows_test=len(test),
            classes=(),
            findings=tuple(log.findings),
        ),
    )


def _merged(entries: Sequence[Entry], log: _Log) -> tuple[list[Entry], dict[str, str]]:
    """Entries that ask and answer the same as one, and which id became which. Raises BadInput for one question with
    two answers, and for one id on two entries, each with both lines."""
    by_question: dict[tuple[str, str], Entry] = {}
    by_id: dict[str, Entry] = {}
    aliases: dict[str, str] = {}
    wrong: list[BadInput] = []
    repeats: list[Example] = []
    for entry in entries:
        key = normalise(entry.question), entry.locale
        earlier = by_question.get(key)
        if earlier is not None and normalise(earlier.answer) != normalise(entry.answer):
            message = f"the same question as {earlier.origin}, with another answer"
            hint = "keep the one that holds; or say in each question when it applies"
            wrong.append(BadInput(message, where=f"{entry.origin}: question", hint=hint))
        elif earlier is not None:
            repeats.append(_shown(entry, earlier.origin))
            aliases[entry.id] = earlier.id
            joined = dict.fromkeys([*earlier.paraphrases, *entry.paraphrases])
            tags = tuple(dict.fromkeys([*earlier.tags, *entry.tags]))
            by_question[key] = by_id[earlier.id] = replace(earlier, paraphrases=tuple(joined), tags=tags)
        elif entry.id in by_id:
            message = f"the id {entry.id!r} is that of {by_id[entry.id].origin} too"
            wrong.append(BadInput(message, where=f"{entry.origin}: id", hint="give each entry an id of its own"))
        else:
            by_question[key] = by_id[entry.id] = entry
    if wrong:
        raise all_of(wrong)
    log.note("duplicate", "train", repeats, "joined with the earlier one", dropped=len(repeats))
    return list(by_id.values()), aliases


def _amended(entries: Sequence[Entry], extra: Rows, log: _Log) -> list[Entry]:
    """The entries with an amendment's: of one id, or of one question and locale, the amendment's holds."""
    withdrawn = {str(row["id"]) for row in extra if row.get("withdrawn")}
    added = [entry_of(row, f"amendment[{i}]") for i, row in enumerate(extra) if not row.get("withdrawn")]
    ids = {entry.id for entry in added}
    questions = {(normalise(entry.question), entry.locale) for entry in added}
    gone = [entry for entry in entries if entry.id in withdrawn]
    replaced = [
        entry
        for entry in entries
        if entry.id not in withdrawn and (entry.id in ids or (normalise(entry.question), entry.locale) in questions)
    ]
    log.note("withdrawn", "train", [_shown(entry) for entry in gone], "dropped", dropped=len(gone))
    log.note("replaced", "train", [_shown(entry) for entry in replaced], "dropped", dropped=len(replaced))
    notes = [Example("amendment", "withdrawn", name) for name in sorted(withdrawn)]
    log.note("withdrawal", "feedback", notes, "done", dropped=len(notes))
    left = {id(entry) for entry in (*gone, *replaced)}
    return [entry for entry in entries if id(entry) not in left] + added


def _stood_for(before: Sequence[Entry], now: Sequence[Entry]) -> dict[str, str]:
    """Of each entry that an amendment's of the same question stands for, the amendment's id."""
    ids, questions = {entry.id for entry in now}, {(normalise(e.question), e.locale): e.id for e in now}
    asked = {entry.id: (normalise(entry.question), entry.locale) for entry in before}
    return {old: questions[key] for old, key in asked.items() if old not in ids and key in questions}


def _unambiguous(entries: Sequence[Entry], log: _Log) -> list[Entry]:
    """Paraphrases without those that another entry is asked by too: they would teach that both answers are right."""
    owners: dict[tuple[str, str], set[str]] = defaultdict(set)
    for entry in entries:
        for question in entry.questions:
            owners[normalise(question), entry.locale].add(entry.id)
    ambiguous: list[Example] = []
    repeated: list[Example] = []
    kept = []
    for entry in entries:
        paraphrases: dict[str, str] = {}
        for question in entry.paraphrases:
            form = normalise(question)
            others = sorted(owners[form, entry.locale] - {entry.id})
            if others:
                ambiguous.append(Example(entry.origin, shortened(question), entry.id, others[0]))
            elif form == normalise(entry.question) or form in paraphrases:
                repeated.append(Example(entry.origin, shortened(question), entry.id))
            else:
                paraphrases[form] = question
        kept.append(replace(entry, paraphrases=tuple(paraphrases.values())))
    log.note("ambiguous", "train", ambiguous, "dropped from both entries, unless it is one's own question")
    log.note("repeated-paraphrase", "train", repeated, "dropped")
    return kept


def _set_aside(entries: Sequence[Entry], share: float, seed: int) -> tuple[list[Entry], list[dict[str, Any]]]:
    """About `share` of the paraphrases become test questions, by the hash of each alone; own questions stay."""
    kept, test = [], []
    for entry in entries:
        aside = [one for one in entry.paraphrases if _place(one, seed) < share]
        kept.append(replace(entry, paraphrases=tuple(one for one in entry.paraphrases if one not in aside)))
        test += [_test_row(question, entry.id, entry.locale, entry.origin) for question in aside]
    return kept, test


def _resolved(
    tested: Rows, entries: Sequence[Entry], aliases: Mapping[str, str], read: set[str], log: _Log
) -> list[dict[str, Any]]:
    """Test rows with the id of their entry, or None; what asks for an entry that was withdrawn is kept, as a question
    that none answers. Raises BadInput for an entry or answer that is not in the data."""
    ids = {entry.id for entry in entries}
    by_answer = {normalise(entry.answer): entry.id for entry in reversed(entries)}
    rows: dict[str, dict[str, Any]] = {}
    wrong: list[BadInput] = []
    empty, repeats, gone = [], [], []
    for row in tested:
        name = aliases.get(row["entry"], row["entry"]) or by_answer.get(normalise(row["answer"]), "")
        form = normalise(row["question"])
        if not form:
            empty.append(_asked(row))
        elif row["entry"] and name not in ids | read:
            hint = "write the id of an entry of the data; leave it empty for a question that none answers"
            wrong.append(BadInput(f"no entry {row['entry']!r}", where=f"{row['origin']}: entry", hint=hint))
        elif row["answer"] and not name:
            hint = "repeat the entry's answer as it is, or name its id in a column `entry`"
            wrong.append(BadInput("no entry has this answer", where=f"{row['origin']}: answer", hint=hint))
        elif form in rows and rows[form]["entry"] != (name if name in ids else None):
            message = f"the same question as {rows[form]['origin']}, with another entry"
            wrong.append(BadInput(message, where=f"{row['origin']}: entry", hint="keep the one that is right"))
        elif form in rows:
            repeats.append(_asked(row, rows[form]["origin"]))
        else:
            if name and name not in ids:
                gone.append(_asked(row))
            rows[form] = _test_row(row["question"], name if name in ids else None, row["locale"], row["origin"])
    if wrong:
        raise all_of(wrong)
    for kind, found in (("empty", empty), ("duplicate", repeats)):
        log.note(kind, "test", found, "dropped", dropped=len(found))
    log.note("unseen-label", "test", gone, "kept: no entry answers them now, so handing them over is right")
    return list(rows.values())


def _without_tested(entries: Sequence[Entry], test: Rows, log: _Log) -> list[Entry]:
    """Paraphrases that are test questions leave train; an entry's own question stays, and the report says so."""
    forms = {bare(row["question"]) for row in test}
    leaving = [_paraphrase(entry, one) for entry in entries for one in entry.paraphrases if bare(one) in forms]
    log.note("test-in-train", "train", leaving, "these paraphrases are dropped from train")
    own = [_shown(entry) for entry in entries if bare(entry.question) in forms]
    log.note("own-question-tested", "test", own, "kept: customers ask in these very words")
    return [replace(e, paraphrases=tuple(p for p in e.paraphrases if bare(p) not in forms)) for e in entries]


def _untested(unanswerable: Rows, test: Rows, log: _Log) -> list[Mapping[str, Any]]:
    forms = {bare(row["question"]) for row in test}
    seen: dict[str, Mapping[str, Any]] = {}
    leaks, repeats = [], []
    for row in unanswerable:
        form = normalise(row["question"])
        if bare(row["question"]) in forms:
            leaks.append(_asked(row))
        elif not form or form in seen:
            repeats.append(_asked(row))
        else:
            seen[form] = row
    log.note("test-in-train", "train", leaks, "dropped", dropped=len(leaks))
    log.note("empty", "train", repeats, "dropped, as are repeats", dropped=len(repeats))
    return [seen[form] for form in sorted(seen)]


def _note_state(entries: Sequence[Entry], test: Rows, today: date, log: _Log) -> None:
    expired = [_shown(entry, f"{entry.valid_until}") for entry in entries if entry.expired(today)]
    log.note("expired", "train", expired, "kept: no longer answered; renew valid_until, or delete them")
    alone = [_shown(entry) for entry in entries if not entry.paraphrases]
    log.note("single-question", "train", alone, "kept: paraphrases would help most here")
    asked = Counter(row["entry"] for row in test)
    untested = [_shown(entry) for entry in entries if not asked[entry.id]]
    log.note("untested-class", "test", untested, "kept: their quality is not known")


def _test_row(question: str, entry: str | None, locale: str, origin: str) -> dict[str, Any]:
    return {"question": question, "entry": entry, "locale": locale, "origin": origin}


def _shown(entry: Entry, other: str = "") -> Example:
    return Example(entry.origin, shortened(entry.question), entry.id, other)


def _paraphrase(entry: Entry, question: str) -> Example:
    return Example(entry.origin, shortened(question), entry.id)


def _asked(row: Mapping[str, Any], other: str = "") -> Example:
    return Example(str(row["origin"]), shortened(row["question"]), str(row.get("entry") or ""), other)


def _place(question: str, seed: int) -> float:
    """A number in [0, 1) that the question and the seed alone decide, so that adding some moves no other."""
    digest = hashlib.sha256(f"{seed}\n{normalise(question)}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64
