"""Writes data/history.csv: 120 days of short documents about five invented brands, put together from hand-written
sentences. Seeded: the same file every time. Two shifts are real in it, one to learn from and one to be found:

    day 38 to 49    Lumen Bank: the app is down, talk doubles and turns negative
    day 100 to 115  Parcelly: a strike, talk trebles and turns negative

    python make_history.py
"""

from __future__ import annotations

import csv
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

START = datetime(2025, 5, 5, tzinfo=UTC)  # a Monday
DAYS = 120
PER_DAY = {"Northwind Air": 6.0, "Parcelly": 5.0, "Lumen Bank": 4.5, "Kestrel Mobile": 4.5, "Barrow & Finch": 3.5}
NAMES = {
    "Northwind Air": ("Northwind Air", "Northwind", "northwind air"),
    "Parcelly": ("Parcelly", "@parcelly", "Parcelly"),
    "Lumen Bank": ("Lumen Bank", "Lumen", "LumenBank"),
    "Kestrel Mobile": ("Kestrel Mobile", "Kestrel", "kestrel"),
    "Barrow & Finch": ("Barrow & Finch", "Barrow and Finch", "B&F"),
}
WEEK = (1.15, 1.1, 1.05, 1.05, 1.2, 0.75, 0.7)  # Monday to Sunday
TONES = {"negative": 0.28, "neutral": 0.42, "positive": 0.30}
SHIFTS = {"Lumen Bank": (38, 50, 2.0, "outage"), "Parcelly": (100, 116, 3.0, "strike")}
SOURCES = ("forum", "microblog", "review", "news")

SENTENCES: dict[str, dict[str, tuple[str, ...]]] = {
    "Northwind Air": {
        "negative": (
            "{n} cancelled our flight at midnight and left us to find a hotel.",
            "Sat on the runway with {n} for two hours, no water, no word.",
            "{n} lost my bag again and the form does not load.",
            "Rude gate staff at {n}, they shouted at a woman with a pram.",
            "{n} wants forty euros to correct one letter in my name.",
            "The seat was broken and {n} says I should have reported it earlier.",
            "Missed my connection because of {n}, and nobody apologised.",
        ),
        "neutral": (
            "{n} flies to Porto twice a week from June.",
            "Does {n} take skis as hand luggage?",
            "{n} reports its figures on Thursday.",
            "Flying with {n} to Oslo tomorrow, gate twelve.",
            "{n} moves to terminal two in autumn.",
            "The regulator has asked {n} and two others for documents.",
            "{n} rents a second hangar from the airport.",
        ),
        "positive": (
            "{n} moved us to better seats without being asked, lovely crew.",
            "On time, friendly, good coffee: {n} was a pleasure.",
            "{n} found my suitcase and brought it to the hotel, thank you!",
            "The new {n} cabins are wonderful, I slept all the way.",
            "{n} held the connecting flight for us, heroes.",
            "Great deal from {n}, three tickets for the price of two.",
            "Quick boarding and a gentle landing, well done {n}.",
        ),
    },
    "Parcelly": {
        "negative": (
            "{n} left my parcel in the rain, books ruined.",
            "{n} marked me as not at home while I stood at the door.",
            "Nine days for a next-day parcel, {n} is a joke.",
            "The box from {n} was open and half of it missing.",
            "{n} support closed my ticket without reading it.",
            "{n} sent it back without even trying to deliver, such a mess.",
            "Paid {n} for express, waited a week, refund denied.",
        ),
        "neutral": (
            "{n} opens a pick-up point in the petrol station.",
            "My {n} parcel is at the depot from two o'clock.",
            "{n} tests electric vans in two districts.",
            "Is the {n} locker on Mill Road open at night?",
            "{n} is hiring drivers in the north.",
            "According to the {n} page delivery is between eight and noon.",
            "{n} and the city are in talks about the depot.",
        ),
        "positive": (
            "{n} came a day early and carried it upstairs, thanks!",
            "The {n} driver found my daughter's lost bear, so grateful.",
            "Tracking by {n} is spot on, to the minute.",
            "{n} is the only courier that finds our farm, five stars.",
            "Rerouted my {n} parcel with one tap, brilliant.",
            "Well packed, on time, with a smile: {n} is excellent.",
            "{n} paid for the broken vase without a fight, impressed.",
        ),
        "strike": (
            "{n} strike day five and my medicine is stuck in the depot.",
            "Three parcels lost in the {n} strike, no answer from anyone, shameful.",
            "{n} still takes orders although nothing moves, that is cheating.",
            "I am furious, {n} charges storage for parcels it refuses to deliver.",
            "The {n} strike ruined my shop's best week, useless hotline.",
            "{n} blames the drivers, the drivers blame {n}, my parcel rots.",
            "No refund from {n} for a present that came after the birthday, terrible.",
        ),
    },
    "Lumen Bank": {
        "negative": (
            "{n} froze my account again and I cannot pay rent.",
            "{n} raised the fee for the fourth time in two years.",
            "Fifty minutes on hold with {n}, then they hung up.",
            "{n} lost my documents and wants me to come in again.",
            "My transfer at {n} has been pending for eight days.",
            "{n} closed the only branch in our village.",
        ),
        "neutral": (
            "Does {n} open on Saturdays?",
            "{n} publishes a paper on house prices.",
            "The {n} branch moves to Station Street in April.",
            "Where do I find the IBAN in the {n} app?",
            "{n} appointed a new finance director.",
            "{n} acts as custodian for the fund.",
            "Appointment at {n} tomorrow morning.",
        ),
        "positive": (
            "{n} stopped a strange payment at once, well done.",
            "Loan from {n} approved in one day and explained in plain words, great.",
            "My grandmother learned the {n} app in five minutes, wonderful.",
            "{n} has the best savings rate around, very happy.",
            "One call to {n}, two minutes, problem solved.",
            "The lady at {n} had endless patience with my father, thank you.",
        ),
        "outage": (
            "{n} app is down again and my card was declined at the till.",
            "Third day without access to my own money, {n} is a disgrace.",
            "{n} outage: salary not booked, rent not paid, nobody answers.",
            "Nothing works at {n} since the update, unacceptable.",
            "{n} shows me someone else's balance, that is scary.",
        ),
    },
    "Kestrel Mobile": {
        "negative": (
            "{n} signal drops every evening at eight, useless.",
            "{n} charged me for roaming I never used.",
            "You have to write a letter to leave {n}. A letter!",
            "{n} gave my number to a stranger and shrugs.",
            "The {n} bot goes round in circles, no human anywhere.",
            "Overheated phone from {n} and they say that is normal.",
        ),
        "neutral": (
            "{n} puts a mast on the roof of the school.",
            "Which band does {n} use on the island?",
            "My contract with {n} runs until October.",
            "{n} changes its tariffs on the first of the month.",
            "{n} sells the new handset from the twentieth.",
            "Comparing {n} with two others before I decide.",
            "The {n} plan includes ten gigabytes.",
        ),
        "positive": (
            "Switched to {n} and the signal is perfect even in the cellar.",
            "{n} doubled my data for free, nice surprise.",
            "{n} fixed the bill and added a month, great support.",
            "Crystal clear calls on the train with {n}, love it.",
            "The {n} store set up my mother's phone, so kind.",
            "Best coverage in the mountains: {n}, no contest.",
        ),
    },
    "Barrow & Finch": {
        "negative": (
            "Cold coffee and a sticky table at {n}, never again.",
            "{n} got the order wrong twice and argued about it.",
            "The beans at {n} taste burnt since they changed supplier.",
            "{n} is smaller and dearer now, disappointing.",
            "Mouldy muffin at {n}, disgusting.",
        ),
        "neutral": (
            "{n} opens next to the library in spring.",
            "Meeting at {n} at ten.",
            "{n} has oat milk and four kinds of tea.",
            "The coffee at {n} comes from Colombia and Kenya.",
            "{n} runs the museum cafe as well.",
            "{n} seats about thirty people.",
        ),
        "positive": (
            "Best flat white in town at {n}, and they know my name.",
            "The cinnamon rolls at {n} are to die for.",
            "{n} drew a fox in my foam, made my morning.",
            "Warm, cosy, friendly: I love {n}.",
            "{n} is kind to my dog, that is all I need.",
        ),
    },
}
OPENERS = ("", "", "", "Update: ", "For the record: ", "Yesterday: ", "Well. ")
CLOSERS = ("", "", "", " Anyone else?", " Just saying.", " That was my week.", " Noted.", " More later.", " See photo.")
ASIDES = (
    "Rain in the north until Thursday.",
    "The library is closed for stocktaking.",
    "Who has a ladder to lend?",
    "Bus 14 runs every ten minutes now.",
    "The market moves to the square on Saturday.",
    "Lost: a grey cat with a white paw.",
)


