"""An answer as a table to take along: plain numbers, amounts in major units, times in seconds."""

from decimal import Decimal

from siyu.insight.behaviour.contracts import (
    Answer,
    FunnelAnswer,
    HeatAnswer,
    PathsAnswer,
    RetentionAnswer,
    ShareAnswer,
    SpreadAnswer,
    TrendAnswer,
)
from siyu.kernel.i18n import Language
from siyu.kernel.tables import Cell, inert, major

Table = tuple[list[str], list[list[Cell]]]
_HEADS = {
    "day": ("日期", "Day"),
    "total": ("合计", "Total"),
    "step": ("步骤", "Step"),
    "persons": ("人数", "Persons"),
    "rate": ("上一步转化率 %", "% of the step before"),
    "whole": ("总转化率 %", "% of the first step"),
    "median": ("用时中位数（秒）", "Median time (s)"),
    "cohort": ("分组", "Cohort"),
    "period": ("第 {} 期人数", "Persons in period {}"),
    "level": ("层", "Level"),
    "place": ("位置", "Place"),
    "visits": ("访问次数", "Visits"),
    "ended": ("在此结束", "Ended here"),
    "from": ("从", "From"),
    "below": ("到（不含）", "Below"),
    "value": ("取值", "Value"),
    "amount": ("数量", "Amount"),
    "share": ("占比 %", "Share %"),
    "zone": ("分区", "Zone"),
    "viewers": ("看到的人数", "Viewers"),
    "dwell": ("停留（秒）", "Time in view (s)"),
    "clicks": ("点击次数", "Taps"),
    "clickers": ("点击人数", "Tappers"),
}


def table_of(answer: Answer, language: Language) -> Table:
    """Head and rows; what is not known is an empty cell. No cell is a formula (F069)."""
    head, rows = _table(answer, 0 if language == "zh-CN" else 1)
    safe = [[inert(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    return [inert(name) for name in head], safe


def _percent(bps: int | None) -> Cell:
    return "" if bps is None else Decimal(bps).scaleb(-2)


def _seconds(ms: int | None) -> Cell:
    return "" if ms is None else Decimal(ms).scaleb(-3)


def _amount(value: int, unit: str) -> Cell:
    return major(value) if unit == "fen" else value


def _bound(value: int | None, unit: str) -> Cell:
    if value is None:
        return ""
    return _seconds(value) if unit == "ms" else _amount(value, unit)


def _table(answer: Answer, at: int) -> Table:
    def heads(*names: str) -> list[str]:
        return [_HEADS[name][at] for name in names]

    match answer:
        case FunnelAnswer():
            parts = answer.parts
            return [
                *heads("step", "persons", "rate", "whole", "median"),
                *(part.label for part in parts),
            ], [
                [
                    stage.label,
                    stage.persons,
                    _percent(stage.rate_bps),
                    _percent(stage.whole_bps),
                    "" if stage.median_s is None else stage.median_s,
                    *(part.persons[n] for part in parts),
                ]
                for n, stage in enumerate(answer.stages)
            ]
        case RetentionAnswer():
            nth = [_HEADS["period"][at].format(point.period) for point in answer.curve]
            return [*heads("cohort", "persons"), *nth], [
                [f"{row.on}", row.persons, *("" if back is None else back for back in row.back)]
                for row in answer.cohorts
            ]
        case PathsAnswer():
            return heads("level", "place", "visits", "ended"), [
                [node.level, node.label, node.visits, node.ended] for node in answer.nodes
            ]
        case SpreadAnswer():
            return heads("from", "below", "persons"), [
                [_bound(one.low, answer.unit), _bound(one.high, answer.unit), one.persons]
                for one in answer.buckets
            ]
        case ShareAnswer():
            return [*heads("value", "amount", "share"), *map(str, answer.periods)], [
                [
                    part.label,
                    _amount(part.amount, answer.unit),
                    _percent(part.share_bps),
                    *(_amount(value, answer.unit) for value in part.values),
                ]
                for part in answer.slices
            ]
        case TrendAnswer():
            lines = answer.lines
            rows: list[list[Cell]] = [
                [f"{on}", *(_amount(line.values[n], answer.unit) for line in lines)]
                for n, on in enumerate(answer.days)
            ]
            totals: list[Cell] = [_amount(line.total, answer.unit) for line in lines]
            return [*heads("day"), *(line.label for line in lines)], [
                *rows,
                [*heads("total"), *totals],
            ]
        case HeatAnswer():
            return heads("zone", "viewers", "dwell", "clicks", "clickers"), [
                [zone.label, zone.viewers, _seconds(zone.dwell_ms), zone.clicks, zone.clickers]
                for zone in answer.zones
            ]
