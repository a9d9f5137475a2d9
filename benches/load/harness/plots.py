"""Plots, as SVG."""

import matplotlib
import matplotlib.ticker

matplotlib.use("svg")
# The same figures make the same file, and text stays text.
matplotlib.rcParams.update({"svg.hashsalt": "consign", "svg.fonttype": "none", "font.size": 10})

import matplotlib.pyplot as plt  # noqa: E402

COLOURS = {"Consign": "#b3261e"}
OTHERS = "#4a6785"


def throughput(series, path):
    """100 KB downloads a second against connections."""
    figure, axes = _axes("100 KB downloads by signed link, one core", "connections", "downloads a second")
    for name, points in series.items():
        axes.plot(*zip(*points, strict=True), marker="o", label=name, color=COLOURS.get(name, OTHERS))
    counts = [count for count, _ in next(iter(series.values()))]
    axes.set_xscale("log", base=4)
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:,.0f}"))
    _save(figure, axes, path)


def memory(series, path):
    """Resident memory against the time since a large upload began."""
    figure, axes = _axes("Resident memory over the upload of a large file", "seconds", "MiB")
    for name, samples in series.items():
        times = [at for at, _ in samples]
        sizes = [size / 2**20 for _, size in samples]
        axes.plot(times, sizes, label=name, color=COLOURS.get(name, OTHERS))
    _save(figure, axes, path)


def _axes(title, across, up):
    figure, axes = plt.subplots(figsize=(6.4, 3.6))
    axes.set(title=title, xlabel=across, ylabel=up)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure, axes, path):
    axes.set_ylim(bottom=0)
    # Below, where no line runs.
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2)
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    plt.close(figure)
