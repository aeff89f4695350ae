"""The rules that invoice lines must keep before they are published.

Thresholds were set against the 305 real days of the UCI Online Retail set (2010-12-01 to 2011-12-09, 541,909 lines):
none of its lines goes to quarantine and no critical rule breaks there. "Real" in the comments is that set.
"""

from __future__ import annotations

from quintet.quality.decision import Limits
from quintet.quality.frames import Referential, Unique
from quintet.quality.groups import CategoryShare, Distribution, Freshness, Monotonic, NoGap, TotalEquals, Volume
from quintet.quality.model import Severity, Suite, Threshold
from quintet.quality.rows import Castable, Compare, Conditional, InSet, Length, Matches, NotNull, Range

__all__ = ["CUSTOMER_FEED", "LEDGER_RECORDS", "LIMITS", "SUITE"]

#: A file is poison when more of it goes to quarantine. Single slips of the pen are below a percent; a broken export
#: breaks a column in many rows at once. Fifty rows are what a person can look through.
LIMITS = Limits(max_share=0.05, max_rows=50)

#: Name of the frame with the customers of the change feed, and of the figure that the ledger knows of a file.
CUSTOMER_FEED = "customer_changes"
LEDGER_RECORDS = "records"

#: A day with fewer lines says little about shares: the smallest real day has 279.
_ENOUGH = 200

#: Countries the shop has delivered to.
_COUNTRIES = (
    "Australia",
    "Austria",
    "Bahrain",
    "Belgium",
    "Brazil",
    "Canada",
    "Channel Islands",
    "Cyprus",
    "Czech Republic",
    "Denmark",
    "EIRE",
    "European Community",
    "Finland",
    "France",
    "Germany",
    "Greece",
    "Hong Kong",
    "Iceland",
    "Israel",
    "Italy",
    "Japan",
    "Lebanon",
    "Lithuania",
    "Malta",
    "Netherlands",
    "Norway",
    "Poland",
    "Portugal",
    "RSA",
    "Saudi Arabia",
    "Singapore",
    "Spain",
    "Sweden",
    "Switzerland",
    "USA",
    "United Arab Emirates",
    "United Kingdom",
    "Unspecified",
)

_REQUIRED = (
    NotNull(name="invoice_number_missing", column="invoice_id", why="A line without invoice belongs to no sale"),
    NotNull(name="stock_code_missing", column="product_id", why="A line without stock code sells nothing"),
    NotNull(name="country_missing", column="country", why="Revenue by country must add up"),
    Castable(
        name="invoice_date_unreadable",
        text="raw_invoice_date",
        typed="invoiced_at",
        required=True,
        why="A line without a time belongs to no day",
    ),
    Castable(
        name="quantity_unreadable",
        text="raw_quantity",
        typed="quantity",
        required=True,
        why="A line without a whole number of pieces has no amount",
    ),
    Castable(
        name="unit_price_unreadable",
        text="raw_unit_price",
        typed="unit_price_gbp",
        required=True,
        why="A line without a price of at most four decimals has no amount",
    ),
    Castable(
        name="customer_unreadable",
        text="raw_customer_id",
        typed="customer_id",
        why="A customer number that cannot be read would be counted as a guest",
    ),
)

_PLAUSIBLE = (
    Compare(name="quantity_zero", left="quantity", operator="<>", right="0", why="Nothing was sold or returned"),
    # Real: 80,995 pieces at most (sold and cancelled within minutes), 38,970 GBP at most. Beyond 100,000 a stock code
    # or a barcode has slipped into the column.
    Range(name="quantity_absurd", column="quantity", low=-100_000, high=100_000, why="No order is that large"),
    Range(name="unit_price_absurd", column="unit_price_gbp", low=-100_000, high=100_000, why="No piece costs that"),
    # Real: two lines of -11,062.06 GBP write off bad debt; they are adjustments.
    Conditional(
        name="unit_price_negative",
        when="line_type <> 'adjustment'",
        then="unit_price_gbp >= 0",
        why="Only book-keeping entries have negative prices",
    ),
    Conditional(
        name="cancellation_not_negative",
        when="invoice_id LIKE 'C%'",
        then="quantity < 0",
        why="A cancellation takes pieces back",
    ),
    # A day more than the file's: shops in other time zones close their day later.
    Compare(
        name="invoice_date_in_future",
        left="trade_date",
        operator="<=",
        right="coalesce(date_add(_file_date, 1), current_date())",
        why="A file cannot hold what happened after it was written",
    ),
    # Zero of spreadsheet calendars (1899-12-30, 1904-01-01) and of Unix (1970-01-01) when a date was lost.
    Range(name="invoice_date_too_old", column="trade_date", low="2000-01-01", why="The shop did not trade then"),
    # Real: 20, 12, 35 and 20 characters at most. Longer text is another column, or several lines glued together.
    Length(name="stock_code_too_long", column="product_id", shortest=1, longest=20, why="No code is that long"),
    Length(name="description_too_long", column="description", shortest=1, longest=200, why="No text is that long"),
    Length(name="country_length", column="country", shortest=2, longest=60, why="No country is that short or long"),
)

