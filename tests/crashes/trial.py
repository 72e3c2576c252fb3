"""One training, killed and resumed until it is done, and compared with one that nothing happened to."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from pathlib import Path
from random import Random

import attrs

from tests.crashes.doing import Page
from tests.crashes.killing import Kill, Start, Started, wait_and_kill
from tests.crashes.outcome import Ended, told
from tests.crashes.power import lose_power
from toonforge.train.meeting import STORE

RUN = "run"
_numbers = count()


@attrs.define
class Death:
    """A process that was killed: what at, and how many of the steps it had trained were trained again."""

    doing: str
    lost: int = 0


@attrs.define
class Trial:
    """What became of it.

    Attributes:
        deaths: in order.
        starts: how many it took, the first among them.
        step: the last step that was trained.
        saved: the step of the newest checkpoint that was written to its end, where nothing harmed it.
        damaged: what resumes said of damaged checkpoints.
        faults: differences to the uninterrupted run, and whatever else must not be; in words.
    """

    deaths: list[Death] = attrs.field(factory=list)
    starts: int = 0
    step: int = 0
    saved: int = 0
    damaged: list[str] = attrs.field(factory=list)
    faults: list[str] = attrs.field(factory=list)

    def ended(self, page: Page, doing: str | None) -> None:
        """Take what a start tells of itself. `doing`: what it was killed at; None where it came to its end."""
        if page.began is not None:
            if self.deaths:
                self.deaths[-1].lost += self.step - page.began
            if page.began < self.saved:
                self.faults.append(f"resumed at {page.began}, behind the whole checkpoint of {self.saved}")
            self.step, self.saved = page.step, page.saved
        if doing is not None:
            self.deaths.append(Death(doing))

    @property
    def differing_weights(self) -> int:
        return sum(".safetensors" in fault for fault in self.faults)

    @property
    def differing_log(self) -> int:
        return sum(fault.startswith("log") for fault in self.faults)


@attrs.frozen(kw_only=True)
class Case:
    """What is trained.

    Attributes:
        recipe: its file.
        place: a folder of its own, made anew for every trial.
        processes: how many train together.
        train: trains (recipe file, run's folder, whether to resume) in this process.
        marker: the file in the run's folder with which it can be resumed.
    """

    recipe: Path
    place: Path
    processes: int = 1
    train: Callable[[Path, Path, bool], None]
    marker: str = "resolved.toml"

    @property
    def folder(self) -> Path:
        return self.place / "disk" / RUN

    def clear(self) -> None:
        shutil.rmtree(self.place, ignore_errors=True)
        self.folder.parent.mkdir(parents=True)

    def once(self, pages: Sequence[Page], kill: Kill | None = None, victims: Sequence[int] = (0,), power: bool = False) -> list[int]:  # fmt: skip
        """One start, as a user does it: resumed where the folder holds a run, begun where it does not yet.

        Returns:
            How each process ended.
        """
        resume = (self.folder / self.marker).is_file()
        meeting = self.place / f"meeting{next(_numbers)}"
        group = []
        for rank in range(self.processes):
            start = Start(
                work=lambda: self.train(self.recipe, self.folder, resume),
                root=self.folder.parent,
                output=self.place / f"output{rank}.txt",
                power=self.place / "power" if power else None,
                environment=_environment(rank, self.processes, meeting) if self.processes > 1 else {},
            )
            group.append(Started(start, pages[rank], kill if rank in victims else None))
        return wait_and_kill(group, kill, victims)

    def uninterrupted(self, pages: Sequence[Page]) -> Ended:
        """The run that nothing happens to."""
        self.clear()
        codes = self.once(pages)
        assert not any(codes), self.said()
        return Ended.of(self.folder)

    def said(self) -> str:
        """The last that the processes said."""
        return "\n".join(path.read_text("utf-8", "replace")[-2500:] for path in sorted(self.place.glob("output*.txt")))


def _environment(rank: int, processes: int, meeting: Path) -> dict[str, str]:
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "1",
        STORE: str(meeting),
    }


def train_here(recipe: Path, folder: Path, resume: bool) -> None:
    """Train to the end."""
    from toonforge import recipe as recipes
    from toonforge.train.trainer import train

    finished = train(recipes.load(recipe), folder=folder, source=recipe, resume=resume, cpu=True)
    assert finished.reason == "done", finished.reason


def survive(
    case: Case,
    pages: Sequence[Page],
    expected: Ended,
    kills: Iterable[Kill],
    *,
    victims: Sequence[int] = (0,),
    power: Random | None = None,
    harm: Callable[[Path], bool] | None = None,
) -> Trial:
    """Train, killed once for each of `kills`, and then to the end.

    Args:
        pages: one a process.
        expected: how the uninterrupted run ended.
        victims: ranks of the processes that are killed.
        power: cut with each kill; says what survives of what was not waited for.
        harm: may damage something in the run's folder after a kill; returns whether it did.
    """
    trial = Trial()
    case.clear()
    for kill in (*kills, None):
        trial.starts += 1
        try:
            codes = case.once(pages, kill, victims, power is not None)
        except TimeoutError as error:
            trial.faults.append(f"{error}: {case.said()}")
            return trial
        killed = any(codes[victim] == -9 for victim in victims)
        trial.ended(pages[0], pages[victims[0]].doing if killed else None)
        if not killed:
            break
        if power is not None:
            lose_power(case.folder.parent, case.place / "power", power.random() < 0.5, power)
        if harm is not None and harm(case.folder):
            trial.saved = 0
    if any(codes):
        trial.faults.append(f"ended with {codes}: {case.said()}")
        return trial
    said = (event["problem"] for event in told(case.folder, "damaged"))
    trial.damaged = [problem for problem in said if "no checkpoint yet" not in problem]
    trial.faults += expected.differences(Ended.of(case.folder))
    return trial
