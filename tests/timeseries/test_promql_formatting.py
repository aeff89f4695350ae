"""A formatted query is the same query, in one form."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quintet.timeseries.model import MINUTE, SECOND, Matcher
from quintet.timeseries.promql.formatting import format_duration, format_expression
from quintet.timeseries.promql.parser import STRENGTH, parse
from quintet.timeseries.promql.tree import Binary, Expression, Number, Selector, Unary


@pytest.mark.parametrize(
    ("query", "formatted"),
    [
        ("foo/bar", "foo / bar"),
        ("sum( m )by( a,b )", "sum by (a, b) (m)"),
        ("sum without()(m)", "sum without () (m)"),
        ("topk(3,m)", "topk(3, m)"),
        ('count_values("v",m)', 'count_values("v", m)'),
        ("m{ a = 'x' , b=~`y\"z` }", 'm{a="x",b=~"y\\"z"}'),
        ('{__name__="m",a="b"}', 'm{a="b"}'),
        ('{__name__="m n"}', '{__name__="m n"}'),
        ('{a="b",__name__="m"}', '{a="b",__name__="m"}'),
        ('{__name__="m",__name__!="n"}', '{__name__="m",__name__!="n"}'),
        ("rate(m[90m]offset 1w)", "rate(m[1h30m] offset 1w)"),
        ("m @ 1.5 offset -5m", "m @ 1.500 offset -5m"),
        ("m offset 5m @ end()", "m @ end() offset 5m"),
        ("max_over_time((a+b)[1h:1m] @ start())", "max_over_time((a + b)[1h:1m] @ start())"),
        ("avg_over_time(m[1h:])", "avg_over_time(m[1h:])"),
        ("a+b*c", "a + b * c"),
        ("(a+b)*c", "(a + b) * c"),
        ("a-(b-c)", "a - (b - c)"),
        ("(a-b)-c", "a - b - c"),
        ("a^b^c", "a ^ b ^ c"),
        ("(a^b)^c", "(a ^ b) ^ c"),
        ("-a^b", "-a ^ b"),
        ("(-a)^b", "(-a) ^ b"),
        ("(-1)^2", "(-1) ^ 2"),
        ("2^-1", "2 ^ -1"),
        ("-(a+b)", "-(a + b)"),
        ("a >bool on(x)group_left(y) b", "a > bool on (x) group_left (y) b"),
        ("a and ignoring(x)b", "a and ignoring (x) b"),
        ("a or b unless c", "a or b unless c"),
        ("(a or b) unless c", "(a or b) unless c"),
        ('label_replace(m,"a","$1","b","(.*)")', 'label_replace(m, "a", "$1", "b", "(.*)")'),
        ("time( )", "time()"),
        ("1e-9+Inf", "1e-09 + +Inf"),
    ],
)
def test_queries_are_written_in_one_form(query: str, formatted: str) -> None:
    assert format_expression(parse(query)) == formatted
    assert parse(formatted) == parse(query)


def combined(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    operators = sorted(set(STRENGTH) - {"and", "or", "unless", "==", "!=", "<", "<=", ">", ">="})
    # A sign before a number is part of the number.
    signed = inner.map(lambda one: Number(-one.value) if isinstance(one, Number) else Unary(one))
    return st.builds(Binary, st.sampled_from(operators), inner, inner) | signed


LEAVES = st.sampled_from([1.0, 2.5, 1e30, 1e-8, float("inf")]).map(Number) | st.builds(
    Selector,
    st.sampled_from([(Matcher("__name__", "=", "m"),), (Matcher("a", "=~", 'x"\n\\\x7fü\U0001f600'),)]),
    st.just(0),
    st.sampled_from([0, MINUTE, -90 * MINUTE]),
    st.sampled_from([None, "start", "end", 15 * SECOND]),
)


@settings(max_examples=300, deadline=None)
@given(st.recursive(LEAVES, combined, max_leaves=12))
def test_any_tree_of_operators_is_read_back(tree: Expression) -> None:
    assert parse(format_expression(tree)) == tree


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(0, "0s"), (10**6, "1ms"), (90 * SECOND, "1m30s"), (86_400 * SECOND, "1d"), (26 * 3600 * SECOND, "26h")],
)
def test_days_are_written_where_nothing_is_left(nanoseconds: int, text: str) -> None:
    assert format_duration(nanoseconds) == text
