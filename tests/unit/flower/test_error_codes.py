"""The error codes are Flower's."""

from flwr.common.constant import ErrorCode

from syft_flwr_cli.flower import error_codes


def test_the_numbers_are_flowers() -> None:
    assert {name: getattr(error_codes, name) for name in error_codes.__all__} == {
        "APP_NOT_LOADED": ErrorCode.LOAD_CLIENT_APP_EXCEPTION,
        "APP_RAISED": ErrorCode.CLIENT_APP_RAISED_EXCEPTION,
        "UNUSABLE": ErrorCode.MESSAGE_UNAVAILABLE,
        "NO_ANSWER": ErrorCode.NODE_UNAVAILABLE,
        "NOT_EXECUTED": ErrorCode.MOD_FAILED_PRECONDITION,
        "APP_CRASHED": ErrorCode.CLIENT_APP_CRASHED,
    }
