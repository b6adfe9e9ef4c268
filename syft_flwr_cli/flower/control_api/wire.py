"""The wire of Flower's Control API (flwr 1.40 to 1.42): protobuf messages to and from plain values, frames, errors.

Unary calls are one message as the body of a POST (``application/protobuf``). A stream is a sequence of frames, each a
4-byte big-endian length and a message (``application/flower-protobuf-stream``). An error is a JSON document with
Flower's number, its public sentence and, in ``extra``, ours. No I/O.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from flwr.proto.control_pb2 import (
    GetLoginDetailsResponse,
    ListFederationsResponse,
    ListNodesResponse,
    ListRunsRequest,
    ListRunsResponse,
    PullArtifactsRequest,
    PullArtifactsResponse,
    RefreshAuthTokensRequest,
    RefreshAuthTokensResponse,
    ShowFederationRequest,
    ShowFederationResponse,
    StartRunRequest,
    StartRunResponse,
    StopRunRequest,
    StopRunResponse,
    StreamLogsRequest,
    StreamLogsResponse,
)
from flwr.proto.federation_pb2 import Federation
from flwr.proto.node_pb2 import NodeInfo
from flwr.proto.run_pb2 import Run, RunStatus
from flwr.proto.transport_pb2 import Scalar as ProtoScalar
from google.protobuf.message import DecodeError, Message

from syft_flwr_cli.flower.control_api.backend import (
    ControlError,
    Failure,
    FederationSummary,
    LogChunk,
    NodeSummary,
    RunSummary,
    Scalar,
    Submission,
)

__all__ = [
    "MEDIA_TYPE",
    "REQUESTS",
    "STREAM_MEDIA_TYPE",
    "artifacts_response",
    "error_document",
    "federations_response",
    "log_frame",
    "login_details_response",
    "nodes_response",
    "parse_request",
    "refreshed_response",
    "runs_response",
    "show_federation_response",
    "start_response",
    "stop_response",
    "submission_of",
]

MEDIA_TYPE = "application/protobuf"
STREAM_MEDIA_TYPE = "application/flower-protobuf-stream"

REQUESTS: dict[str, type[Message] | None] = {
    "start-run": StartRunRequest,
    "list-runs": ListRunsRequest,
    "stop-run": StopRunRequest,
    "stream-logs": StreamLogsRequest,
    "pull-artifacts": PullArtifactsRequest,
    "list-nodes": None,
    "list-federations": None,
    "show-federation": ShowFederationRequest,
    "get-login-details": None,
    "get-auth-tokens": None,
    "refresh-auth-tokens": RefreshAuthTokensRequest,
}
"""The calls that are offered, and what their bodies hold; None where nothing of it matters."""

_PUBLIC: dict[Failure, tuple[int, str]] = {
    Failure.NO_FEDERATION_MANAGEMENT: (501, "SuperLink does not support federation management."),
    Failure.FORBIDDEN: (403, "You do not have permission to perform this action."),
    Failure.FAILED_TO_CREATE_RUN: (500, "Failed to create run."),
    Failure.INVALID_RUN_CONFIG: (412, "Invalid run configuration."),
    Failure.RUN_NOT_FOUND: (404, "Run ID not found."),
    Failure.RUN_ALREADY_FINISHED: (412, "Run is already finished."),
    Failure.NO_ACCOUNT_AUTH: (501, "The login of this SuperLink is a token."),
    Failure.PULL_UNFINISHED_RUN: (412, "Cannot pull artifacts for an unfinished run."),
    Failure.FEDERATION_NOT_FOUND: (412, "Federation does not exist or you are not a member of it."),
    Failure.RUN_OF_SOMEBODY_ELSE: (403, "Run ID does not belong to the account."),
    Failure.INVALID_APP_SPEC: (412, "Invalid app specification."),
    Failure.NOT_AUTHENTICATED: (401, "Authentication failed."),
    Failure.UNSUPPORTED_CONTENT_TYPE: (415, "Unsupported content type."),
    Failure.INVALID_REQUEST: (400, "Invalid protobuf payload."),
}
"""The HTTP status and the public sentence that Flower has for each."""


def parse_request(call: str, body: bytes) -> Any:
    """The message of a call's body.

    Raises
    ------
    ControlError
        If it is none.
    """
    kind = REQUESTS[call]
    if kind is None:
        return None
    message = kind()
    try:
        message.ParseFromString(body)
    except DecodeError as error:
        raise ControlError(
            Failure.INVALID_REQUEST, f"The body of {call} is not what it should be."
        ) from error
    return message


def submission_of(request: Any) -> Submission:
    """What a start-run request submits.

    Raises
    ------
    ControlError
        If it names an app of Flower's hub, or holds a value that a run config cannot.
    """
    if request.app_spec:
        raise ControlError(
            Failure.INVALID_APP_SPEC,
            "Apps of Flower's hub are not loaded here: run `flwr run` in the folder of the app.",
        )
    values = {key: _from_scalar(key, value) for key, value in request.override_config.items()}
    content, said = bytes(request.fab.content), request.fab.hash_str
    if said and said != hashlib.sha256(content).hexdigest():
        raise ControlError(
            Failure.FAILED_TO_CREATE_RUN,
            f"The FAB is not the one that was announced ({said[:64]!r}): send it again.",
        )
    verifications = request.fab.verifications
    return Submission(content, values, request.federation, dict(verifications))


def start_response(run_id: int, note: str, federation: str) -> bytes:
    """The answer to start-run."""
    answer = StartRunResponse(run_id=run_id, federation=federation)
    if note:
        answer.note = note
    return _encoded(answer)


def runs_response(runs: Sequence[RunSummary]) -> bytes:
    """The answer to list-runs."""
    return _encoded(ListRunsResponse(run_dict={run.run_id: _run(run) for run in runs}, now=_now()))


def stop_response() -> bytes:
    """The answer to stop-run, which has succeeded."""
    return _encoded(StopRunResponse(success=True))


def log_frame(chunk: LogChunk) -> bytes:
    """One frame of the answer to stream-logs."""
    payload = _encoded(StreamLogsResponse(log_output=chunk.text, latest_timestamp=chunk.latest))
    return len(payload).to_bytes(4, "big") + payload


def artifacts_response(url: str) -> bytes:
    """The answer to pull-artifacts."""
    return _encoded(PullArtifactsResponse(url=url))


def nodes_response(nodes: Sequence[NodeSummary]) -> bytes:
    """The answer to list-nodes."""
    return _encoded(ListNodesResponse(nodes_info=[_node(node) for node in nodes], now=_now()))


def federations_response(federations: Sequence[FederationSummary]) -> bytes:
    """The answer to list-federations."""
    return _encoded(ListFederationsResponse(federations=[_federation(one) for one in federations]))


def show_federation_response(federation: FederationSummary) -> bytes:
    """The answer to show-federation."""
    return _encoded(ShowFederationResponse(federation=_federation(federation), now=_now()))


def login_details_response() -> bytes:
    """The answer to get-login-details: there is no login but the token that the operator hands out."""
    return _encoded(GetLoginDetailsResponse())


def refreshed_response(token: str) -> bytes:
    """The answer to refresh-auth-tokens: a token is not renewed, it lasts until it is withdrawn."""
    return _encoded(RefreshAuthTokensResponse(access_token=token, refresh_token=token))


def error_document(error: ControlError) -> tuple[int, dict[str, str | int]]:
    """The HTTP status and the JSON document of a refusal."""
    status, sentence = _PUBLIC[error.failure]
    return status, {"code": int(error.failure), "detail": sentence, "extra": error.sentence}


def _encoded(message: Message) -> bytes:
    return bytes(message.SerializeToString())


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _run(run: RunSummary) -> Run:
    return Run(
        run_id=run.run_id,
        fab_id=run.fab_id,
        fab_version=run.fab_version,
        fab_hash=run.fab_hash,
        override_config={key: _to_scalar(value) for key, value in run.run_config.items()},
        pending_at=run.pending_at,
        starting_at=run.starting_at,
        running_at=run.running_at,
        finished_at=run.finished_at,
        status=RunStatus(status=run.status, sub_status=run.sub_status, details=run.details),
        flwr_aid=run.user,
        federation=run.federation,
        bytes_sent=run.bytes_sent,
        bytes_recv=run.bytes_received,
        clientapp_runtime=run.client_seconds,
    )


def _node(node: NodeSummary) -> NodeInfo:
    online = node.status == "online"
    return NodeInfo(
        node_id=node.node_id,
        owner_aid=node.email,
        owner_name=node.email,
        status=node.status,
        registered_at=node.registered_at,
        last_activated_at=node.last_seen_at if online else "",
        last_deactivated_at="" if online else node.last_seen_at,
    )


def _federation(federation: FederationSummary) -> Federation:
    return Federation(
        name=federation.name,
        description=federation.description,
        nodes=[_node(node) for node in federation.nodes],
        runs=[_run(run) for run in federation.runs],
    )


def _to_scalar(value: Scalar) -> ProtoScalar:
    if isinstance(value, bool):
        return ProtoScalar(bool=value)
    if isinstance(value, int):
        return ProtoScalar(sint64=value)
    if isinstance(value, float):
        return ProtoScalar(double=value)
    return ProtoScalar(string=value)


def _from_scalar(key: str, scalar: ProtoScalar) -> Scalar:
    kind = scalar.WhichOneof("scalar")
    value = getattr(scalar, kind) if kind else None
    if not isinstance(value, bool | int | float | str):
        raise ControlError(
            Failure.INVALID_RUN_CONFIG, f"The value of {key!r} is no number, truth value or text."
        )
    return value
