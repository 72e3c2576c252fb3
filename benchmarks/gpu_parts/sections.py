"""The sections of benchmarks/gpu.py: what each measures and which rows it writes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from functools import partial

from programs.protocol import Start

from gpu_parts.day import Day
from gpu_parts.kernels import shares, watched
from gpu_parts.pictures import make_folder
from gpu_parts.steps import Subject, apart, flops, in_turns, possible, ratio, tricks
from gpu_parts.whole import Translating, waiting
from toonforge.bench.peaks import rates as best_rates

BF16 = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L4": 121e12, "L40S": 362e12, "4090": 165e12}
"""Dense bf16 operations a second by the data sheets, by a word of the device's name."""


HAND = "the classic step by hand"


def spread(values: list[float], scale: float = 1.0) -> str:
    return f"{scale * median(values):.3g} ({scale * min(values):.3g} to {scale * max(values):.3g})"


def judged(value: float, target: str) -> str:
    """A target such as ">= 4" or "< 2 %" (of 1), and whether a value meets it."""
    sign, most, *percent = target.split()
    wanted = float(most) / (100 if percent else 1)
    met = {">=": value >= wanted, "<=": value <= wanted, "<": value < wanted}[sign]
    return f"{target}: {'met' if met else 'missed'}"


def rates(day: Day) -> None:
    """What the device computes at best."""
    for precision in ("fp32", "bf16"):
        day.rates[precision] = max(best_rates(day.device, precision).values())
        sheet = next((rate for word, rate in BF16.items() if precision == "bf16" and word in day.known["device"]), None)
        beside = f"{day.rates[precision] / sheet:.0%} of the data sheet's {sheet / 1e12:.0f}" if sheet else ""
        day.row(f"best rate, {precision}", f"{day.rates[precision] / 1e12:.3g} TFLOP/s", beside)


def steps(day: Day, method: str, batch: int, target: str, graphs: bool = False) -> None:
    """Ours with different tricks and precisions, and the step by hand, in turns."""
    plain, half = day.start(method, batch), day.start(method, batch, "bf16")
    label = f"{method} {plain.size}, batch {plain.batch}"
    wanted: dict[str, tuple[Start, list[str]]] = {"auto": (plain, ["auto"])}
    if graphs:
        wanted["graphs"] = plain, [*tricks(plain), "cuda-graphs"]
        wanted["graphs, bf16"] = half, [*tricks(half), "cuda-graphs"]
    else:
        wanted = {"safe": (plain, ["safe"]), **wanted, "auto, bf16": (half, ["auto"])}
    hand = day.subject("by hand", plain, None)
    subjects = [hand]
    for name, (start, speed) in wanted.items():
        day.attempt(f"{label}, {name}", 15, lambda n=name, s=start, w=speed: subjects.append(day.subject(n, s, w)))
    for one in subjects[1:]:
        compare(day, label, one, hand)
    times = in_turns(subjects, day.turns, day.turn)
    for one in subjects:
        each = times[one.name]
        faster = median(times[hand.name]) / median(each)
        beside = "" if one is hand else f"{faster:.2f} times {HAND}"
        found = f"{plain.batch / median(each):.4g} images/s, {spread(each, 1e3)} ms"
        asked = one is not hand and one.name != "safe"  # which is there to show what the tricks do
        day.row(f"{label}, {one.name}", found, beside, judged(faster, target) if asked else "")
        if hand.peak:
            share = one.peak / hand.peak
            day.row(
                f"{label}, {one.name}: peak memory",
                f"{one.peak / 2**30:.3g} GiB",
                "" if one is hand else f"{share:.2f} of {HAND}'s",
                judged(share, "<= 0.80") if asked else "",
            )
    operations = flops(hand)
    for precision in ("fp32", "bf16"):
        of_it = [one for one in subjects if one.start.precision == precision]
        if not of_it:
            continue  # they failed, and have rows that say so
        best = min(of_it, key=lambda one: median(times[one.name]))
        rate = operations / median(times[best.name])
        known = precision == "bf16" and precision in day.rates  # fp32 multiplies in TensorFloat-32 here and there
        share_of_rate = f"{rate / day.rates[precision]:.1%} of the measured {precision} rate" if known else ""
        found = f"{rate / 1e12:.3g} TFLOP/s, {operations / 1e12:.3g} TFLOP a step"
        day.row(f"{label}, {best.name}, the fastest in {precision}", found, share_of_rate, "stated" if known else "")
    day.known[f"{label}{', graphs' * graphs}"] = {name: list(each) for name, each in times.items()}


def compare(day: Day, label: str, one: Subject, hand: Subject) -> None:
    """Rows on losses: of the first step, and of a later one, by when small differences have grown."""
    half = "bf16" in one.name
    for when, ours, theirs, most in (
        ("first", one.losses, hand.losses, 0.05 if half else 0.01),
        ("later", total(one.later), total(hand.later), 0.1 if half else 0.05),
    ):
        difference = apart(ours, theirs)
        beside = "the same" if difference <= most else "NOT THE SAME"
        found = f"{difference:.1e} apart from {HAND}'s"
        day.row(f"{label}, {one.name}: {when} losses", found, beside, judged(difference, f"<= {most}"))
    for reason in one.reasons:
        day.row(f"{label}, {one.name}", "computed as written", reason)


