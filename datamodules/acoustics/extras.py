"""Optional packages: whether they are here, and how to get them."""

from importlib.metadata import PackageNotFoundError, version

from datamodules.errors import MissingExtra


def version_of(package: str, extra: str, licence: str) -> str:
    """The installed version of an optional package, told without importing it.

    Args:
        package: its name on the package index.
        extra: that of ours which installs it.
        licence: what the user agrees to with it.

    Raises:
        MissingExtra: If it is not installed.
    """
    try:
        return version(package)
    except PackageNotFoundError:
        raise MissingExtra(
            f"acoustics: {package} is not installed ({licence}). "
            f'Install it with: pip install "emoclap[{extra}]"; or measure with '
            "datamodules.acoustics.AutocorrelationAcoustics, which needs no further package"
        ) from None
