"""Every error of the domain has one code and one status."""

from domain.errors import DomainError
from web.problems import STATUS_OF


def leaves(error: type[DomainError]) -> set[type[DomainError]]:
    below = error.__subclasses__()
    return {error, *(leaf for child in below for leaf in leaves(child))}


def test_every_error_that_can_be_raised_has_a_status() -> None:
    codes = {error.code for error in leaves(DomainError) if "code" in vars(error)}

    assert codes <= set(STATUS_OF)


def test_a_code_belongs_to_one_error() -> None:
    owners = [error.code for error in leaves(DomainError) if "code" in vars(error)]

    assert sorted(owners) == sorted(set(owners))
