"""The data card: its numbers are those of its sources, small counts are hidden, and the page is self-contained."""

import base64
import re
from html.parser import HTMLParser

import pytest
from pages import PHENOTYPES, STAYS, card


class Page(HTMLParser):
    """Tables as rows of texts by the id of their section, pictures, and every attribute that could fetch something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.pictures: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.section, self.open = "", False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.add(tag)
        self.links += [found[name] for name in ("src", "href") if name in found]
        if tag == "section":
            self.section = found["id"]
            self.tables[self.section] = []
        elif tag == "img":
            assert found["alt"]
            self.pictures.append(found["src"])
        elif tag == "tr":
            self.tables[self.section].append([])
        elif tag in ("td", "th"):
            self.tables[self.section][-1].append("")
            self.open = True

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.open = False

    def handle_data(self, data):
        if self.open:
            self.tables[self.section][-1][-1] += data

    def rows(self, section: str) -> dict[str, list[str]]:
        """Rows of a section by their first cell."""
        return {row[0]: row[1:] for row in self.tables[section]}


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(card())


def test_the_tables_hold_the_numbers_of_their_sources(page):
    attrition = page.rows("attrition")
    assert attrition["ICU stays"] == ["1,234", "1,200", "1,100"] and attrition["no transfer"][0] == "–"
    assert page.rows("split") == {
        "split": ["stays", "admissions", "patients", "share of stays"],
        "train": ["260", "260", "130", "65.0 %"],
        "validation": ["40", "40", "20", "10.0 %"],
        "test": ["100", "100", "50", "25.0 %"],
        "all": ["400", "400", "200", "100.0 %"],
    }
    phenotypes = page.rows("phenotypes")
    assert list(phenotypes)[1:] == PHENOTYPES
    assert phenotypes[PHENOTYPES[0]] == ["111", "22.2 %", "21.4 %", "21.2 %"]
    assert phenotypes[PHENOTYPES[1]] == ["hidden", "hidden", "10.0 %", "20.0 %"]
    assert page.rows("hospital-course")["(none)"] == ["44", "11.0 %"]
    leakage = page.rows("leakage")
    assert leakage["Shock"] == ["77", "50.0 %", "25.0 %", "0.625", "0.556"]
    assert leakage["Septicemia <i>"] == ["55", *["hidden"] * 4] and leakage["macro"][0] == "–"


def test_measurements_and_lengths_are_those_of_the_samples(page):
    found = page.rows("measurements")
    bins = sum(10 + n % 20 for n in range(STAYS))
    assert found["Heart Rate"] == ["yes", "0.0 %", f"{100 * (STAYS + 1) / bins:.1f} %"]
    assert found["pH"] == ["yes", "50.0 %", f"{100 * 200 / bins:.1f} %"]
    assert found["Height"] == ["no", "hidden", "hidden"], "six patients"
    assert found["Glucose"] == ["yes", "100.0 %", "0.0 %"]
    assert page.rows("lengths")["ICU stay, hours"] == ["15", "20", "24"]
    assert page.rows("lengths")["Hospital course, words after cleaning"] == ["22", "24", "27"]


def test_the_most_frequent_codes_come_first_and_none_of_few_patients(page):
    head, *codes = page.tables["codes-without-phenotype"]
    assert head == ["code", "version", "has a category", "codes", "stays"] and len(codes) == 20
    assert codes[0] == ["Z000", "ICD-10", "yes", "1", "150"] and codes[-1][0] == "Z019"
    few = Page(card(most_codes=11)).tables["codes-without-phenotype"]
    assert few[-2:] == [["rare ones", "ICD-9", "yes", "40", "60"], ["rare ones", "ICD-9", "no", "2", "hidden"]]


def test_no_number_of_patients_is_between_one_and_ten(page):
    # Numbers of codes are not numbers of patients.
    tables = {name: [row[:3] + row[4:] if name.startswith("codes") else row for row in rows]
              for name, rows in page.tables.items()}  # fmt: skip
    counts = [cell for rows in tables.values() for row in rows for cell in row if re.fullmatch(r"[0-9,]+", cell)]
    assert len(counts) > 50 and all(int(c.replace(",", "")) > 10 for c in counts)


def test_a_small_split_is_hidden_and_cannot_be_derived_by_subtraction():
    rows = Page(card(validation_stays=20)).rows("split")
    assert rows["validation"] == rows["test"] == ["hidden"] * 4
    assert rows["train"][0] == "280" and rows["all"][0] == "400"
    assert "validation split" not in Page(card(validation_stays=20)).rows("attrition"), (
        "the card has a separate table of them"
    )


def test_values_of_few_patients_are_not_drawn(page):
    text = card()
    assert "histogram of Heart Rate" in text and "histogram of pH" in text
    assert "histogram of Height" not in text and "No bar has 11 patients." in text
    # Prevalence, three lengths, heart rate and pH.
    assert len(page.pictures) == 6


def test_the_page_needs_nothing_else(page):
    assert not page.tags & {"iframe", "object", "embed", "form"}
    # Only a click leads to another file, which is part of the results.
    assert all(link.startswith(("#", "../../", "data:image/png;base64,")) for link in page.links)
    text = re.sub(r"base64,[^\"]*|<script>.*?</script>", "", card(), flags=re.DOTALL)
    assert not re.search(r"https?:|//|@import|url\(", text) and 'name="viewport"' in text
    assert {link[1:] for link in page.links if link.startswith("#")} == {"main", *page.tables}


def test_pictures_are_png_without_date_or_program(page):
    for picture in page.pictures:
        data = base64.b64decode(picture.removeprefix("data:image/png;base64,"))
        assert data.startswith(b"\x89PNG") and b"tEXt" not in data and b"tIME" not in data


def test_the_same_numbers_give_the_same_bytes():
    assert card() == card()


def test_stand_ins_are_named_at_the_top_as_text_and_nothing_is_said_without():
    text = card()
    assert "Made with stand-ins:</b> tiny &amp; &lt;synthetic&gt;." in text.split('aria-label="On this page"')[0]
    assert "<i>" not in re.sub(r'<span class="bar"><i', "", text), "names from tables are text too"
    assert "stand-ins" not in card(stand_ins=(), source="folder")