def total(losses: Mapping[str, float]) -> dict[str, float]:
    """Of all terms together: those that are almost 0 differ by large shares."""
    return {"total": sum(losses.values())}


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def kernels(day: Day, method: str, batch: int, precision: str) -> None:
    """Where a step's time goes on the device."""
    one = day.subject("auto", day.start(method, batch, precision), ["auto"])
    count = 2 if day.small else 5
    work, seconds = watched(lambda: one.steps(count), day.device)
    for kind, milliseconds, share in shares(work, count, seconds):
        label = f"{method}, batch {one.start.batch}, {precision}, auto: {kind}"
        day.row(label, f"{milliseconds:.3g} ms", f"{share:.1%}")


def data(day: Day) -> None:
    """A run from a folder of 10,000 JPEG files."""
    root, count = day.root / "data", 24 if day.small else 5000
    began = time.monotonic()
    for field in ("photo", "anime"):
        make_folder(root / field, count, 36 if day.small else 286)
    made = f"{2 * count} JPEG files, written in {time.monotonic() - began:.0f} s"
    size, batch, number = (32, 2, 8) if day.small else (256, 16, 200)
    found = waiting(root, batch=batch, size=size, steps=number, small=day.small, cpu=day.given.cpu, precision="bf16")
    rate = f"{found['images_per_second']:.4g} images/s, {made}"
    day.row(
        f"waiting for data, CycleGAN, bf16, batch {batch}", f"{found['data']:.2%}", rate, judged(found["data"], "< 2 %")
    )


def translate(day: Day) -> None:
    """A folder through ResNet-9, from files to files."""
    root = day.root / "translate"
    root.mkdir()
    width, blocks = (4, 6) if day.small else (64, 9)
    programs = Translating(root, width=width, blocks=blocks, device=day.device)
    for side, count in ((32, 4), (48, 3)) if day.small else ((256, 160), (512, 48)):
        make_folder(root / str(side), count, side)
        found = programs.rates(root / str(side), 2 if day.small else 3)
        for name, (rate, times) in found.items():
            beside = "" if name == "by hand" else f"{times:.2f} times the plain loop by hand"
            day.row(
                f"translate {side}, {name}", f"{rate:.4g} pictures/s", beside, judged(times, ">= 5") if beside else ""
            )
        apart_at_most = programs.apart()
        found_apart = f"{apart_at_most} of 255 apart at most"
        day.row(f"translate {side}", found_apart, "from the plain loop by hand", judged(apart_at_most, "<= 2"))


def tricks_alone(day: Day) -> None:
    """Each trick: with all of auto and without it, or auto and it besides."""
    for batch in (1,) if day.small else (1, 16):
        base = day.subject("auto", day.start(day.usual, batch), ["auto"])
        alone = [trick for trick in possible(base.start) if trick not in ("compile", "cuda-graphs")]
        for trick in alone[:1] if day.small else alone:
            day.attempt(f"{trick}, batch {batch}", 8, partial(one_trick, day, base, trick))


def one_trick(day: Day, base: Subject, trick: str) -> None:
    """A trick's own ratio: the time with it over the time without."""
    usual = tricks(base.start)
    if trick in usual:
        other = day.subject("without", base.start, [name for name in usual if name != trick] or ["safe"])
        with_it, without, kept = base.name, other.name, "in auto"
    else:
        other = day.subject("with", base.start, [*usual, trick])
        with_it, without, kept = other.name, base.name, "not in auto"
    times = in_turns([base, other], day.turns, day.turn / 2)
    label = f"{trick}, {base.start.method}, batch {base.start.batch}"
    day.row(label, f"{1 / ratio(times, with_it, without):.3f} of the time without it", kept)
    for reason in other.reasons:
        day.row(label, "as written", reason)


def losses(day: Day) -> None:
    """Narrow networks with and without the tricks, from the same weights on the same pictures."""

    start = day.start(day.usual, 2)
    count = 2 if day.small else 200
    found: dict[str, list[float]] = {}
    for name, precision, speed in (("safe", "fp32", "safe"), ("auto", "fp32", "auto"), ("auto, bf16", "bf16", "auto")):
        one = day.subject(name, day.start(day.usual, 2, precision), [speed])
        found[name] = [sum(map(float, one.program.losses(one.steps(1)).values())) for _ in range(count)]
    for at in sorted({min(at, count) for at in (1, 2, 5, 10, 50, 100, 200)}):
        values = ", ".join(f"{name} {row[at - 1]:.5g}" for name, row in found.items())
        day.row(f"losses after step {at}, {start.method}, batch {start.batch}", values)
    day.known["losses"] = found


def compiled(day: Day) -> None:
    """torch.compile, which takes long to begin with."""
    start = day.start("cyclegan", 16, "bf16")
    if "compile" not in possible(start) or day.small:
        day.row("compile", "not done", "only at full size, where a compiler is found")
        return
    base = day.subject("auto", start, ["auto"])
    began = time.monotonic()
    other = day.subject("with compile", start, [*tricks(start), "compile"])
    took = f"{time.monotonic() - began:.0f} s to begin"
    times = in_turns([base, other], day.turns, day.turn)
    day.row(
        f"compile, CycleGAN, bf16, batch {start.batch}",
        f"{1 / ratio(times, other.name, base.name):.3f} of the time",
        took,
    )
