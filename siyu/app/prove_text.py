"""The proof on a terminal."""

import json
from collections.abc import Iterator

import msgspec

from siyu.app.prove import Proof, summary


def as_json(proofs: list[Proof]) -> str:
    """All proofs as one document; `line` is the verdict over all."""
    whole = {
        "proofs": msgspec.to_builtins(proofs),
        "violations": sum(proof.violations for proof in proofs),
        "line": summary(proofs),
    }
    return json.dumps(whole, ensure_ascii=False)


def render(proofs: list[Proof]) -> str:
    """All proofs as text for people, the verdict in the last line."""
    lines = [line for proof in proofs for line in _lines(proof)]
    return "\n".join([*lines, summary(proofs)])


def _lines(proof: Proof) -> Iterator[str]:
    yield f"== {proof.shop or 'installation'}  {proof.as_of:%Y-%m-%d %H:%M:%S} UTC"
    if proof.trial_balance:
        for line in proof.trial_balance.lines:
            held = f"  ({line.held:,} held)" if line.held else ""
            yield (
                f"  {line.asset:<5} {line.book:<16}{line.debit:>18,}{line.credit:>18,}"
                f"  {line.name}{held}"
            )
        for total in proof.trial_balance.totals:
            yield f"  {total.asset:<5} {'=':<16}{total.debit:>18,}{total.credit:>18,}"
    for check in proof.checks:
        mark = "✗" if check.violations else "✓"
        count = f" ({check.violations})" if check.violations else ""
        yield f"  {mark} {check.domain}: {check.name}{count}"
    if proof.story:
        yield f"  -- {proof.story.order_no}"
        for sentence in proof.story.sentences:
            yield f"  {sentence.at:%Y-%m-%d %H:%M:%S}  [{sentence.title}] {sentence.text}"
            for leg in sentence.legs:
                yield f"      {leg.side} {leg.book} {leg.amount}"
            if sentence.note:
                yield f"      {sentence.note}"
            yield f"      {sentence.standing}"
    yield ""
