"""The table, the results' file and the plots."""

import json
import time

from .measure import median
from .outcome import figure

HEAD = ("row", "work", "Consign", "beside", "its figure", "ratio [lowest..highest]", "target", "met")


def write(out, bench, outcomes, series, failures):
    """Prints the table and writes all of it to a folder."""
    lines = table(outcomes)
    about = _about(bench, failures)
    print("", *about, "", *lines, *_notes(outcomes), sep="\n")
    text = "\n".join([*about, "", *lines, *_notes(outcomes), ""])
    (out / "results.md").write_text(text)
    options = vars(bench.options)
    results = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": bench.machine,
        "options": {name: options[name] for name in ("rounds", "seconds", "quick", "only")},
        "rows": [outcome.as_dict() for outcome in outcomes],
        "series": series,
        "extra": bench.extra,
        "failures": failures,
    }
    (out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    # Needs what `system.install` may have installed a moment ago.
    from . import plots

    if series.get("throughput"):
        plots.throughput(series["throughput"], out / "throughput.svg")
    if series.get("memory"):
        plots.memory(series["memory"], out / "memory.svg")


def table(outcomes):
    """In Markdown."""
    rows = [HEAD, ["---"] * len(HEAD), *map(_row, outcomes)]
    return [f"| {' | '.join(row)} |" for row in rows]


def _row(outcome):
    ratios = outcome.ratios
    if outcome.against:
        anchor, against = outcome.anchor, figure(median(outcome.against), outcome.unit)
        ratio = f"{outcome.ratio:.2f} [{min(ratios):.2f}..{max(ratios):.2f}]"
        target = f"{outcome.sense} {outcome.target:g} x" if outcome.target else "-"
    else:
        anchor = against = "-"
        lowest, highest = (figure(end, outcome.unit) for end in (min(ratios), max(ratios)))
        ratio = f"[{lowest}..{highest}]"
        target = f"{outcome.sense} {figure(outcome.target, outcome.unit)}"
    met = {None: "-", True: "yes", False: "**no**"}[outcome.met]
    ours = figure(median(outcome.ours), outcome.unit)
    return (outcome.row, outcome.work, ours, anchor, against, ratio, target, met)


def _about(bench, failures):
    options = bench.options
    rounds = f"{options.rounds} round{'s' * (options.rounds > 1)}"
    lines = [
        ", ".join(f"{name} {text}" for name, text in bench.machine.items()) + ".",
        "",
        f"{rounds}, in turn, {options.seconds} s a load; figures and ratios are medians, ratios taken "
        "round by round.",
    ]
    if options.quick:
        lines.append(
            "**Quick: short loads, a smaller large file, fewer rows stored. It shows whether all "
            "runs, not how fast.**"
        )
    return lines + [f"**Failed: {failure}**" for failure in failures]


def _notes(outcomes):
    notes = dict.fromkeys(
        f"- {outcome.row}, {outcome.anchor or outcome.work}: {outcome.note}."
        for outcome in outcomes
        if outcome.note
    )
    return ["", *notes] if notes else []