def main() -> None:
    random.seed(20250505)
    rows = []
    for day in range(DAYS):
        moment = START + timedelta(days=day)
        for brand, rate in PER_DAY.items():
            first, end, times, story = SHIFTS.get(brand, (DAYS, DAYS, 1.0, ""))
            shifted = first <= day < end
            for _ in range(poisson(rate * WEEK[moment.weekday()] * (times if shifted else 1.0))):
                tone = random.choices(list(TONES), weights=list(TONES.values()))[0]
                if shifted and random.random() < 0.55:
                    tone = story
                rows.append((at(moment), text(brand, tone), random.choice(SOURCES)))
        for _ in range(poisson(2.0)):
            rows.append((at(moment), random.choice(OPENERS) + random.choice(ASIDES), "microblog"))
    rows.sort()
    path = Path(__file__).parent / "data" / "history.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("id", "time", "text", "source"))
        writer.writerows((f"doc-{number:05d}", *row) for number, row in enumerate(rows, 1))
    print(f"{len(rows):,} documents")  # noqa: T201 - a script of its own


def text(brand: str, tone: str) -> str:
    name = random.choice(NAMES[brand])
    sentence = random.choice(SENTENCES[brand][tone]).replace("{n}", name)
    return random.choice(OPENERS) + sentence + random.choice(CLOSERS)


def at(day: datetime) -> str:
    """Most people write between seven and midnight."""
    hour = min(23, max(0, int(random.gauss(15, 4.5))))
    moment = day + timedelta(hours=hour, minutes=random.randrange(60), seconds=random.randrange(60))
    return moment.isoformat().replace("+00:00", "Z")


def poisson(mean: float) -> int:
    """Knuth's method: fine for means this small."""
    count, chance = 0, random.random()
    threshold = 2.718281828459045**-mean
    while chance > threshold:
        count += 1
        chance *= random.random()
    return count


if __name__ == "__main__":
    main()
