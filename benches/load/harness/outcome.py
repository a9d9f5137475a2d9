"""What a row comes to."""

import dataclasses

from .measure import median

MIB = 1 << 20


@dataclasses.dataclass
class Outcome:
    """Figures of several rounds, beside an anchor's of the same rounds.

    The ratio is taken round by round. `sense` says on which side of the target it is to be: `>=`,
    `<=` or `<`. Without an anchor the figure itself is what has a target.
    """

    row: str
    work: str
    unit: str
    ours: list
    target: float | None = None
    sense: str = ">="
    anchor: str = ""
    against: list = dataclasses.field(default_factory=list)
    note: str = ""

    @property
    def ratios(self):
        """Round by round."""
        if not self.against:
            return list(self.ours)
        return [ours / anchor for ours, anchor in zip(self.ours, self.against, strict=True)]

    @property
    def ratio(self):
        return median(self.ratios)

    @property
    def met(self):
        """`None` where nothing is asked."""
        if self.target is None:
            return None
        reached = {
            ">=": self.ratio >= self.target,
            "<=": self.ratio <= self.target,
            "<": self.ratio < self.target,
        }
        return reached[self.sense]

    def as_dict(self):
        """For the results' file."""
        return {
            **dataclasses.asdict(self),
            "ratios": self.ratios, "ratio": self.ratio,
            "lowest": min(self.ratios), "highest": max(self.ratios), "met": self.met,
        }


def figure(value, unit):
    """A figure as people read it."""
    if unit == "MB/s":
        return f"{value / 1e6:,.0f} MB/s"
    if unit == "MiB":
        return f"{value / MIB:.1f} MiB"
    if unit in ("us", "ms", "ns"):
        return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.2f} {unit}"
    if unit == "/s":
        return f"{value:,.0f} /s" if value >= 100 else f"{value:.2f} /s"
    return f"{value:.2f} {unit}"