# Reported, not held back: a new form or country is business, not a fault. The shares keep a stray one from failing the
# rule, and a renamed export from passing it.
_UNUSUAL = (
    Matches(
        name="invoice_number_form",
        column="invoice_id",
        pattern="[AC]?[0-9]{6}",
        severity=Severity.WARNING,
        threshold=Threshold(max_share=0.01),
        why="Numbers of another form come from another system",
    ),
    Matches(
        name="stock_code_form",
        column="product_id",
        pattern="[A-Z0-9][A-Z0-9_ ]*",
        severity=Severity.WARNING,
        threshold=Threshold(max_share=0.01),
        why="Codes of another form come from another system",
    ),
    InSet(
        name="country_unknown",
        column="country",
        values=_COUNTRIES,
        severity=Severity.WARNING,
        threshold=Threshold(max_share=0.01),
        why="A country that was never delivered to may be a typing error",
    ),
)

_FRAMES = (
    Unique(
        name="line_landed_twice",
        columns=("_file_hash", "_line_number"),
        why="The landing promises each line of each content once",
        remedy="Restore bronze from a backup, or reset it and land the files again: lines are doubled",
    ),
    Referential(
        name="customer_not_in_feed",
        column="customer_id",
        reference=CUSTOMER_FEED,
        reference_column="customer_id",
        severity=Severity.WARNING,
        # Customers that signed on before the feed began have no row in it.
        threshold=Threshold(max_share=0.10),
        why="Lines of customers that the change feed does not know",
    ),
)

_GROUPS = (
    TotalEquals(
        name="lines_differ_from_ledger",
        severity=Severity.CRITICAL,
        total="count(*)",
        figure=LEDGER_RECORDS,
        why="Lines of a file were lost or doubled on the way into bronze",
        remedy="Restore bronze from a backup, or reset it and land the files again",
    ),
    # Real: between 0.2 and 3.4 times the usual day; December is the peak. A hundred times is a runaway export, and
    # room is left for a lab that saw generated days first.
    Volume(
        name="volume_runaway",
        severity=Severity.CRITICAL,
        low=0,
        high=100,
        why="A file many times the usual size would swamp what is published",
        remedy="Ask the sender; send the file split by day, or corrected under the same name",
    ),
    # An empty day is real too (holidays), so that too little is never critical.
    Volume(name="volume_unusual", low=0.1, high=10, why="A file of unusual size may be cut off or doubled"),
    # Real: the median price of a day is 1.25 to 4.21 GBP, usually 2.08. Pence for pounds would be a hundred times.
    Distribution(
        name="price_level_broken",
        severity=Severity.CRITICAL,
        measure="percentile_approx(unit_price_gbp, 0.5)",
        limit=20,
        floor=1.0,
        min_rows=_ENOUGH,
        why="The unit of the prices has changed, for example pence for pounds",
        remedy="Ask the sender; send the file corrected under the same name",
    ),
    # Real: half of all days are within 1.0 deviations, two beyond six.
    Distribution(
        name="price_mean_unusual",
        measure="avg(ln(1 + abs(unit_price_gbp)))",
        limit=8,
        floor=0.05,
        min_rows=_ENOUGH,
        why="Prices of the day differ from those of the last two months",
    ),
    Distribution(
        name="guest_share_unusual",
        measure="avg(CAST(is_guest AS DOUBLE))",
        limit=5,
        floor=0.5,
        min_rows=_ENOUGH,
        why="Customer numbers are lost, or invented",
    ),
    CategoryShare(
        name="line_types_unusual",
        column="line_type",
        categories=("sale", "return", "fee", "adjustment"),
        limit=0.5,
        min_rows=_ENOUGH,
        why="Returns, fees or adjustments became much more or less frequent",
    ),
    Freshness(
        name="newest_line_old",
        column="invoiced_at",
        days=2,
        why="A file without a line of its own day may be another day's",
    ),
    # Real: twelve days around New Year.
    NoGap(name="days_missing", max_days=14, why="Days were not delivered"),
    # Numbers are given in order; the files of two days overlap when a day was exported twice or by hand.
    Monotonic(
        name="invoice_numbers_fall",
        lowest="percentile_approx(try_cast(right(invoice_id, 6) AS INT), 0.05)",
        highest="percentile_approx(try_cast(right(invoice_id, 6) AS INT), 0.95)",
        why="Invoice numbers rise from day to day; lower ones come from another time or system",
    ),
)

SUITE = Suite(name="invoice_lines", rows=(*_REQUIRED, *_PLAUSIBLE, *_UNUSUAL), frames=_FRAMES, groups=_GROUPS)
