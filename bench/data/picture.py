"""Bars of the ratios, as SVG: how long, how sure, and where the target is."""

import math
from typing import Any
from xml.sax.saxutils import escape

from bench.data.goals import FIGURES

LEFT, WIDTH, RIGHT, ROW, BAR = 330, 480, 180, 26, 14
LEAST, MOST = 0.05, 100.0
"""Ends of the scale, which is logarithmic: twice is as far from 1 as half."""


def drawn(report: dict[str, Any]) -> str:
    titles = {figure.name: figure.title for figure in FIGURES}
    rows = report["goals"]
    height = ROW * (len(rows) + 2)
    marks = (0.1, 0.5, 1, 2, 10, 50)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + RIGHT}" height="{height}"'
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="100%" height="100%" fill="white"/><title>{_headline(report)}</title>',
        *(_mark(value, height) for value in marks),
    ]
    for number, row in enumerate(rows):
        label = f"{titles[row['figure']]}: {row['arm']} to {row['base']}"
        parts += _bar(label, row, ROW * (number + 1))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _headline(report: dict[str, Any]) -> str:
    void = "; ".join(f"{figure}: {reason}" for figure, reason in report["void"].items())
    return "VOID: " + escape(void) if void else "ratios, and their targets"


def _x(value: float) -> float:
    share = math.log(min(max(value, LEAST), MOST) / LEAST) / math.log(MOST / LEAST)
    return round(LEFT + share * WIDTH, 1)


def _mark(value: float, height: int) -> str:
    x = _x(value)
    return (
        f'<line x1="{x}" x2="{x}" y1="{ROW - 8}" y2="{height - 10}" stroke="#ccc"/>'
        f'<text x="{x}" y="{ROW - 12}" text-anchor="middle" fill="#666">{value:g}</text>'
    )


def _bar(label: str, row: dict[str, Any], y: int) -> list[str]:
    """From 1 to the ratio; a whisker of 95 %, a mark at the target. Green is met, red not, grey void."""
    ratio, one = row["ratio"], _x(1)
    end, low, high, target = (_x(v) for v in (ratio["value"], ratio["low"], ratio["high"], row["target"]))
    colour = "#bbb" if row["doubt"] else "#2a8f57" if row["met"] else "#c2572f"
    middle = y + BAR / 2
    told = f"{ratio['value']:.2f}" + (f" void: {row['doubt']}" if row["doubt"] else "")
    return [
        f'<text x="{LEFT - 10}" y="{y + 11}" text-anchor="end">{escape(label)}</text>',
        f'<rect x="{min(one, end)}" y="{y}" height="{BAR}"'
        f' width="{max(abs(end - one), 1):.1f}" fill="{colour}"/>',
        f'<line x1="{low}" x2="{high}" y1="{middle}" y2="{middle}" stroke="black"/>',
        f'<line x1="{target}" x2="{target}" y1="{y - 3}" y2="{y + BAR + 3}"'
        ' stroke="black" stroke-width="2"/>',
        f'<text x="{max(end, high, target, one) + 6}" y="{y + 11}">{escape(told)}</text>',
    ]
