"""The folder of a run: filled beside its place, and renamed when it is complete."""

import contextlib
import dataclasses
import os
import pathlib
import tempfile
from collections.abc import Iterator

from tfp_flows.cli.errors import RunError
from tfp_flows.cli.runs.contents import LOCK, STATE, check_own, is_begun, remove
from tfp_flows.cli.runs.lock import check_unlocked, locked, sign
from tfp_flows.cli.runs.record import RunRecord

__all__ = ["RunDir"]


@dataclasses.dataclass(frozen=True)
class RunDir:
    """The places of one run.

    Attributes:
        final: the folder DIR of a complete run.
    """

    final: pathlib.Path

    @property
    def partial(self) -> pathlib.Path:
        """`DIR.partial`, where everything is written until the run is complete."""
        return self.final.with_name(self.final.name + ".partial")

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is something to resume from."""
        return (self.partial / STATE).exists()

    @property
    def _claim(self) -> str:
        return f"--out {self.final}: a run is writing this folder"

    def check(self, data: str, *, resume: bool, overwrite: bool) -> None:
        """Refuses early what would fail, or destroy something, at the end.

        Args:
            data: what the run reads.
            resume: go on with what is in the partial folder.
            overwrite: replace what is there.
        """
        check_unlocked(self.partial / LOCK, self._claim)
        source = pathlib.Path(data).resolve()
        if source.is_file() and {self.final, self.partial} & set(source.parents):
            raise RunError(
                f"--out {self.final}: the data {data} are in this folder: move them, "
                "or choose another folder"
            )
        self._check_places(resume=resume, overwrite=overwrite)

    def _check_places(self, *, resume: bool, overwrite: bool) -> None:
        if self.final.exists() and not self.final.is_dir():
            raise RunError(f"--out {self.final}: this is a file: choose another name")
        check_own(self.partial)
        if resume and not self.partial.exists():
            state = "is complete" if self.final.exists() else "does not exist"
            raise RunError(
                f"--resume: {self.partial} is not there and {self.final} {state}: "
                "leave out --resume"
            )
        self._check_final(overwrite=overwrite)
        if is_begun(self.partial) and not (resume or overwrite):
            raise RunError(
                f"--out {self.final}: an interrupted run is in {self.partial}: add "
                "--resume to go on with it, or --overwrite to start again"
            )

    def _check_final(self, *, overwrite: bool) -> None:
        if overwrite:
            check_own(self.final)
        elif self.final.exists():
            raise RunError(
                f"--out {self.final}: the folder exists: add --overwrite to replace it "
                "when the run succeeds"
            )

    @contextlib.contextmanager
    def opened(
        self, record: RunRecord, *, resume: bool, overwrite: bool
    ) -> Iterator[pathlib.Path]:
        """Yields the partial folder, locked: a new one, or the one of the same run.

        Raises:
            RunError: another run writes it, the run to resume had other options or
                data, or the folder cannot be written.
        """
        with contextlib.ExitStack() as stack:
            try:
                self.partial.mkdir(parents=True, exist_ok=True)
                stack.enter_context(locked(self.partial / LOCK, self._claim))
                sign(self.partial / LOCK)
                self._begin(record, resume=resume, overwrite=overwrite)
            except OSError as error:
                raise RunError(
                    f"--out {self.final}: cannot write {self.partial} "
                    f"({error.strerror}): choose another folder"
                ) from error
            yield self.partial

    def _begin(self, record: RunRecord, *, resume: bool, overwrite: bool) -> None:
        """Writes the record, or compares it; nobody else does so meanwhile."""
        try:
            # Time has passed since the first look.
            self._check_places(resume=resume, overwrite=overwrite)
        except RunError:
            if not is_begun(self.partial):
                self.abandon()
            raise
        if resume and is_begun(self.partial):
            record.check_same(RunRecord.read(self.partial))
        else:
            remove(self.partial, but=LOCK)
            record.write(self.partial)

    def abandon(self) -> None:
        """Removes the partial folder, as far as the disk lets it."""
        with contextlib.suppress(OSError):
            remove(self.partial)

    def finish(self, *, overwrite: bool) -> None:
        """Puts the complete run in its place; an old one goes only then."""
        self._check_final(overwrite=overwrite)
        if self.final.exists():
            self._replace()
        else:
            os.rename(self.partial, self.final)
        (self.final / LOCK).unlink(missing_ok=True)

    def _replace(self) -> None:
        # A new folder of our own: any other name could be somebody's.
        aside = tempfile.mkdtemp(prefix=f".{self.final.name}.", dir=self.final.parent)
        old = pathlib.Path(aside, self.final.name)
        try:
            os.rename(self.final, old)
            os.rename(self.partial, self.final)
        except BaseException:
            if old.exists():
                os.rename(old, self.final)
            os.rmdir(aside)
            raise
        remove(old)
        os.rmdir(aside)
