"""The figures of a benchmark as Markdown tables."""

from collections.abc import Iterable
from typing import Any


def table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """A table; None is an empty cell."""
    head = list(head)
    cells = [head, ["---"] * len(head)]
    cells += [["" if x is None else str(x) for x in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def percent(share: float | None) -> str | None:
    """A share, rounded."""
    return None if share is None else f"{100 * share:.3g} %"


def tables(report: dict[str, Any]) -> str:
    """All parts that a report has."""
    parts = [name for name in _TABLES if name in report]
    return "\n\n".join(_TABLES[name](report) for name in parts)


def _networks(report: dict[str, Any]) -> str:
    head = (
        "Network",
        "Images",
        "a second",
        "PyTorch",
        "ratio",
        "GFLOP",
        "of products",
        "of memory",
    )
    rows = []
    for x in report["networks"]:
        theirs, ratio = (x.get(name, {}).get("median") for name in ("torch_per_s", "ratio"))
        shares = (percent(x[f"share_of_{name}_peak"]) for name in ("product", "memory"))
        size = " x ".join(map(str, x["images"][:3]))
        ours = x["ours_per_s"]["median"]
        rows.append((x["network"], size, ours, theirs, ratio, x["gflop_an_image"], *shares))
    return table(head, rows)


def _streams(report: dict[str, Any]) -> str:
    head = ("Stream", "Detector", "pages a second", "ratio", "host CPU ms a page")
    names = ("what", "detector")
    rows = [
        (
            *(x[name] for name in names),
            x["pages_per_s"]["median"],
            x["ratio_to_default"],
            x["host_cpu_ms_a_page"]["median"],
        )
        for x in report["streams"]
    ]
    return table(head, rows)


def _training(report: dict[str, Any]) -> str:
    head = (
        "Step",
        "Precision",
        "images",
        "images a second a device",
        "of products",
        "of its pages",
    )
    names = ("step", "precision", "images_a_step", "images_per_s_a_device")
    shares = ("share_of_product_peak", "share_of_pages")
    rows = [
        (*(x[n] for n in names), *(percent(x.get(share)) for share in shares))
        for x in report["training"]
    ]
    return table(head, rows)


def _stages(report: dict[str, Any]) -> str:
    peak = max(report["peaks"]["float32"], report["peaks"]["bfloat16"])
    rows = []
    for x in report["stages"]:
        share = 1e12 * x["gflop"] / x["ms"]["median"] / peak if "gflop" in x else None
        rows.append((x["stage"], f"{x['ms']['median']:.1f}", x.get("gflop"), percent(share)))
    return table(("Stage", "ms a page", "GFLOP", "of products"), rows)


def _whole(report: dict[str, Any]) -> str:
    rows = [
        (x["what"], f"{x['ours_per_s']['median']:.2f}", x.get("ratio", {}).get("median"))
        for x in report["whole"]
    ]
    return table(("Whole", "images a second", "ratio to the peer"), rows)


_TABLES = {
    "networks": _networks,
    "streams": _streams,
    "training": _training,
    "stages": _stages,
    "whole": _whole,
}
