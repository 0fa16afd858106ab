"""Releases of what we stand on that must not run."""

from importlib.metadata import PackageNotFoundError, version

from lightning_app.errors import CompromisedRelease

# Both stole credentials when they were imported: advisory GHSA-w37p-236h-pfx3.
COMPROMISED = {"lightning": ("2.6.2", "2.6.3")}


def require_sound_releases() -> None:
    """Look at what is installed before any of it is imported.

    Raises:
        CompromisedRelease: If a release is known to do harm; names it, and what to do.
    """
    for package, releases in COMPROMISED.items():
        try:
            found = version(package)
        except PackageNotFoundError:
            continue
        if found in releases:
            raise CompromisedRelease(
                f"{package} {found} steals credentials when it is imported (GHSA-w37p-236h-pfx3); it was not "
                f"imported now. Install another, pip install '{package}!={',!='.join(releases)}', and renew what it "
                "may have seen"
            )
